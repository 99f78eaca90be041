/**
 * The `command` executor: one process group, from its first process to its last one.
 *
 * What it writes is kept while it runs, every two seconds, so that it can be read meanwhile, and is there when the worker is killed.
 */

import { describeError, RetryableError, TerminalError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import { sleep, unlessAborted } from "../../kernel/wait.ts";
import { type Account, findAccount, ownAccount, switchTo } from "../../processes/account.ts";
import type { GroupEnd, Start } from "../../processes/process-group.ts";
import { findProgram, requireDirectory } from "../../processes/program.ts";
import { isStop } from "../stop.ts";
import type { Executor, TaskAttempt } from "../task.ts";
import type { ExecutorDeps } from "../task-type.ts";
import { buildEnvironment } from "./environment.ts";
import { programOf, toCutError, toResult } from "./outcome.ts";
import { createOutputTail, type OutputTail } from "./output.ts";
import type { CommandParams } from "./params.ts";
import type { CommandDeps } from "./ports.ts";

const KILL_AFTER_S = 5;
/** A worker that stops has some seconds to record how its tries ended. */
const KILL_AFTER_AT_STOP_MS = 1_000;
const KEEP_FIRST_MS = 200;
const KEEP_EVERY_MS = 2_000;
/** How long the last of the output waits for a ledger that is away: result and error have it as well. */
const KEEP_WITHIN_MS = 1_500;

type Attempt = TaskAttempt<CommandParams>;

export function createCommandExecutor({ commands }: Pick<ExecutorDeps, "commands">): Executor<CommandParams> {
  const { processes, mask } = commands;

  return async (attempt, { signal, log }) => {
    const { params } = attempt;
    const start = await unlessAborted(prepare(attempt, commands), signal);
    const tail = createOutputTail();
    const keeper = keepOutput(attempt, tail, commands, log);
    let end: GroupEnd;
    try {
      end = await processes.run(start, {
        signal,
        graceMs: () => (isStop(signal.reason) ? KILL_AFTER_AT_STOP_MS : 1000 * (params.kill_after ?? KILL_AFTER_S)),
        onOutput: tail.add,
        marker: attempt.task_id,
      });
    } finally {
      await keeper.finish();
    }
    const output = tail.read(mask, false, false);
    const { pid, cut, killed, ended, left } = end;
    if (ended.length > 0 || left.length > 0)
      log.warn({ pid, ended_processes: ended, left_processes: left }, "command left processes behind");
    if (!cut) return toResult(params, end, output);
    log.warn({ pid, killed, program: programOf(params) }, "command ended by its worker");
    if (isStop(signal.reason)) throw toCutError(params, { by: "stop" }, end, output);
    if ((signal.reason as Error | undefined)?.name === "TimeoutError")
      throw toCutError(params, { by: "timeout", timeoutMs: attempt.timeout_ms }, end, output);
    throw signal.reason;
  };
}

/** Looks at all that keeps the command from being executed. @throws TerminalError, of a code for each reason */
async function prepare(attempt: Attempt, { rule, isFromFile }: CommandDeps): Promise<Start> {
  const { argv = ["/bin/sh", "-c", attempt.params.shell ?? ""], cwd, stdin = attempt.input, user } = attempt.params;
  await requireAllowed(attempt, rule, isFromFile);
  const { account, before } = await findUser(user);
  const directory = cwd ?? (await homeOf(account));
  await requireDirectory(directory);
  const env = buildEnvironment(attempt, account);
  const program = await findProgram(argv[0] ?? "", directory, env.PATH ?? "");
  return {
    argv: [...before, program, ...argv.slice(1)],
    cwd: directory,
    env: { ...env, PWD: directory },
    stdin:
      stdin === null || stdin === false ? undefined : typeof stdin === "string" ? stdin : `${JSON.stringify(stdin)}\n`,
  };
}

/** The worker has the last word: a definition may have been stored when the setting was another one. */
async function requireAllowed(
  { input }: Attempt,
  rule: CommandDeps["rule"],
  isFromFile: CommandDeps["isFromFile"],
): Promise<void> {
  if (rule === "all") return;
  if (rule === "off")
    throw new TerminalError("command_refused", "this worker runs no commands: ACTCORE_COMMANDS is off");
  if (await isFromFile(input.run.activity_id)) return;
  throw new TerminalError(
    "command_refused",
    `this worker runs only commands of definitions from files, and ${input.run.activity_name} was written over REST`,
    { hint: "Write it as a file, or start the workers with ACTCORE_COMMANDS=all" },
  );
}

/** Who is to run the command, and what stands before it for that. */
async function findUser(name: string | undefined): Promise<{ account: Account; before: readonly string[] }> {
  const own = await ownAccount();
  if (name === undefined || name === own.name) return { account: own, before: [] };
  const refused = (why: string, hint: string) =>
    new TerminalError("command_user_refused", `the command cannot run as user ${name}: ${why}`, { hint });
  if (own.uid !== 0)
    throw refused(
      `this worker runs as ${own.name}, and only root runs commands as others`,
      "Leave `user` out, or start a worker as that user, with a label that the task names by `run_on`",
    );
  const account = await findAccount(name);
  if (account === undefined)
    throw new TerminalError("command_user_unknown", `there is no user ${name} on the host of this worker`);
  const before = switchTo(account);
  if (before === undefined) throw refused("this host has no setpriv", "Install util-linux");
  return { account, before };
}

async function homeOf({ home }: Account): Promise<string> {
  return requireDirectory(home).then(
    () => home,
    () => "/",
  );
}

/** Keeps what was written while it changes. */
function keepOutput(attempt: Attempt, tail: OutputTail, { outputs, mask }: CommandDeps, log: Log) {
  const { task_id, attempt: number, sources = {} } = attempt;
  // Only what it was given can be on its way out in two parts.
  const holdLine = Object.values(sources).some(({ values }) => values !== undefined);
  const over = new AbortController();
  let keptBytes = 0;

  async function keep(isOpen: boolean): Promise<void> {
    const output = tail.read(mask, isOpen, holdLine);
    await outputs.keep(task_id, number, output);
    keptBytes = output.bytes;
  }
  async function keepOn(): Promise<void> {
    for (let waitMs = KEEP_FIRST_MS; !(await sleep(waitMs, over.signal)); ) {
      if (tail.bytes() === keptBytes) continue;
      await keep(true).catch((error) => log.debug({ reason: describeError(error) }, "output not kept for now"));
      waitMs = KEEP_EVERY_MS;
    }
  }
  const keeping = keepOn();

  return {
    async finish(): Promise<void> {
      over.abort();
      await keeping;
      const deadline = performance.now() + KEEP_WITHIN_MS;
      for (;;) {
        try {
          return await keep(false);
        } catch (error) {
          if (!(error instanceof RetryableError) || performance.now() > deadline) {
            log.warn({ reason: describeError(error) }, "the end of the command's output was not kept");
            return;
          }
          await sleep(300);
        }
      }
    },
  };
}
