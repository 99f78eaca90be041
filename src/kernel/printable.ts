/**
 * Makes text of others safe to show on a terminal: the end of a line in it would forge lines, and other control characters (C0,
 * DEL and C1, of which U+009B begins a command to the terminal) could do anything. They are shown as JSON escapes.
 */

/** Without any control character. */
export function inOneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, escapeOf);
}

/** Without control characters but tabs and the ends of its lines. Text that is JSON stays the same JSON. */
export function inLines(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, escapeOf);
}

function escapeOf(character: string): string {
  const escaped = JSON.stringify(character).slice(1, -1);
  // JSON leaves DEL and C1 as they are.
  return escaped === character ? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}` : escaped;
}
