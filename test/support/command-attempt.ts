/** Command tasks done by their executor, with real processes, and no ledger. */
import { createLog } from "../../src/kernel/log.ts";
import { createGuard } from "../../src/processes/guard.ts";
import { createProcesses } from "../../src/processes/process-group.ts";
import { createProcessSearch } from "../../src/processes/process-search.ts";
import { MARKER } from "../../src/task/command/environment.ts";
import { createCommandExecutor } from "../../src/task/command/executor.ts";
import type { CommandResult } from "../../src/task/command/outcome.ts";
import type { Output } from "../../src/task/command/output.ts";
import type { CommandParams } from "../../src/task/command/params.ts";
import type { CommandDeps } from "../../src/task/command/ports.ts";
import type { TaskAttempt } from "../../src/task/task.ts";

const log = createLog("silent");
export const processes = createProcesses({ guard: createGuard(), search: createProcessSearch(MARKER) });

export function commandAttempt(params: CommandParams, more: Partial<TaskAttempt> = {}): TaskAttempt<CommandParams> {
  const run = {
    ...{ run_id: crypto.randomUUID(), activity_id: crypto.randomUUID(), activity_name: "nightly" },
    ...{ trigger: "cron", scheduled_for: "2026-03-01T02:00:00.000Z" },
  };
  return {
    ...{ task_id: crypto.randomUUID(), idempotency_key: crypto.randomUUID(), key: "backup", type: "command" },
    ...{ attempt: 1, timeout_ms: 60_000, trace_id: "trace", input: { run, event: null } },
    ...more,
    params,
  };
}

export interface Execution {
  signal?: AbortSignal;
  attempt?: Partial<TaskAttempt>;
  deps?: Partial<CommandDeps>;
}

/** What the task answers, and what was kept of its output on the way. @throws as the executor */
export async function execute(params: CommandParams, { signal, attempt, deps }: Execution = {}) {
  const kept: Output[] = [];
  const commands: CommandDeps = {
    rule: "files",
    processes,
    outputs: { keep: async (_, __, output) => void kept.push(output) },
    mask: (text) => text,
    isFromFile: async () => true,
    ...deps,
  };
  const task = commandAttempt(params, attempt);
  const context = { signal: signal ?? new AbortController().signal, log };
  const result = (await createCommandExecutor({ commands })(task, context)) as CommandResult;
  return { result, kept, task };
}

/** As `execute`, of a shell line. */
export const shell = (line: string, more: Omit<CommandParams, "shell"> = {}, execution?: Execution) =>
  execute({ shell: line, ...more }, execution);
