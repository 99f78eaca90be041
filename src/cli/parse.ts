/** argv → a command and its arguments, with every typing error at once, each with the nearest name. */
import { parseArgs } from "node:util";
import { closest, distance } from "fastest-levenshtein";
import type { Flags } from "../kernel/config.ts";
import type { Fault } from "../kernel/errors.ts";
import { suggestNearest } from "../kernel/nearest-name.ts";
import { SETTINGS, type SettingName } from "../kernel/settings.ts";
import { type Command, usageError } from "./command.ts";
import { COMMANDS, type CommandName } from "./commands.ts";

type Parsed =
  /** Of one command, of a group of them, or of everything. */
  { help: true; command?: CommandName; group?: string } | ({ help: false; command: CommandName } & Arguments);

interface Arguments {
  flags: Flags;
  /** The command's own, by name. */
  args: Record<string, string>;
  rest: readonly string[];
  json: boolean;
  faults: readonly Fault[];
}

const NAMES = Object.keys(COMMANDS);
const GROUPS = [...new Set(NAMES.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0] as string))];

/** @throws InvalidInputError `usage` when there is no such command */
export function parseCommandLine(argv: readonly string[]): Parsed {
  const [first, ...rest] = argv;
  if (first === undefined || isHelp(first)) return { help: true };
  if (first === "help") return rest.length === 0 ? { help: true } : { help: true, ...readHelpTopic(rest) };
  if (GROUPS.includes(first) && rest[0] !== undefined && isHelp(rest[0])) return { help: true, group: first };
  const words = first === "--version" ? ["version", ...rest] : argv;
  const name = readCommand(words);
  const args = words.slice(name.split(" ").length);
  if (args.some(isHelp)) return { help: true, command: name };
  return { help: false, command: name, ...readArguments(name, args) };
}

function isHelp(word: string): boolean {
  return word === "--help" || word === "-h";
}

function readHelpTopic(words: readonly string[]): { command: CommandName } | { group: string } {
  const [first = "", ...rest] = words;
  return GROUPS.includes(first) && rest.length === 0 ? { group: first } : { command: readCommand(words) };
}

/** The command that `words` begin with, of one word or two. */
function readCommand(words: readonly string[]): CommandName {
  const [first = "", second = "-"] = words;
  const two = second.startsWith("-") ? first : `${first} ${second}`;
  for (const name of [two, first]) if (Object.hasOwn(COMMANDS, name)) return name as CommandName;
  throw usageError([describeUnknown(first, two)], `help${GROUPS.includes(first) ? ` ${first}` : ""}`);
}

function describeUnknown(first: string, two: string): Fault {
  const members = NAMES.filter((name) => name.startsWith(`${first} `)).map((name) => name.slice(first.length + 1));
  if (members.length > 0 && two === first) return { path: first, message: `needs one of ${members.join(", ")}` };
  const names = [...NAMES, ...GROUPS];
  const path = members.length > 0 || distanceTo(two, names) <= distanceTo(first, names) ? two : first;
  return { path, message: `is no command${suggestNearest(path, names)}` };
}

function readArguments(name: CommandName, argv: readonly string[]): Arguments {
  const command: Command = COMMANDS[name];
  const byFlag = new Map(command.settings.map((setting) => [SETTINGS[setting].flag as string, setting]));
  const own = command.options ?? {};
  /** What stands behind each flag; undefined: nothing. */
  const behind = new Map<string, string | undefined>([
    ...[...byFlag].map(([flag, setting]) => [flag, valueName(setting)] as const),
    ...Object.entries(own).map(([flag, { value }]) => [flag, value] as const),
    ...(command.json ? [["json", undefined] as const] : []),
  ]);
  const known = [...behind.keys()].map((flag) => `--${flag}`);
  const expected = [...(command.positionals ?? [])];
  const flags: Flags = {};
  const args: Record<string, string> = {};
  const rest: string[] = [];
  const faults: Fault[] = [];
  let json = false;

  const { tokens, valueless } = readTokens(argv, behind);
  for (const token of tokens) {
    if (token.kind === "positional") {
      const positional = expected.shift();
      if (positional !== undefined) args[positional] = token.value;
      else if (command.rest !== undefined) rest.push(token.value);
      else faults.push({ path: token.value, message: `is not expected after ${name}` });
    }
    if (token.kind !== "option") continue;
    const { name: flag, rawName, value } = token;
    const setting = byFlag.get(flag);
    if (!behind.has(flag))
      faults.push({ path: rawName, message: `is no flag of ${name}${suggestNearest(rawName, known)}` });
    else if (setting !== undefined) flags[setting] = value ?? "true";
    else if (Object.hasOwn(own, flag)) args[flag] = value ?? (own[flag]?.value === undefined ? "true" : "");
    else json = true;
  }
  for (const flag of valueless)
    faults.push({ path: `--${flag}`, message: `needs a value: --${flag}=${behind.get(flag)}` });
  if (command.rest !== undefined && rest.length === 0) expected.push(command.rest);
  for (const positional of expected) faults.push({ path: positional, message: `is required after ${name}` });
  for (const [flag, { value, required }] of Object.entries(own))
    if (required && args[flag] === undefined && !valueless.includes(flag))
      faults.push({ path: `--${flag}`, message: `is required: --${flag}=${value}` });
  return { flags, args, rest, json, faults };
}

/** The flags that miss their value are taken out first: the next flag is no value of theirs. */
function readTokens(argv: readonly string[], behind: ReadonlyMap<string, string | undefined>) {
  const isValueless = (word: string, at: number) =>
    word.startsWith("--") && behind.get(word.slice(2)) !== undefined && (argv[at + 1] ?? "--").startsWith("--");
  const options = Object.fromEntries(
    [...behind].map(([flag, value]) => [flag, { type: value === undefined ? "boolean" : "string" } as const]),
  );
  const { tokens } = parseArgs({
    args: argv.filter((word, at) => !isValueless(word, at)),
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
    allowNegative: false,
  });
  return { tokens, valueless: argv.filter(isValueless).map((word) => word.slice(2)) };
}

export function valueName(setting: SettingName): string | undefined {
  return (SETTINGS[setting] as { value?: string }).value;
}

function distanceTo(text: string, names: readonly string[]): number {
  return distance(text, closest(text, names));
}
