/** What an activity is called that runs a command: by its program, and what that is told to do. Pure. */

/** Programs that run another one, behind options and what these take. */
const WRAPPERS =
  /^(sudo|doas|nice|ionice|chrt|nohup|setsid|timeout|flock|chronic|cronic|env|time|exec|command|stdbuf|systemd-cat|unshare|if|then|!|\(|\{)$/;
/** What stands before the work, or waits for its time. */
const PREPARATIONS = /^(cd|test|\[|\[\[|sleep|true|:|\.|source|export|set|umask|ulimit|perl|fi|else|done|exit|\)|\})$/;
const INTERPRETERS = /^(sh|bash|dash|ash|zsh|ksh|python[\d.]*|perl|ruby|node|bun|deno|php[\d.]*|java)$/;
const ASSIGNMENT = /^[A-Za-z_]\w*=/;
const SUBCOMMAND = /^[A-Za-z][\w:.-]*$/;
const MAX_LENGTH = 60;

/** Small letters, digits, `.` and `-`: `php artisan schedule:run` is `php-artisan-schedule-run`. Not unique. */
export function nameCommand(command: string): string {
  const parts = splitParts(command).map(programOf);
  const [work] = parts.filter(([program]) => program !== undefined && !PREPARATIONS.test(baseOf(program)));
  const words = work ?? parts.find(([program]) => program !== undefined) ?? [];
  return toSlug(describe(words)) || "command";
}

/** The simple commands of a line, each in words without quotes and redirections. */
function splitParts(command: string): string[][] {
  const parts: string[][] = [[]];
  const tokens =
    command.match(/\\.|"(?:\\.|[^"])*"|'[^']*'|&&|\|\||\d*>>?\|?&?\d?|&>|[;|&<\n]|[^\s"'\\;|&<>]+|\s+/g) ?? [];
  let word = "";
  let isTarget = false;
  const endWord = () => {
    if (word === "") return;
    if (!isTarget) parts.at(-1)?.push(word);
    isTarget = false;
    word = "";
  };
  for (const token of tokens) {
    if (/^\s+$/.test(token)) endWord();
    else if (/^(&&|\|\||[;|&\n])$/.test(token)) {
      endWord();
      parts.push([]);
    } else if (/^(\d*>|&>|<)/.test(token)) {
      endWord();
      isTarget = !/&\d$/.test(token);
    } else word += /^["']/.test(token) ? token.slice(1, -1) : token.replace(/^\\/, "");
  }
  endWord();
  return parts;
}

/** Without assignments, wrappers and what they take. */
function programOf(words: readonly string[]): string[] {
  let rest = [...words];
  while (rest[0] !== undefined) {
    const [first] = rest as [string];
    if (ASSIGNMENT.test(first)) rest = rest.slice(1);
    else if (WRAPPERS.test(baseOf(first))) {
      rest = skipOptions(rest.slice(1));
      if (/^(timeout|flock)$/.test(baseOf(first))) rest = skipOptions(rest.slice(1));
    } else break;
  }
  return rest;
}

/** Also the number or the name that stands behind an option of one letter, as in `-n 19` and `-u www-data`. */
function skipOptions(words: readonly string[]): string[] {
  let at = 0;
  while (words[at]?.startsWith("-")) {
    const takes = /^-[nucpgw]$/.test(words[at] as string) && words[at + 2] !== undefined;
    at += takes ? 2 : 1;
  }
  return words.slice(at);
}

function describe([program = "", ...operands]: readonly string[]): string {
  const base = baseOf(program);
  if (INTERPRETERS.test(base)) {
    const [option, value = ""] = operands;
    if (option !== undefined && /^-[a-z]*c$/.test(option) && /^\w*sh$/.test(base)) return nameCommand(value);
    if (option === "-m") return describe(operands.slice(1));
    const script = skipOptions(operands);
    // What `php artisan` and the like do is said by the word behind.
    if (script[0] !== undefined) return /\.\w+$/.test(script[0]) ? describe(script) : `${base} ${describe(script)}`;
    return base;
  }
  const stem = base.replace(/\.(sh|bash|py|php|pl|rb|js|ts|jar)$/i, "");
  if (stem === "run-parts") return `${stem} ${baseOf(operands.find((word) => !word.startsWith("-")) ?? "")}`;
  const end = operands.findIndex((word) => !SUBCOMMAND.test(word));
  const first = end === -1 ? operands : operands.slice(0, end);
  const words =
    first.length > 0 ? first : operands.filter((word) => SUBCOMMAND.test(word) && word.length > 2).slice(0, 1);
  return [stem, ...words.slice(0, 2)].join(" ");
}

function baseOf(path: string): string {
  return path.replace(/\/+$/, "").replace(/^.*\//, "");
}

function toSlug(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .slice(0, MAX_LENGTH)
    .replace(/^[-.]+|[-.]+$/g, "");
}
