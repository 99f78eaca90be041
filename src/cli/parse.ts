/** argv → a command and its flags, with every typing error at once, each with the nearest name. */
import { parseArgs } from "node:util";
import { closest, distance } from "fastest-levenshtein";
import { type Flags, SETTINGS, type SettingName } from "../config.ts";
import { type Fault, InvalidInputError } from "../errors.ts";
import { COMMANDS, type Command, type CommandName } from "./commands.ts";

export type Parsed =
  | { help: true; command?: CommandName }
  | { help: false; command: CommandName; flags: Flags; json: boolean; faults: readonly Fault[] };

/** @throws InvalidInputError `usage` when there is no such command */
export function parseCommandLine(argv: readonly string[]): Parsed {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h") return { help: true };
  if (first === "help") return rest[0] === undefined ? { help: true } : { help: true, command: readCommand(rest[0]) };
  const name = readCommand(first === "--version" ? "version" : first);
  if (rest.includes("--help") || rest.includes("-h")) return { help: true, command: name };
  return { help: false, command: name, ...readFlags(name, rest) };
}

function readCommand(text: string): CommandName {
  if (Object.hasOwn(COMMANDS, text)) return text as CommandName;
  const faults = [{ path: text, message: `is no command${nearest(text, Object.keys(COMMANDS))}` }];
  throw new InvalidInputError("the command line is wrong", faults, "usage", { hint: "Try: actcore help" });
}

function readFlags(name: CommandName, args: string[]): { flags: Flags; json: boolean; faults: readonly Fault[] } {
  const command: Command = COMMANDS[name];
  const byFlag = new Map(command.settings.map((setting) => [SETTINGS[setting].flag as string, setting]));
  const options = Object.fromEntries(
    [...byFlag].map(([flag, setting]) => [
      flag,
      { type: takesValue(setting) ? ("string" as const) : ("boolean" as const) },
    ]),
  );
  if (command.json) options.json = { type: "boolean" };
  const names = Object.keys(options).map((flag) => `--${flag}`);

  const flags: Flags = {};
  const faults: Fault[] = [];
  const { tokens, values } = parseArgs({
    args,
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
    allowNegative: false,
  });
  for (const token of tokens) {
    if (token.kind === "positional") faults.push({ path: token.value, message: `is not expected after ${name}` });
    if (token.kind !== "option" || (command.json && token.name === "json")) continue;
    const setting = byFlag.get(token.name);
    if (setting === undefined)
      faults.push({ path: token.rawName, message: `is no flag of ${name}${nearest(token.rawName, names)}` });
    else if (takesValue(setting) && (token.value === undefined || (token.value.startsWith("--") && !token.inlineValue)))
      faults.push({ path: token.rawName, message: `needs a value: ${token.rawName}=${valueName(setting)}` });
    else flags[setting] = token.value ?? "true";
  }
  return { flags, json: values.json === true, faults };
}

function takesValue(setting: SettingName): boolean {
  return valueName(setting) !== undefined;
}

export function valueName(setting: SettingName): string | undefined {
  return (SETTINGS[setting] as { value?: string }).value;
}

function nearest(text: string, names: readonly string[]): string {
  const candidate = closest(text, names);
  return distance(text, candidate) <= Math.max(2, text.length / 3) ? `. Did you mean ${candidate}?` : "";
}
