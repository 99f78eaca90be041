/** The text of an expression → its syntax tree. */
import { parse } from "@bufbuild/cel";
import { joinTokens, readTokens, SyntaxFault, type Token } from "./tokens.ts";

export type Expr = ReturnType<typeof parse>["expr"];

export interface Syntax {
  text: string;
  expr: Expr;
  /** Where the expression with this id begins: an index into the text. */
  offsetOf(id: bigint): number;
}

/** @throws SyntaxFault */
export function parseExpression(text: string): Syntax {
  const tokens = readTokens(text);
  const joined = joinTokens(tokens);
  /** The token that begins at or before this index into the joined text. */
  const tokenAt = (offset: number): Token =>
    tokens[
      Math.max(
        0,
        joined.offsets.findLastIndex((start) => start <= offset),
      )
    ] as Token;
  try {
    const { expr, sourceInfo } = parse(joined.text);
    const offsetOf = (id: bigint) => {
      const token = tokenAt(sourceInfo?.positions[id.toString()] ?? 0);
      // A method begins with its point for the parser.
      return (token.text === "." ? (tokens[tokens.indexOf(token) + 1] ?? token) : token).offset;
    };
    return { text, expr, offsetOf };
  } catch (error) {
    throw toFault(error, tokens, tokenAt);
  }
}

/** `line:column` of an offset, both counted from 1. */
export function positionOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `${before.length}:${(before.at(-1) as string).length + 1}`;
}

function toFault(error: unknown, tokens: readonly Token[], tokenAt: (offset: number) => Token): SyntaxFault {
  const { location, found } = error as { location?: { start: { offset: number } }; found?: string };
  if (location === undefined) return new SyntaxFault(describeOther(error), 0);
  const [first, second] = tokens;
  if (first?.text === "{" && second?.text === "{")
    return new SyntaxFault("an expression stands here without {{ and }} around it", first.offset);
  const token = tokenAt(location.start.offset);
  const at = tokens.indexOf(token);
  const before = tokens[at - 1];
  const isLast = at === tokens.length - 1;
  if (found === "" || (isLast && token.kind === "mark" && !/[)\]}]/.test(token.text)))
    return new SyntaxFault(`a value is missing after ${token.text}, where the expression ends`, token.offset);
  const hint =
    before?.text === "."
      ? `write ["${token.text}"]`
      : (WORDS.get(token.text.toLowerCase()) ?? WORDS.get(before?.text.toLowerCase() ?? ""));
  return new SyntaxFault(`${token.text} is not expected here${hint === undefined ? "" : `: ${hint}`}`, token.offset);
}

function describeOther(error: unknown): string {
  if (error instanceof RangeError) return "the expression is nested too deeply";
  return error instanceof Error ? error.message : String(error);
}

/** Words of other languages. */
const WORDS = new Map([
  ["and", "write &&"],
  ["or", "write ||"],
  ["not", "write !"],
  ["is", "write =="],
  ["if", "write condition ? value : other value"],
  ["then", "write condition ? value : other value"],
]);
