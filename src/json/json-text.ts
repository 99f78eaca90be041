/** Where a text stops being JSON: YAML, which reads it, takes more than JSON is, and JSON.parse names no line. */

const SPACE = /[ \t\r\n]*/y;
const VALUE =
  /"(?:[ !#-[\]-\u{10ffff}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/uy;

/** The first place that no JSON text can have, and why; undefined when `text` is JSON. */
export function findJsonFault(text: string): { offset: number; message: string } | undefined {
  let at = 0;
  /** The brackets that are open. */
  const open: ("{" | "[")[] = [];
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const token = pattern.exec(text)?.[0];
    at += token?.length ?? 0;
    return token;
  };
  const expected = (what: string) => {
    const character = [...text.slice(at, at + 2)][0];
    const offset = Math.min(at, Math.max(0, text.length - 1));
    return {
      offset,
      message: `is no JSON: expected ${what}, received ${character === undefined ? "the end" : JSON.stringify(character)}`,
    };
  };

  for (let state: "value" | "first" | "key" | "after" = "value"; ; ) {
    take(SPACE);
    const next = text[at];
    if (state === "after") {
      if (open.length === 0) return next === undefined ? undefined : expected("the end");
      const close = open.at(-1) === "{" ? "}" : "]";
      if (next !== "," && next !== close) return expected(`"," or ${JSON.stringify(close)}`);
      at++;
      if (next === close) open.pop();
      else state = open.at(-1) === "{" ? "key" : "value";
      continue;
    }
    if (state === "first" && (next === "}" || next === "]") && (next === "}") === (open.at(-1) === "{")) {
      at++;
      open.pop();
      state = "after";
      continue;
    }
    if (open.at(-1) === "{" && (state === "first" || state === "key")) {
      if (next !== '"' || take(VALUE) === undefined) return expected("a key in double quotes");
      take(SPACE);
      if (text[at] !== ":") return expected('":"');
      at++;
      state = "value";
      continue;
    }
    if (next === "{" || next === "[") {
      open.push(next);
      at++;
      state = "first";
    } else if (take(VALUE) !== undefined) state = "after";
    else return expected("a value");
  }
}
