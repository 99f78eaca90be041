/** Tasks that name their workers by a label, done by processes of the compiled binary. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { eventually } from "../support/engines.ts";
import { readEndpoints, SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns, useServer } from "../support/shared-server.ts";

let server: Server;
const workers: Server[] = [];
beforeAll(async () => {
  server = await useServer();
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  for (const worker of workers) await worker.destroy();
});

/** Another worker beside the server, as one on another host would be. */
async function startWorkerWith(labels: string): Promise<Server> {
  const { dbUrl, natsUrl, temporalHost } = readEndpoints(server);
  const env = { ACTCORE_DB_URL: dbUrl, NATS_URL: natsUrl, TEMPORAL_HOST: temporalHost, ACTCORE_WORKER_LABELS: labels };
  const worker = await startServer({ roles: "worker", env });
  workers.push(worker);
  await worker.ready();
  return worker;
}

test(
  "a task waits for a worker with its label, says so, and no other worker does it",
  async () => {
    const label = `host-${crypto.randomUUID().slice(0, 8)}`;
    const log = { key: "note", type: "log", run_on: label, params: { message: "done there" } };
    const { id, type } = await define(server, { task_templates: [log] });
    await server.api("/events", { json: envelope(type) });
    const readTask = async () => {
      const { body: listed } = await server.api<{ task_id: string }[]>(`/tasks?activity_id=${id}`);
      return listed[0] && (await server.api(`/tasks/${listed[0].task_id}`)).body;
    };

    await startWorkerWith(`other,${label}x`);
    const waiting = await eventually("it says what it waits for", async () => {
      const task = await readTask();
      return task?.waiting_for != null && task;
    });
    expect(waiting).toMatchObject({
      status: "pending",
      attempts: 0,
      run_on: label,
      waiting_for: { code: "no_worker", message: expect.stringContaining(`ACTCORE_WORKER_LABELS=${label}`) },
    });

    const worker = await startWorkerWith(`spare,${label}`);
    const [run] = await finishedRuns(server, id);
    expect(run).toMatchObject({ status: "succeeded" });
    expect(await readTask()).toMatchObject({ status: "succeeded", run_on: label, waiting_for: null });
    expect(worker.stderr()).toContain("done there");
  },
  SERVER_TIMEOUT_MS,
);
