/**
 * Finds the numbers in a text of JSON that are not to be left to JSON.parse, by their looks and without parsing the text:
 * those of 16 digits and more and those with an exponent of three digits and more, which a double may not keep, and minus zero.
 */

/**
 * A text without a match of any has no such number. One with a match may have none: ids may be of 16 digits. Exponents
 * are looked for only where a value may begin, because ids of hexadecimal digits often look like one elsewhere.
 */
const DIGITS = /[\d.]{16}/;
const EXPONENT = /(?:^|[\s:,[])-?\d[\d.]*[eE][-+]?\d{3}/;
/** Where a value may begin. JSON.parse keeps minus zero apart from zero, and what stores or prints it does not. */
const MINUS_ZERO = /(?:^|[\s:,[])-0(?:\.0+)?(?:[eE][-+]?\d+)?(?![\d.eE])/;
/** Such a number. A double prints every other one as it was read. */
const LONG_NUMBER =
  /-?(?:[\d.]{16,}(?:[eE][-+]?\d+)?|\d[\d.]{0,14}[eE][-+]?\d{3,})|(?<![eE])-0(?:\.0+)?(?:[eE][-+]?\d+)?(?![\d.eE])/g;

export interface FoundNumber {
  /** Where it begins in the text. */
  start: number;
  literal: string;
}

/** In a text that is JSON. One without such numbers is looked through quickly. */
export function findLongNumbers(text: string): FoundNumber[] {
  const found: FoundNumber[] = [];
  if (!DIGITS.test(text) && !EXPONENT.test(text) && !(text.includes("-0") && MINUS_ZERO.test(text))) return found;
  /** Where the next string begins, after those that were passed. */
  let quote = text.indexOf('"');
  LONG_NUMBER.lastIndex = 0;
  for (let match = LONG_NUMBER.exec(text); match !== null; match = LONG_NUMBER.exec(text)) {
    let end = -1;
    while (quote !== -1 && quote < match.index) {
      end = endOfString(text, quote);
      quote = text.indexOf('"', end + 1);
    }
    if (end > match.index) LONG_NUMBER.lastIndex = end + 1;
    else found.push({ start: match.index, literal: match[0] });
  }
  return found;
}

/** Where the string ends that begins with the quote at `quote`: the place of its closing quote. */
function endOfString(text: string, quote: number): number {
  for (let end = text.indexOf('"', quote + 1); ; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end;
  }
}
