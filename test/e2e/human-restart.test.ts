/**
 * Tasks that wait for a person while the server and its engines are killed and started again: a timer that ran out meanwhile has its
 * effect, and a decision after the restart lets the run go on.
 *
 * With ACTCORE_TEST_OLD_BINARY, an earlier release makes the data directory and is killed in it first.
 */
import { afterAll, expect, test } from "bun:test";
import { eventually } from "../support/engines.ts";
import { endAllOf } from "../support/leash.ts";
import { createDirectory, removeDirectory, SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns } from "../support/shared-server.ts";

const dataDir = createDirectory();
afterAll(() => removeDirectory(dataDir), SERVER_TIMEOUT_MS);

const human = (params: object) => [
  { key: "approve", type: "human", params: { title: "Approve", ...params } },
  { key: "go", type: "log", depends_on: ["approve"], params: { message: "{{ tasks.approve.result.by }} agreed" } },
];

async function ask(server: Server, params: object) {
  const { id, type } = await define(server, { task_templates: human(params) });
  await server.api(`/activity-definitions/${id}/trigger`, { json: {} });
  const task = await eventually("the task waits", async () => {
    const { body } = await server.api(`/tasks?activity_id=${id}&status=waiting`);
    return body[0];
  });
  return { id, type, task_id: task.task_id as string };
}

async function kill(server: Server): Promise<void> {
  server.kill("SIGKILL");
  await server.exited;
  await endAllOf(dataDir);
}

test("a person's task outlives everything, and time passes for it meanwhile", async () => {
  let server: Server;
  const old = process.env.ACTCORE_TEST_OLD_BINARY;
  if (old !== undefined) {
    const before = await startServer({ dataDir, binary: old });
    await before.ready();
    const { id, type } = await define(before);
    await before.api("/events", { json: envelope(type) });
    await finishedRuns(before, id);
    await kill(before);
    server = await startServer({ dataDir, flags: before.flags });
  } else server = await startServer({ dataDir });
  await server.ready(60_000);

  const answered = await ask(server, { assignee: "ada" });
  const expiring = await ask(server, { expire_in: "10s" });
  const rejected = await ask(server, { expire_in: "5s", on_expiry: "reject" });
  await kill(server);
  await Bun.sleep(11_000);

  const again = await startServer({ dataDir, flags: server.flags });
  await again.ready(60_000);
  for (const [{ id, task_id }, code] of [
    [expiring, "human_expired"],
    [rejected, "human_rejected"],
  ] as const) {
    expect(await finishedRuns(again, id, 1, 60_000)).toMatchObject([{ status: "failed" }]);
    expect((await again.api(`/tasks/${task_id}`)).body).toMatchObject({ error: { code }, human: { state: "expired" } });
  }
  const { body } = await again.api(`/tasks/${answered.task_id}`);
  expect(body).toMatchObject({ status: "waiting", human: { state: "open", assignee: "ada" } });
  const { status } = await again.api(`/tasks/${answered.task_id}/complete`, {
    json: { as: "ada" },
    headers: { "if-match": `"${body.human.version}"` },
  });
  expect(status).toBe(200);
  expect(await finishedRuns(again, answered.id)).toMatchObject([{ status: "succeeded" }]);
  again.kill("SIGTERM");
  await again.exited;
}, 180_000);
