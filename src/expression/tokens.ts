/**
 * The words of an expression. They are read before the library's parser sees the text, which takes seconds to refuse
 * thousands of brackets or spaces, and says less plainly what is wrong.
 */

export interface Token {
  kind: "name" | "number" | "text" | "mark";
  text: string;
  /** An index into the expression. */
  offset: number;
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

/** The longest expression, in characters. */
const MAX_TEXT = 10_000;
/** How many names, numbers, texts and marks one expression may have. */
const MAX_TOKENS = 2_000;
/** How many brackets may be open at once. */
const MAX_NESTING = 32;

const SPACE = /(?:[\t\n\f\r ]|\/\/[^\r\n]*)+/y;
const NAME = /[A-Za-z_]\w*/y;
const NUMBER = /0[xX][0-9a-fA-F]+[uU]?|(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?[uU]?/y;
const TEXT = /(?:[rR][bB]?|[bB][rR]?)?(?="|')/y;
const MARK = /==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()[\]{}]/y;
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** What people write who think of another language, and what it is here. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/=>/y, "=> makes no function: write list.filter(x, x > 0)"],
  [/=/y, "= compares nothing: write =="],
  [/&/y, "& is no operator: write && for and"],
  [/\|/y, "| is no operator: write || for or"],
  [/\$/y, "$ marks no variable: name what is meant, as in event.payload.name"],
  [/`/y, '` quotes no name: write ["name"]'],
  [/;/y, "an expression is one value: ; ends nothing"],
];

/** @throws SyntaxFault where the text is too long, or its brackets and quotes do not close */
export function readTokens(text: string): Token[] {
  if (text.length > MAX_TEXT)
    throw new SyntaxFault(`the expression has ${text.length} characters, and at most ${MAX_TEXT} are taken`, MAX_TEXT);
  const tokens: Token[] = [];
  const open: Token[] = [];
  for (let offset = skipSpace(text, 0); offset < text.length; offset = skipSpace(text, offset)) {
    const token = readToken(text, offset, tokens.at(-1));
    tokens.push(token);
    if (tokens.length > MAX_TOKENS)
      throw new SyntaxFault(`the expression has more than ${MAX_TOKENS} words and marks`, offset);
    if (token.kind === "mark") followBrackets(token, open);
    offset += token.text.length;
  }
  const unclosed = open.at(-1);
  if (unclosed !== undefined) throw new SyntaxFault(`${unclosed.text} is not closed`, unclosed.offset);
  if (tokens.length === 0) throw new SyntaxFault("the expression is empty", 0);
  return tokens;
}

/** The tokens with one space where there was any, or a comment; and where each begins in it. */
export function joinTokens(tokens: readonly Token[]): { text: string; offsets: number[] } {
  let text = "";
  const offsets: number[] = [];
  let end = 0;
  for (const token of tokens) {
    if (token.offset > end && text !== "") text += " ";
    offsets.push(text.length);
    text += token.text;
    end = token.offset + token.text.length;
  }
  return { text, offsets };
}

/** Where the text in quotes that begins at `start`, its prefix included, ends; undefined where nothing closes it. */
export function endOfText(text: string, start: number): number | undefined {
  const prefix = match(TEXT, text, start) ?? "";
  const quote = text[start + prefix.length] as string;
  const at = start + prefix.length;
  const close = text.startsWith(quote.repeat(3), at) ? quote.repeat(3) : quote;
  const isRaw = /r/i.test(prefix);
  for (let index = at + close.length; index < text.length; index++) {
    if (text[index] === "\\" && !isRaw) index++;
    else if (text.startsWith(close, index)) return index + close.length;
    else if (close.length === 1 && /[\r\n]/.test(text[index] as string)) return undefined;
  }
  return undefined;
}

function readToken(text: string, offset: number, previous: Token | undefined): Token {
  const name = match(NAME, text, offset);
  // The letters of r"…" and b"…" belong to the text that follows.
  if (match(TEXT, text, offset) !== undefined) {
    const end = endOfText(text, offset);
    if (end === undefined) throw new SyntaxFault("the text in quotes is not closed", offset);
    return { kind: "text", text: text.slice(offset, end), offset };
  }
  if (name !== undefined) return { kind: "name", text: name, offset };
  // Of `list.0` the point is a mark.
  const number = previous?.kind === "name" && text[offset] === "." ? undefined : match(NUMBER, text, offset);
  if (number !== undefined) return { kind: "number", text: number, offset };
  const mark = match(MARK, text, offset);
  if (mark !== undefined) return { kind: "mark", text: mark, offset };
  const foreign = FOREIGN.find(([pattern]) => match(pattern, text, offset) !== undefined);
  const char = String.fromCodePoint(text.codePointAt(offset) as number);
  throw new SyntaxFault(foreign?.[1] ?? `${JSON.stringify(char)} means nothing in an expression`, offset);
}

function followBrackets(token: Token, open: Token[]): void {
  if (token.text in CLOSING) {
    open.push(token);
    if (open.length > MAX_NESTING)
      throw new SyntaxFault(`brackets are nested deeper than ${MAX_NESTING} levels`, token.offset);
  } else if (")]}".includes(token.text)) {
    const opened = open.pop();
    if (opened === undefined) throw new SyntaxFault(`${token.text} closes nothing`, token.offset);
    if (CLOSING[opened.text] !== token.text)
      throw new SyntaxFault(
        `${token.text} stands where ${CLOSING[opened.text]} would close ${opened.text}`,
        token.offset,
      );
  }
}

function skipSpace(text: string, offset: number): number {
  return offset + (match(SPACE, text, offset)?.length ?? 0);
}

function match(pattern: RegExp, text: string, offset: number): string | undefined {
  pattern.lastIndex = offset;
  return pattern.exec(text)?.[0];
}
