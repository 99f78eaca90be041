/** A string with `{{ expression }}` in it, taken apart. */
import { endOfText } from "./tokens.ts";

export type Part = { literal: string } | { expression: string; offset: number };

/** `offset` is where the braces open that nothing closes. */
export class UnclosedError extends Error {
  constructor(readonly offset: number) {
    super("{{ is not closed by }}");
  }
}

export function hasTemplate(text: string): boolean {
  return text.includes("{{");
}

/**
 * Literal texts and expressions in their order; no literal is empty. Braces and quotes within an expression are its own.
 * @throws UnclosedError
 */
export function splitTemplate(text: string): Part[] {
  const parts: Part[] = [];
  let from = 0;
  for (let open = text.indexOf("{{"); open >= 0; open = text.indexOf("{{", from)) {
    if (open > from) parts.push({ literal: text.slice(from, open) });
    const close = findClose(text, open + 2);
    if (close === undefined) throw new UnclosedError(open);
    parts.push({ expression: text.slice(open + 2, close), offset: open + 2 });
    from = close + 2;
  }
  if (from < text.length) parts.push({ literal: text.slice(from) });
  return parts;
}

function findClose(text: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '"' || char === "'") {
      // The r of r"…" stands before the quotes.
      const end = endOfText(text, /[rR]/.test(text[at - 1] as string) && at > start ? at - 1 : at);
      if (end === undefined) return undefined;
      at = end - 1;
    } else if (char === "{") depth++;
    else if (char === "}" && depth > 0) depth--;
    else if (char === "}" && text[at + 1] === "}") return at;
  }
  return undefined;
}
