/** How a secret's value may stand in a text: as it is, escaped for JSON, URLs, forms or HTML, in base64, or only a part of it. */
import { once } from "../kernel/once.ts";

export interface Form {
  /** Four letters or digits that stand in every text in which `mask` finds something; undefined where there are none. */
  readonly anchor: string | undefined;
  /** Characters of what is looked for: a longer one is masked first. */
  readonly length: number;
  /** The text with `MASK` wherever the value stands in it in this form. `mayBeCut` says whether it is long enough to have been cut. */
  mask(text: string, mayBeCut: boolean): string;
}

/** What stands in place of a secret. */
const MASK = "***";

/** Characters of the shortest value that is masked: shorter ones stand in too many words. */
export const MIN_LENGTH = 4;
/** Characters of the shortest line that is masked by itself. */
const MIN_LINE_LENGTH = 8;
/** Letters and digits that are masked by themselves: as many stand in few words, and few encodings change them. */
const LONG_RUN = /[A-Za-z0-9]{16,}/g;
/** What can be a host, with a port: a URL shows it in lower case, however it was written. */
const HOST = /^[\w.:-]{1,260}$/;
/** Characters of the shortest beginning of a value that is masked where a text was cut. */
const MIN_BEGINNING_LENGTH = 8;
/** A text as long as this may have been cut at its end; a shorter one has dots where it was. */
export const MAYBE_CUT_LENGTH = 1000;
/** A longer value is looked for in pieces of this length. */
const MAX_PIECE_LENGTH = 1024;
/** Such a line of a PEM file stands in every other one too. */
const PEM_BORDER = /^-----(?:BEGIN|END) /;

/** None where the value is shorter than `MIN_LENGTH`. */
export function formsOf(value: string): Form[] {
  return piecesOf(value).flatMap((piece) => {
    const written = new Set([piece, JSON.stringify(piece).slice(1, -1), encodeURIComponent(piece.toWellFormed())]);
    const encoded = [...written].flatMap(base64Of);
    return [
      toForm(piece, () => escapedPattern(piece)),
      ...encoded.map(({ base64, pattern }) => toForm(base64, pattern)),
      ...[...written, ...encoded.map(({ base64 }) => base64)].flatMap(toBeginning),
    ];
  });
}

/** The value, and what of it is masked also where the rest is not beside it: its lines, long runs of letters and digits, and it as a host. */
function piecesOf(value: string): string[] {
  const lines = value
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line.length >= MIN_LINE_LENGTH && !PEM_BORDER.test(line));
  const hosts = HOST.test(value) ? [value.toLowerCase()] : [];
  const pieces = [value, ...hosts, ...lines, ...(value.match(LONG_RUN) ?? [])].flatMap((text) => {
    const parts: string[] = [];
    for (let at = 0; at < text.length; at += MAX_PIECE_LENGTH) parts.push(text.slice(at, at + MAX_PIECE_LENGTH));
    return parts;
  });
  return [...new Set(pieces)].filter((piece) => piece.length >= MIN_LENGTH);
}

/** The pattern is compiled when it is first looked for: of a long value with many lines most never are. */
function toForm(form: string, pattern: () => string): Form {
  const compiled = once(() => new RegExp(pattern(), "g"));
  return { anchor: anchorOf(form), length: form.length, mask: (text) => text.replace(compiled(), MASK) };
}

/** As much of the beginning of `form` as stands where a text was cut: at its end, or before dots that say so. */
function toBeginning(form: string): Form[] {
  if (form.length <= MIN_BEGINNING_LENGTH) return [];
  const head = form.slice(0, MIN_BEGINNING_LENGTH);
  const mask = (text: string, mayBeCut: boolean) => {
    let masked = text;
    for (let at = masked.indexOf(head); at >= 0; at = masked.indexOf(head, at + 1)) {
      let end = at + head.length;
      while (end < masked.length && masked[end] === form[end - at]) end++;
      const isCut = end === masked.length ? mayBeCut : /^(?:\.\.\.|…)/.test(masked.slice(end, end + 3));
      if (isCut) masked = masked.slice(0, at) + MASK + masked.slice(end);
    }
    return masked;
  };
  return [{ anchor: anchorOf(head), length: MIN_BEGINNING_LENGTH, mask }];
}

function anchorOf(text: string): string | undefined {
  const runs = text.match(/[A-Za-z0-9]{4,}/g) ?? [];
  return runs.reduce<string>((best, run) => (run.length > best.length ? run : best), "").slice(0, 4) || undefined;
}

/**
 * What of the base64 of any text with the piece in it follows from the piece alone: by how many bytes stand before it, modulo 3.
 * The pattern takes in the characters beside it that have some bits of the piece.
 */
function base64Of(piece: string): { base64: string; pattern(): string }[] {
  const bytes = Buffer.from(piece);
  return [0, 1, 2].map((before) => {
    const bits = 8 * (before + bytes.length);
    const all = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    const base64 = all.slice(Math.ceil((8 * before) / 6), Math.floor(bits / 6));
    const [left, right] = [before > 0 ? `${BASE64}?` : "", bits % 6 > 0 ? `(?:${BASE64}={0,2})?` : ""];
    return { base64, pattern: () => left + base64Pattern(base64) + right };
  });
}

const BASE64 = "[A-Za-z0-9+/_-]";

/** In the alphabet of URLs too; and with `+` as a space, which is what a form's reader takes it for. */
function base64Pattern(base64: string): string {
  return base64.replaceAll(/[+/]/g, (character) =>
    character === "+" ? `(?:[ -]|${escapesOf("+")})` : `(?:_|${escapesOf("/")})`,
  );
}

/** Whichever of the characters are escaped, in whichever way. All counts are bounded, so that no text makes it slow. */
function escapedPattern(text: string): string {
  return text.replaceAll(/\\+|[^A-Za-z0-9\\]/gu, (characters) =>
    characters.startsWith("\\") ? backslashes(characters.length) : escapesOf(characters),
  );
}

/** The named escapes of JSON and HTML. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  "\n": ["\\\\{1,7}n"],
  "\r": ["\\\\{1,7}r"],
  "\t": ["\\\\{1,7}t"],
  "\b": ["\\\\{1,7}b"],
  "\f": ["\\\\{1,7}f"],
  " ": ["\\+"],
  '"': ["&(?:amp;){0,3}quot;"],
  "'": ["&(?:amp;){0,3}apos;"],
  "&": ["&(?:amp;){1,3}"],
  "<": ["&(?:amp;){0,3}lt;"],
  ">": ["&(?:amp;){0,3}gt;"],
};

/** One character, which is neither a letter or digit of ASCII nor a backslash. */
function escapesOf(character: string): string {
  const units = [...Array(character.length).keys()].map((at) => hexPattern(character.charCodeAt(at), 4));
  const isAscii = character.charCodeAt(0) < 0x80;
  const alternatives = [
    // JSON, shells and regular expressions put a backslash before it, and each JSON around JSON doubles these.
    (isAscii ? "\\\\{0,7}" : "") + units.map((unit) => `\\u${unit.plain}`).join(""),
    ...(NAMED[character] ?? []),
    [...Buffer.from(character)].map((byte) => `%(?:25){0,3}${hexPattern(byte, 2).anyCase}`).join(""),
    units.map((unit) => `\\\\{1,7}u${unit.anyCase}`).join(""),
    numericEscape(character.codePointAt(0) ?? 0),
  ];
  return `(?:${alternatives.join("|")})`;
}

/** So many, or doubled up to three times. */
function backslashes(count: number): string {
  const escapes = ["%(?:25){0,3}5[cC]", "\\\\{1,7}u005[cC]", numericEscape(0x5c)];
  return `(?:\\\\{${count},${8 * count}}|${escapes.map((each) => `(?:${each}){${count}}`).join("|")})`;
}

/** A pattern of the character as HTML escapes it, decimal or hexadecimal. */
function numericEscape(codePoint: number): string {
  return `&(?:amp;){0,3}#(?:0{0,5}${codePoint}|[xX]0{0,5}${hexPattern(codePoint, 1).anyCase});`;
}

function hexPattern(code: number, digits: number): { plain: string; anyCase: string } {
  const plain = code.toString(16).padStart(digits, "0");
  return { plain, anyCase: plain.replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`) };
}
