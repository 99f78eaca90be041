/** The name that somebody may have meant who wrote another one. */
import { closest, distance } from "fastest-levenshtein";

/** Undefined where each of `names` differs too much. */
export function findNearest(text: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const candidate = closest(text, names);
  return distance(text, candidate) <= Math.max(2, text.length / 3) ? candidate : undefined;
}

/** What to put behind an error about `text`: `. Did you mean mail?`, or nothing. */
export function suggestNearest(text: string, names: readonly string[]): string {
  const candidate = findNearest(text, names);
  return candidate === undefined ? "" : `. Did you mean ${candidate}?`;
}
