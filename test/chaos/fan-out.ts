/**
 * A run that fans out into many http tasks, against a receiver that fails a fifth of the first tries and applies each
 * Idempotency-Key once, while the workers that do them are killed again and again. All tasks end well, and each key was applied
 * once. Prints its figures.
 */
import { Client, Connection } from "@temporalio/client";
import { eventually } from "../support/engines.ts";
import { besides, readEndpoints, type Server } from "../support/server.ts";
import { define } from "../support/shared-server.ts";
import type { Ground } from "./scenarios.ts";

export interface FanOut {
  tasks: number;
  /** The worker is killed this often, and another one started. */
  kills: number;
  everyMs: number;
  /** How long the receiver takes. */
  answerAfterMs: number;
}

/** Bytes of a workflow's history. */
const MAX_HISTORY_BYTES = 1_000_000;
/** A lost worker is known after 15 s of silence, and each kill may cost as much. */
const ENDED_WITHIN_MS = 120_000;

/** `engines` run by themselves. */
export async function killWorkersUnderFanOut(ground: Ground, engines: Server, options: FanOut): Promise<void> {
  const { tasks, kills, everyMs, answerAfterMs } = options;
  const receiver = startIdempotentReceiver(answerAfterMs);
  const server = await ground.start({ roles: "api", flags: engines.flags });
  let worker: Server | undefined;
  try {
    worker = await ground.start({ roles: "worker", flags: besides(server.flags, 1) });
    await worker.ready(60_000);
    const each = {
      ...{ key: "each", type: "http", for_each: "event.payload.list", timeout: "10s" },
      ...{ retry: { max_attempts: 50, initial_interval: "200ms" } },
      params: { url: receiver.url, body: { n: "{{ item }}" } },
    };
    const { id } = await define(server, { task_templates: [each] });
    const list = Array.from({ length: tasks }, (_, n) => n);
    const { body } = await server.api(`/activity-definitions/${id}/trigger`, { json: { payload: { list } } });
    for (let kill = 0; kill < kills; kill++) {
      await Bun.sleep(everyMs);
      worker.kill("SIGKILL");
      await worker.exited;
      worker = await ground.start({ roles: "worker", flags: besides(server.flags, 1) });
    }
    const run = await eventually(
      "the run is over",
      async () => {
        const { body: found } = await server.api(`/runs/${body.run_id}`);
        return found.status !== "running" && found;
      },
      ENDED_WITHIN_MS,
    );
    const bytes = await readHistoryBytes(ground, body.workflow_id);
    const { applied, repeated } = receiver.seen();
    console.log(
      `  ${tasks} tasks, ${kills} kills: ${run.status} in ${run.duration_ms} ms; ${applied} keys applied, ${repeated} requests of them repeated; ` +
        `${bytes} bytes of history`,
    );
    if (run.status !== "succeeded") throw new Error(`the run ${run.status}: ${run.error}`);
    if (applied !== tasks) throw new Error(`${applied} Idempotency-Keys were applied, of ${tasks} tasks`);
    if (bytes > MAX_HISTORY_BYTES) throw new Error(`the history has ${bytes} bytes`);
  } finally {
    receiver.stop();
    for (const each of [worker, server]) {
      each?.kill("SIGTERM");
      await each?.exited;
    }
  }
}

/** Refuses a fifth of the keys at first, and applies a key that it has applied no second time. */
function startIdempotentReceiver(answerAfterMs: number) {
  const asked = new Set<string>();
  const applied = new Set<string>();
  let repeated = 0;
  const server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1", idleTimeout: 60 },
    async fetch(request) {
      const key = request.headers.get("idempotency-key") ?? "";
      await Bun.sleep(answerAfterMs);
      if (!asked.has(key) && asked.add(key).size % 5 === 0) return new Response("busy", { status: 503 });
      if (applied.has(key)) repeated++;
      applied.add(key);
      return Response.json({ applied: true });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}/`,
    seen: () => ({ applied: applied.size, repeated }),
    stop: () => server.stop(true),
  };
}

async function readHistoryBytes(ground: Pick<Server, "dataDir">, workflowId: string): Promise<number> {
  const { temporalHost } = readEndpoints(ground);
  const connection = await Connection.connect({ address: temporalHost });
  try {
    const described = await new Client({ connection }).workflow.getHandle(workflowId).describe();
    return described.historySize ?? 0;
  } finally {
    await connection.close();
  }
}
