/**
 * Commands that are ended at random moments: by a kill of their worker, by its stop, by a cancellation, by their timeout. Some
 * ignore SIGTERM, fork, are stopped, or write without end. Ten seconds after their worker is gone no process of them is left; no try of
 * a task begins while one before it lives; attempts and reasons are right, and the last try's output is kept. Prints its figures.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasEnvironment, listProcesses } from "../../src/processes/process-table.ts";
import { eventually } from "../support/engines.ts";
import { besides, type Server } from "../support/server.ts";
import { define, listTasks } from "../support/shared-server.ts";
import type { Ground } from "./scenarios.ts";

export interface CommandsChaos {
  /** In each, a worker is killed or stopped, in turn. */
  rounds: number;
  commandsPerRound: number;
}

const GONE_WITHIN_MS = 10_000;
/** What a worker that is killed has had the time to keep. */
const KEPT_AFTER_MS = 1_500;
/** Commands that outlive their worker by so long were left to their guard: the worker's stop was cut short, and it could not tell of them. */
const LEFT_AFTER_MS = 1_000;
const KINDS = ["plain", "plain", "deaf", "fork", "stopped", "plain", "deaf", "fork", "fork", "loud"];

const SCRIPT = `
echo "attempt $ACTCORE_ATTEMPT"
before=$(cat "$DIRECTORY/$ACTCORE_TASK_ID" 2>/dev/null)
[ -n "$before" ] && grep -q '^State:.[^ZX]' "/proc/$before/status" 2>/dev/null && echo "$ACTCORE_TASK_ID overlap" >>"$DIRECTORY/log"
echo $$ >"$DIRECTORY/$ACTCORE_TASK_ID"
echo "$ACTCORE_TASK_ID $ACTCORE_ATTEMPT $(date +%s%3N)" >>"$DIRECTORY/log"
if [ "$ACTCORE_ATTEMPT" -gt 1 ] || [ -e "$DIRECTORY/end" ]; then echo done; exit 0; fi
case $KIND in
  deaf) trap '' TERM; while :; do sleep 1; done ;;
  fork) sleep 600 & (trap '' TERM; exec sleep 601) & wait ;;
  stopped) kill -STOP $$; sleep 600 ;;
  loud) yes ;;
  *) while :; do echo tick; sleep 0.3; done ;;
esac`;

interface Started {
  runId: string;
  tries: number;
  cancelledMs?: number;
  timesOut: boolean;
}

interface Try {
  attempt: number;
  beganMs: number;
}

/** `engines` run by themselves. */
export async function endCommands(ground: Ground, engines: Server, options: CommandsChaos): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "actcore-commands-"));
  const env = { ACTCORE_COMMANDS: "all" };
  const server = await ground.start({ roles: "api", flags: engines.flags, env });
  const started: Started[] = [];
  const ends: { kind: "kill" | "stop"; atMs: number; goneMs: number }[] = [];
  let worker: Server | undefined;
  const startWorker = async () => {
    worker = await ground.start({
      ...{ roles: "worker", env },
      flags: { ...besides(server.flags, 1), drainTimeoutMs: "5" },
    });
    await worker.ready(60_000);
    return worker;
  };
  try {
    await server.ready(60_000);
    writeFileSync(join(directory, "script"), SCRIPT);
    const definitions = await Promise.all([
      defineCommand(server, directory, { max_attempts: 1 }),
      defineCommand(server, directory, { max_attempts: 2 }),
      defineCommand(server, directory, { max_attempts: 1, timeout: "1500ms" }),
    ]);
    for (let round = 0; round < options.rounds; round++) {
      const current = await startWorker();
      const cancels: Promise<void>[] = [];
      for (let at = 0; at < options.commandsPerRound; at++) {
        const definition = definitions[at % 3] as (typeof definitions)[number];
        const json = { payload: { kind: KINDS[Math.floor(at / 3) % KINDS.length] } };
        const { body } = await server.api(`/activity-definitions/${definition.id}/trigger`, { json });
        const one: Started = { runId: body.run_id, tries: definition.tries, timesOut: definition.timesOut };
        started.push(one);
        if (at % 9 === 0) cancels.push(cancelLater(server, one, 500 + Math.random() * 3_000));
      }
      // One that is neither tried again nor ended otherwise has begun: it is lost or stopped. Beyond that, where it hits is left to chance.
      const ended = started[round * options.commandsPerRound + 3] as Started;
      await eventually("a command has begun", () => hasBegun(server, directory, ended), 60_000);
      await Bun.sleep(1_000 + Math.random() * 3_000);
      const kind = round % 2 === 0 ? "kill" : "stop";
      const atMs = Date.now();
      current.kill(kind === "kill" ? "SIGKILL" : "SIGTERM");
      await current.exited;
      const endedMs = Date.now();
      await eventually("no process of a command is left", async () => findLeft(directory).length === 0, GONE_WITHIN_MS);
      ends.push({ kind, atMs, goneMs: Date.now() - endedMs });
      await Promise.all(cancels);
    }
    writeFileSync(join(directory, "end"), "");
    await startWorker();
    await check(server, directory, started, ends);
  } finally {
    for (const each of [worker, server]) {
      each?.kill("SIGTERM");
      await each?.exited;
    }
    rmSync(directory, { recursive: true });
  }
}

async function defineCommand(
  server: Server,
  directory: string,
  { max_attempts, timeout = "60s" }: { max_attempts: number; timeout?: string },
) {
  const params = {
    argv: ["/bin/sh", join(directory, "script")],
    env: { DIRECTORY: directory, KIND: "{{ event.payload.kind }}" },
    kill_after: 2,
  };
  const retry = { max_attempts, initial_interval: "200ms" };
  const { id } = await define(server, { task_templates: [{ key: "run", type: "command", timeout, retry, params }] });
  return { id, tries: max_attempts, timesOut: timeout !== "60s" };
}

async function cancelLater(server: Server, one: Started, afterMs: number): Promise<void> {
  await Bun.sleep(afterMs);
  const { status } = await server.api(`/runs/${one.runId}/cancel`, { json: {} });
  if (status < 300) one.cancelledMs = Date.now();
}

async function hasBegun(server: Server, directory: string, { runId }: Started): Promise<boolean> {
  const [task] = await listTasks(server, runId);
  return task !== undefined && existsSync(join(directory, task.task_id));
}

const findLeft = (directory: string) =>
  listProcesses().filter(({ pid }) => hasEnvironment(pid, "DIRECTORY", directory));

async function check(
  server: Server,
  directory: string,
  started: readonly Started[],
  ends: readonly { kind: "kill" | "stop"; atMs: number; goneMs: number }[],
): Promise<void> {
  const isOpen = async ({ runId }: Started) => (await server.api(`/runs/${runId}`)).body.status === "running";
  for (const one of started) await eventually(`run ${one.runId} is over`, async () => !(await isOpen(one)), 90_000);
  const tries = readTries(directory);
  const counts: Record<string, number> = {};
  for (const one of started) {
    const [task] = (await listTasks(server, one.runId)) as unknown as Task[];
    if (task === undefined) continue; // cancelled before it was decided
    const reason = task.error?.code ?? task.status;
    counts[reason] = (counts[reason] ?? 0) + 1;
    const fault = findFault(one, task, tries.get(task.task_id) ?? [], ends);
    if (fault !== undefined) throw new Error(`task ${task.task_id}: ${fault}: ${JSON.stringify({ one, task, ends })}`);
  }
  const gone = Math.max(...ends.map(({ goneMs }) => goneMs));
  console.log(
    `  ${started.length} commands, ${ends.length} workers: ${JSON.stringify(counts)}; all gone after ${gone} ms`,
  );
  const isCut = ends.every(({ kind, goneMs }) => kind === "kill" || goneMs > LEFT_AFTER_MS);
  const wanted = ["worker_lost", ...(isCut ? [] : ["worker_stopped"]), "task_timeout", "cancelled", "succeeded"];
  for (const reason of wanted)
    if (counts[reason] === undefined && ends.length > 1) throw new Error(`none ended as ${reason}`);
}

interface Task {
  task_id: string;
  status: string;
  attempts: number;
  error: { code: string; message: string } | null;
  output: { attempt: number; text: string } | null;
}

/** What is wrong with how a task ended, given which tries began, and what was done to it. */
function findFault(
  one: Started,
  task: Task,
  tries: readonly Try[],
  ends: readonly { kind: string; atMs: number; goneMs: number }[],
) {
  const last = tries.at(-1);
  const { status, attempts, error, output } = task;
  if (tries.some(({ attempt }, at) => attempt <= (tries[at - 1]?.attempt ?? 0))) return "a try began twice";
  if (attempts > one.tries) return "it was tried too often";
  if ((last?.attempt ?? 0) > attempts) return "a try is not counted";
  const end = ends.find(({ atMs }) => last !== undefined && atMs > last.beganMs);
  const reasons = new Set<string>([
    ...(one.cancelledMs === undefined ? [] : ["cancelled"]),
    ...(one.timesOut ? ["task_timeout"] : []),
    ...(end?.kind === "kill" || (end?.goneMs ?? 0) > LEFT_AFTER_MS || last === undefined ? ["worker_lost"] : []),
    ...(end?.kind === "stop" || last === undefined ? ["worker_stopped"] : []),
    ...(end === undefined || (last?.attempt ?? 0) > 1 ? ["succeeded"] : []),
  ]);
  if (!reasons.has(error?.code ?? status)) return `its reason is none of ${[...reasons].join(", ")}`;
  const livedMs = last === undefined ? 0 : (end?.atMs ?? Date.now()) - last.beganMs;
  if (last === undefined || livedMs < KEPT_AFTER_MS) return undefined;
  if (output?.attempt !== last.attempt) return "the output of the last try is not kept";
  return /^attempt|^y$/m.test(output.text) ? undefined : "its output is another one";
}

/** By task, in the order in which they began. */
function readTries(directory: string): Map<string, Try[]> {
  const tries = new Map<string, Try[]>();
  for (const line of readFileSync(join(directory, "log"), "utf8").trim().split("\n")) {
    const [task = "", attempt, beganMs] = line.split(" ");
    if (attempt === "overlap") throw new Error(`task ${task}: a try began while the one before lived`);
    tries.set(task, [...(tries.get(task) ?? []), { attempt: Number(attempt), beganMs: Number(beganMs) }]);
  }
  return tries;
}
