/** JSON pointers (RFC 6901): how faults and changes name a place in a value. */

/** The pointer to what stands under `key` in what `pointer` names. */
export function pointTo(pointer: string, key: string): string {
  return `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** The keys that a pointer leads through; none of "", which names the whole value. */
export function keysOf(pointer: string, decode = (key: string) => key): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((key) => decode(key).replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** What the pointer names in `root`; undefined when nothing stands there. `decode` is for keys that are also encoded otherwise. */
export function valueAt(root: unknown, pointer: string, decode?: (key: string) => string): unknown {
  return keysOf(pointer, decode).reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    root,
  );
}

/** A copy of `root` in which `value` stands where the pointer leads; what is not on the way is shared. Something stands there. */
export function setAt(root: unknown, pointer: string, value: unknown): unknown {
  const set = (inner: unknown, [key, ...rest]: readonly string[]): unknown => {
    if (key === undefined) return value;
    if (Array.isArray(inner)) return inner.with(Number(key), set(inner[Number(key)], rest));
    return Object.fromEntries(
      Object.entries(inner as object).map(([name, each]) => [name, name === key ? set(each, rest) : each]),
    );
  };
  return set(root, keysOf(pointer));
}
