/** The help, from the same tables as the parsing. */
import { SETTINGS } from "../kernel/settings.ts";
import type { Command } from "./command.ts";
import { COMMANDS, type CommandName } from "./commands.ts";
import { valueName } from "./parse.ts";

const EXIT_CODES = `Exit codes:
  0  done, or stopped after a signal with nothing left in flight
  1  failed
  2  wrong command line or configuration, or an occupied port
  3  status: something does not run
  4  stopped, but a second signal or the deadline cut the drain short`;

/** Of everything, or of the commands of one group. */
export function overview(group?: string): string {
  const named = Object.entries(COMMANDS).filter(([name]) => group === undefined || name.startsWith(`${group} `));
  const width = Math.max(...named.map(([name]) => name.length)) + 1;
  const rows = named.map(([name, { summary }]) => `  ${name.padEnd(width)} ${summary}`);
  if (group !== undefined) return [...rows, "", `actcore help ${group} COMMAND lists its flags.`].join("\n");
  return `actcore turns schedules and events into tasks.\n
Usage: actcore COMMAND [FLAGS]\n
${rows.join("\n")}\n
actcore help COMMAND lists its flags. ${EXIT_CODES}`;
}

export function commandHelp(name: CommandName, env: Readonly<Record<string, string | undefined>> = {}): string {
  const command: Command = COMMANDS[name];
  const rows = command.settings.map((setting) => {
    const { flag, env: variable, help, default: fallback } = SETTINGS[setting] as (typeof SETTINGS)["dataDir"];
    const value = valueName(setting);
    const standard =
      typeof fallback === "function"
        ? (fallback as (env: object) => string | undefined)(env)
        : (fallback as string | undefined);
    const shown = standard && standard !== "false" ? ` [${standard}]` : "";
    return [`  --${flag}${value === undefined ? "" : `=${value}`}`, variable, help + shown] as const;
  });
  const own = Object.entries(command.options ?? {}).map(
    ([flag, { value, help, required }]) =>
      [`  --${flag}${value === undefined ? "" : `=${value}`}`, required ? "(required)" : "", help] as const,
  );
  rows.unshift(...own);
  if (command.json) rows.push(["  --json", "", "print JSON"]);
  const [left, middle] = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column as 0 | 1].length)));
  const lines = rows.map(
    ([flag, variable, help]) => `${flag.padEnd(left ?? 0)}  ${variable.padEnd(middle ?? 0)}  ${help}`,
  );
  return [
    `actcore ${[name, ...(command.positionals ?? []), ...(command.rest ? [`${command.rest}...`] : [])].join(" ")}: ${command.summary}`,
    "",
    "Flags win over environment variables.",
    ...lines,
  ].join("\n");
}
