/** What a command is, and what it is given. */
import type { Config } from "../kernel/config.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import type { Shutdown } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import type { SettingName } from "../kernel/settings.ts";
import type { Secrets } from "../secret/secrets.ts";

export interface CommandContext {
  config: Config;
  /** Everything that a command logs or prints is masked by these. */
  secrets: Secrets;
  log: Log;
  /** A line on stdout. @throws Error when it cannot be written: what a command prints is its work */
  print(line: string): void;
  /**
   * How a server is doing: for a person where stdout is a terminal, and else a line of the log, among the others. What cannot
   * be written is lost, which must not stop the server. `facts` are listed by their names; undefined ones are left out.
   */
  tell(message: string, facts?: Readonly<Record<string, string | undefined>>): void;
  shutdown: Shutdown;
  /** Whether `--json` was given. */
  json: boolean;
  /** The command's own arguments, by the names in `positionals` and `options`. */
  args: Readonly<Record<string, string>>;
  /** What stands behind the positionals, of a command that takes more. */
  rest: readonly string[];
}

/** A flag of one command that is no setting: it has no variable. */
interface Option {
  /** What stands behind the flag in the help; absent for a switch, which arrives as "true". */
  value?: string;
  help: string;
  required?: true;
}

export interface Command {
  summary: string;
  settings: readonly SettingName[];
  /** Takes `--json`. */
  json?: true;
  /** What must stand behind the command, by the names in the help. */
  positionals?: readonly string[];
  /** What may follow them, once or more often, by the name in the help. */
  rest?: string;
  options?: Readonly<Record<string, Option>>;
  /** The exit code. Loaded when it is called: `version` need not wait for Temporal's native core. */
  run(context: CommandContext): Promise<number>;
}

/** What was typed is wrong; `instead` is the command to try, without `actcore`. */
export function usageError(faults: readonly Fault[], instead: string): InvalidInputError {
  return new InvalidInputError("the command line is wrong", faults, "usage", { hint: `Try: actcore ${instead}` });
}
