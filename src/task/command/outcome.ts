/** What a command's end means: a result, or an error that says how it ended. Pure. */
import { constants } from "node:os";
import { type ActcoreError, RetryableError, TerminalError } from "../../kernel/errors.ts";
import { inOneLine } from "../../kernel/printable.ts";
import { GATE, type GroupEnd } from "../../processes/process-group.ts";
import type { NamedProcess } from "../../processes/process-search.ts";
import type { Output } from "./output.ts";
import type { CommandParams } from "./params.ts";

/** The result of a command task. */
export interface CommandResult {
  exit_code: number;
  /** The last 64 KB of stdout and stderr, in order of arrival. */
  output: string;
  /** All that it wrote. */
  output_bytes: number;
  output_truncated: boolean;
  /** What it left in its process group, and what was ended therefore; absent where there was nothing. */
  ended_processes?: NamedProcess[];
  /** What it started in a session of its own, and still runs; absent where there is nothing. */
  left_processes?: NamedProcess[];
}

/** What made the worker end a command. */
export type Cut = { by: "timeout"; timeoutMs: number } | { by: "stop" };

/** As much of the output as an error has; the task shows the rest. */
const DETAIL_LENGTH = 4_096;
const LAST_LINE_LENGTH = 300;

/** @throws TerminalError or RetryableError: `command_failed`, `command_killed`, `command_not_found`, `command_not_executable` */
export function toResult(params: CommandParams, end: GroupEnd, output: Output): CommandResult {
  const { success_codes = [0], retry_codes } = params;
  const code = codeOf(end);
  if (success_codes.includes(code))
    return {
      exit_code: code,
      output: output.text,
      output_bytes: output.bytes,
      output_truncated: output.truncated,
      ...leftBehind(end),
    };
  const notExecuted = findNotExecuted(params, code, output);
  if (notExecuted !== undefined) throw notExecuted;
  const Kind = retry_codes === undefined || retry_codes.includes(code) ? RetryableError : TerminalError;
  const [kind, how] =
    "code" in end.exit
      ? ["command_failed", `exited with code ${code}`]
      : ["command_killed", `was ended by ${end.exit.signal}, which this worker did not send`];
  throw toError(Kind, kind, `${programOf(params)} ${how}`, end, output);
}

/** The error of a command that the worker ended. */
export function toCutError(params: CommandParams, cut: Cut, end: GroupEnd, output: Output): ActcoreError {
  const how = end.killed ? "it ignored SIGTERM, and was ended by SIGKILL" : "it was ended by SIGTERM";
  const which = `${programOf(params)} (pid ${end.pid})`;
  return cut.by === "timeout"
    ? toError(RetryableError, "task_timeout", `no end of ${which} within ${cut.timeoutMs} ms: ${how}`, end, output)
    : toError(
        RetryableError,
        "worker_stopped",
        `${which} was cut by a stop of the worker: ${how}; what it had begun may have taken effect`,
        end,
        output,
      );
}

function toError(
  Kind: typeof RetryableError | typeof TerminalError,
  code: string,
  message: string,
  end: GroupEnd,
  output: Output,
): ActcoreError {
  const last = lastLineOf(output.text);
  const { ended, left } = end;
  const parts = [
    message,
    ...(ended.length > 0 ? [`it left ${list(ended)}, which this worker ended`] : []),
    ...(left.length > 0 ? [`still running: ${list(left)}`] : []),
    ...(last === "" ? [] : [`it wrote last: ${last}`]),
  ];
  return new Kind(code, parts.join("; "), {
    details: {
      ...("code" in end.exit ? { exit_code: end.exit.code } : { signal: end.exit.signal }),
      output: output.text.slice(-DETAIL_LENGTH).toWellFormed(),
      output_bytes: output.bytes,
      output_truncated: output.truncated || output.text.length > DETAIL_LENGTH,
      ...leftBehind(end),
    },
  });
}

/** Signals count as a shell counts them: 128 and the signal's number. */
function codeOf({ exit }: GroupEnd): number {
  return "code" in exit ? exit.code : 128 + (constants.signals[exit.signal] ?? 0);
}

/** The shell before the command says so, and nothing else has written anything then. */
function findNotExecuted({ argv, user }: CommandParams, code: number, { text }: Output): TerminalError | undefined {
  const isOurs = text.startsWith(`${GATE}:`) || (user !== undefined && text.startsWith("setpriv: "));
  if (!isOurs || (code !== 126 && code !== 127)) return undefined;
  const why = inOneLine(text.trim().replace(/^\S+\s/, ""));
  return code === 127
    ? new TerminalError(
        "command_not_found",
        `${argv?.[0] ?? "/bin/sh"} was not found when it was to be executed: ${why}`,
        {
          hint: "If it is a script, see whether the interpreter that its first line names is there",
        },
      )
    : new TerminalError("command_not_executable", `${argv?.[0] ?? "/bin/sh"} could not be executed: ${why}`);
}

function leftBehind({ ended, left }: GroupEnd): Pick<CommandResult, "ended_processes" | "left_processes"> {
  return {
    ...(ended.length > 0 && { ended_processes: ended }),
    ...(left.length > 0 && { left_processes: left }),
  };
}

function list(processes: readonly NamedProcess[]): string {
  return processes.map(({ pid, name }) => `${inOneLine(name)} (pid ${pid})`).join(", ");
}

export function programOf({ argv }: CommandParams): string {
  return argv === undefined ? "the shell line" : inOneLine(argv[0] ?? "");
}

function lastLineOf(text: string): string {
  const line =
    text
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1)
      ?.trim() ?? "";
  return inOneLine(line.length > LAST_LINE_LENGTH ? `…${line.slice(-LAST_LINE_LENGTH)}` : line).toWellFormed();
}
