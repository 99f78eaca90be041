/** JSON pointers (RFC 6901): how faults and changes name a place in a value. */

/** The pointer to what stands under `key` in what `pointer` names. */
export function pointTo(pointer: string, key: string): string {
  return `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** The keys that a pointer leads through; none of "", which names the whole value. */
export function keysOf(pointer: string): string[] {
  return pointer.split("/").slice(1).map(unescapeKey);
}

/** What the pointer names in `root`; undefined when nothing stands there. */
export function valueAt(root: unknown, pointer: string): unknown {
  return keysOf(pointer).reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    root,
  );
}

/** A key, from how a pointer writes it. */
export function unescapeKey(text: string): string {
  return text.replaceAll("~1", "/").replaceAll("~0", "~");
}
