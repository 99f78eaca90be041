/** The name that somebody may have meant who wrote another one. */
import { closest, distance } from "fastest-levenshtein";

/** What to put behind an error about `text`: `. Did you mean mail?`, or nothing where each of `names` differs too much. */
export function suggestNearest(text: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const candidate = closest(text, names);
  return distance(text, candidate) <= Math.max(2, text.length / 3) ? `. Did you mean ${candidate}?` : "";
}
