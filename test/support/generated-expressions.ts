/** Expressions, valid and hostile, from a seed. */

const P = "event.payload.";

/** What the expressions read: about a megabyte. */
export function hostilePayload(): Record<string, unknown> {
  const count = (length: number) => Array.from({ length }, (_, index) => index);
  return {
    n: 7,
    s: "text",
    nothing: null,
    big: "x".repeat(300_000),
    accents: "é€😀".repeat(20_000),
    alternating: "xy".repeat(20_000),
    numbers: count(2_000),
    many: count(10_000),
    rows: count(2_000).map((id) => ({ id, name: `row-${id}`, tags: ["a", "b"], deep: { x: id } })),
    nested: count(100).map(() => count(100)),
    __proto__: { polluted: true },
  };
}

/** Numbers below 1, the same for the same seed. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function generateExpression(random: () => number): string {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;

  const LEAVES = [
    ...[
      "1",
      "-3",
      "2.5",
      "1e300",
      "0",
      "9223372036854775807",
      "true",
      "false",
      "null",
      "'a'",
      '"%s"',
      "b'x'",
      "''",
      "7u",
    ],
    ...["n", "s", "nothing", "big", "accents", "alternating", "numbers", "many", "rows", "nested"].map(
      (key) => P + key,
    ),
    ...["missing", "__proto__", "constructor", "rows[5].name", "numbers[3]", "rows[1].deep.x"].map((key) => P + key),
    ...["event", "now", "trigger.fired_at", "item", "index", "unknown", "x", "secret.KEY", "tasks.mail", "[]", "{}"],
  ];
  const BINARY = ["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"];
  const METHODS = ["size()", "lowerAscii()", "trim()", "split('')", "split('x')", "join('')", "getHours()"];
  const ONE = [
    "size",
    "json",
    "urlencode",
    "base64",
    "sha256",
    "string",
    "int",
    "double",
    "bytes",
    "timestamp",
    "duration",
    "type",
  ];

  function expression(depth: number): string {
    if (depth <= 0) return pick(LEAVES);
    const inner = () => expression(depth - 1 - below(2));
    switch (below(16)) {
      case 0:
        return `(${inner()})`;
      case 1:
      case 2:
        return `${inner()} ${pick(BINARY)} ${inner()}`;
      case 3:
        return `${inner()} ? ${inner()} : ${inner()}`;
      case 4:
        return `[${Array.from({ length: below(4) }, inner).join(", ")}]`;
      case 5:
        return `{${Array.from({ length: below(3) }, () => `'k${below(9)}': ${inner()}`).join(", ")}}`;
      case 6:
        return `${inner()}.${pick(["all", "exists", "exists_one", "filter", "map"])}(${pick(["x", "y", "z"])}, ${inner()})`;
      case 7:
        return `${pick(["numbers", "many", "rows", "nested"].map((key) => P + key))}.${pick(["all", "exists", "filter", "map"])}(x, ${inner()})`;
      case 8:
        return `${pick(ONE)}(${inner()})`;
      case 9:
        return `${inner()}.${pick(METHODS)}`;
      case 10:
        return `get(${inner()}, ${pick(["'a.b'", "'payload.rows.3.id'", "'__proto__'"])}, ${inner()})`;
      case 11:
        return `${inner()}.replace(${inner()}, ${inner()})`;
      case 12:
        return `${inner()}.matches(${pick(["'(a+)+$'", "'(x|xx)*y'", "'[a-z]{2,30}'", "'('", `${P}s`])})`;
      case 13:
        return `'%s %d %.3f'.format([${inner()}, ${inner()}, ${inner()}])`;
      case 14:
        return `strftime(${pick(["now", inner()])}, ${pick(["'%Y-%m-%d'", "'%Q'", `${P}s`])}, ${pick(["'Europe/Paris'", "'Mars'", `${P}s`])})`;
      default:
        return `${inner()}[${inner()}]`;
    }
  }

  const repeat = (text: string, limit = 400) => text.repeat(1 + below(limit));
  const HOSTILE: readonly (() => string)[] = [
    () => `${repeat("(")}1${repeat(")")}`,
    () => `${"[".repeat(31)}${expression(2)}${"]".repeat(31)}`,
    () => repeat(pick(["!", "-", "a.", "[", "{", "'", "((", "a?", "a?b:", ".", "\\", "é", "\u0000", "//", " "]), 3_000),
    () => `1${repeat(pick([" + 1", " || true", " == 1", "[0]", ".a", ".size()", " ? 1 : 2", ".map(x, x)"]), 1_500)}`,
    () =>
      `${P}many.${pick(["all", "exists", "map", "filter"])}(x, ${P}many.${pick(["all", "exists", "map", "filter"])}(y, ${expression(2)}))`,
    () => `${P}numbers.map(x, ${P}numbers.map(y, ${P}numbers.map(z, [x, y, z])))`,
    () =>
      `${P}numbers.all(x, ${Array.from({ length: 1 + below(40) }, () => expression(1)).join(` ${pick(["&&", "||"])} `)})`,
    () => `[${P}big]${repeat(".map(x, x + x)", 40)}`,
    () => `[[1]]${repeat(".map(x, x + x)", 40)}`,
    () =>
      `${P}many.map(x, ${pick(["json", "sha256", "base64", "urlencode", "size", "bytes"])}(${P}${pick(["big", "accents", "rows"])})).size()`,
    () =>
      `${P}${pick(["big", "accents", "alternating"])}.matches('${pick(["(x+x+)+y", "(x|y)*x(x|y){20}z", "(a?){200}a{200}", "\\\\b(x+y+)+\\\\b$", "([^a]|x|é)+z", `(x{${below(1000)}}){${below(9)}}`, "\\\\pL+".repeat(below(9))])}')`,
    () => `${P}many.map(x, '%s%s'.format([${P}big, ${P}rows])).size()`,
    () => `${P}big.replace('x', '${"y".repeat(below(50))}').replace('y', ${P}big)`,
    () =>
      `${P}many.map(x, timestamp(int(x) * 86400${below(99)}).getHours('${pick(["Europe/Paris", "America/New_York", "+05:30"])}')).size()`,
    () => `'${"a".repeat(below(20_000))}'.size() > ${"9".repeat(1 + below(400))}`,
    () => `${P}rows == ${P}rows.map(x, x) && ${P}many.all(x, x in ${P}many)`,
    () => Array.from({ length: 1 + below(300) }, () => String.fromCodePoint(below(0xd7ff))).join(""),
    () => `${P}big.split('').map(x, ${P}big.split('')).map(x, x.join(''))`,
  ];

  if (random() < 0.25) return pick(HOSTILE)();
  const text = expression(1 + below(6));
  // Some are cut, or have a character too much.
  if (random() < 0.85) return text;
  const at = below(text.length);
  return random() < 0.5 ? text.slice(0, at) : `${text.slice(0, at)}${pick([..."(){}[]'\"\\.?:=&"])}${text.slice(at)}`;
}
