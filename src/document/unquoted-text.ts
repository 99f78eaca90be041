/**
 * Texts that YAML reads as something else because they are not in quotes, such as `cron_expression: *\/5 * * * *`, whose
 * star would be an alias. The parser's own message speaks of that, and not of the quotes.
 */

/**
 * A key or a dash, and a value that begins with what has a meaning of its own in YAML. A star and one word is an alias,
 * and meant as one.
 */
const SPECIAL = /(?:^|[\s{[,])(?:([\w.$/-]+):|-)[ \t]+(\*(?![A-Za-z_][\w-]*[ \t]*(?:[,}\]#]|$))|[%@`]|\{\{)/;
/** A key, and a value in which a colon makes another key of what stands before it. */
const COLON = /^\s*(?:- )?([\w.$/-]+):[ \t]+([^\s"'[{|>&*!%@`#][^"]*?:(?:[ \t]|$))/;
/** A key or a dash, and a text in double quotes that ends within a placeholder, because that has double quotes of its own. */
const QUOTES_WITHIN =
  /(?:^|[\s{[,])(?:([\w.$/-]+):|-)[ \t]+"(?:[^"\\{]|\\.|\{(?!\{)|\{\{(?:[^"\\}]|\\.|\}(?!\}))*\}\})*\{\{(?:[^"\\}]|\\.|\}(?!\}))*"/;
/** Where a value ends within `{…}` or `[…]`. */
const END_IN_FLOW = /,[ \t]*[\w.$/-]+:|[}\]]/;

/** What to write in the line at `offset` of `text`, where the parser found `message`; undefined: it is something else. */
export function describeUnquoted(text: string, offset: number, message: string): string | undefined {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  const end = text.indexOf("\n", offset);
  const line = text.slice(start, end === -1 ? undefined : end).replace(/\r$/, "");
  const within = QUOTES_WITHIN.exec(line);
  if (within !== null)
    return `${within[1] ?? "a value"} is in double quotes and ends at the first one within its {{ … }}: write those within as '…' (as it stands, YAML says: ${message})`;
  const found = SPECIAL.exec(line) ?? (/mapping/i.test(message) ? COLON.exec(line) : null);
  if (found === null) return undefined;
  const [match, key = "a value", first = ""] = found;
  const at = found.index + match.length - first.length;
  const rest = line.slice(at);
  const isFlow = /[{[]/.test(line.slice(0, at));
  // The braces of a placeholder are a part of the text.
  const flowed = rest.replace(/\{\{.*?\}\}/g, (placeholder) => "_".repeat(placeholder.length));
  const value = (isFlow ? rest.slice(0, END_IN_FLOW.exec(flowed)?.index) : rest).replace(/[ \t]#.*$/, "").trim();
  const quoted = value.includes('"') || value.includes("\\") ? `'${value.replaceAll("'", "''")}'` : `"${value}"`;
  return `${key} wants quotes: ${quoted} (as it stands, YAML says: ${message})`;
}
