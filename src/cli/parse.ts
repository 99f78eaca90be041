/** argv → a command and its arguments, with every typing error at once, each with the nearest name. */
import { parseArgs } from "node:util";
import { closest, distance } from "fastest-levenshtein";
import { type Flags, SETTINGS, type SettingName } from "../config.ts";
import { type Fault, InvalidInputError } from "../errors.ts";
import { COMMANDS, type Command, type CommandName } from "./commands.ts";

export type Parsed =
  /** Of one command, of a group of them, or of everything. */
  { help: true; command?: CommandName; group?: string } | ({ help: false; command: CommandName } & Arguments);

interface Arguments {
  flags: Flags;
  /** The command's own, by name. */
  args: Record<string, string>;
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
  throw new InvalidInputError("the command line is wrong", [describeUnknown(first, two)], "usage", {
    hint: `Try: actcore help${GROUPS.includes(first) ? ` ${first}` : ""}`,
  });
}

function describeUnknown(first: string, two: string): Fault {
  const members = NAMES.filter((name) => name.startsWith(`${first} `)).map((name) => name.slice(first.length + 1));
  if (members.length > 0 && two === first) return { path: first, message: `needs one of ${members.join(", ")}` };
  const asTwo = nearest(two, NAMES);
  if (members.length > 0 || asTwo !== "") return { path: two, message: `is no command${asTwo}` };
  return { path: first, message: `is no command${nearest(first, [...NAMES, ...GROUPS])}` };
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
  const flags: Flags = {};
  const args: Record<string, string> = {};
  const faults: Fault[] = [];
  const expected = [...(command.positionals ?? [])];
  let json = false;

  for (const token of tokensOf(argv, behind)) {
    if (token.kind === "positional") {
      const positional = expected.shift();
      if (positional === undefined) faults.push({ path: token.value, message: `is not expected after ${name}` });
      else args[positional] = token.value;
    }
    if (token.kind !== "option") continue;
    const { name: flag, rawName, value, inlineValue } = token;
    const setting = byFlag.get(flag);
    if (!behind.has(flag))
      faults.push({
        path: rawName,
        message: `is no flag of ${name}${nearest(
          rawName,
          [...behind.keys()].map((known) => `--${known}`),
        )}`,
      });
    else if (behind.get(flag) !== undefined && (value === undefined || (value.startsWith("--") && !inlineValue)))
      faults.push({ path: rawName, message: `needs a value: ${rawName}=${behind.get(flag)}` });
    else if (setting !== undefined) flags[setting] = value ?? "true";
    else if (Object.hasOwn(own, flag)) args[flag] = value ?? "";
    else json = true;
  }
  for (const positional of expected) faults.push({ path: positional, message: `is required after ${name}` });
  for (const [flag, { value, required }] of Object.entries(own))
    if (required && args[flag] === undefined && !faults.some(({ path }) => path === `--${flag}`))
      faults.push({ path: `--${flag}`, message: `is required: --${flag}=${value}` });
  return { flags, args, json, faults };
}

function tokensOf(argv: readonly string[], behind: ReadonlyMap<string, string | undefined>) {
  const options = Object.fromEntries(
    [...behind].map(([flag, value]) => [
      flag,
      { type: value === undefined ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  const args = [...argv];
  return parseArgs({ args, options, strict: false, tokens: true, allowPositionals: true, allowNegative: false }).tokens;
}

export function valueName(setting: SettingName): string | undefined {
  return (SETTINGS[setting] as { value?: string }).value;
}

function nearest(text: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const candidate = closest(text, names);
  return distance(text, candidate) <= Math.max(2, text.length / 3) ? `. Did you mean ${candidate}?` : "";
}
