/** The text of an expression → its syntax tree. Texts that no person writes are refused before the parser sees them. */
import { parse } from "@bufbuild/cel";

export type Expr = ReturnType<typeof parse>["expr"];

export interface Syntax {
  text: string;
  expr: Expr;
  /** Where the expression with this id begins: an index into the text. */
  offsetOf(id: bigint): number;
}

/** A text that is no expression. `offset` is where in the text. */
export class SyntaxFault extends Error {
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

/** In characters. */
export const MAX_TEXT = 10_000;
/** How many brackets may be open at once. */
export const MAX_NESTING = 32;

/** @throws SyntaxFault */
export function parseExpression(text: string): Syntax {
  if (text.length > MAX_TEXT)
    throw new SyntaxFault(`the expression has ${text.length} characters, and at most ${MAX_TEXT} are taken`, MAX_TEXT);
  if (text.trim() === "") throw new SyntaxFault("the expression is empty", 0);
  checkNesting(text);
  try {
    const { expr, sourceInfo } = parse(text);
    return { text, expr, offsetOf: (id) => sourceInfo?.positions[id.toString()] ?? 0 };
  } catch (error) {
    throw toFault(error, text);
  }
}

/** `line:column` of an offset, both counted from 1. */
export function positionOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `${before.length}:${(before.at(-1) as string).length + 1}`;
}

/** Where the string that begins at `start` ends: behind its closing quote, or at the end of the text. */
export function skipString(text: string, start: number): number {
  const quote = text[start] as string;
  const isRaw = /[rR][bB]?$/.test(text.slice(Math.max(0, start - 2), start));
  const close = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote;
  for (let at = start + close.length; at < text.length; at++) {
    if (text[at] === "\\" && !isRaw) at++;
    else if (text.startsWith(close, at)) return at + close.length;
  }
  return text.length;
}

function checkNesting(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '"' || char === "'") at = skipString(text, at) - 1;
    else if ("([{".includes(char)) {
      depth++;
      if (depth > MAX_NESTING) throw new SyntaxFault(`brackets are nested deeper than ${MAX_NESTING} levels`, at);
    } else if (")]}".includes(char)) depth--;
  }
}

function toFault(error: unknown, text: string): SyntaxFault {
  if (!(error instanceof Error)) return new SyntaxFault(String(error), 0);
  const { location } = error as { location?: { start?: { offset?: number } } };
  return new SyntaxFault(error.message.replace(/^<input>:\d+:\d+: /, ""), location?.start?.offset ?? text.length);
}
