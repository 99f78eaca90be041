/** Commands in the compiled binary: the example of docs/tasks/command.md, what is seen of one that runs, and which are taken. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTimeOf } from "../../src/processes/process-table.ts";
import { eventually } from "../support/engines.ts";
import { createDirectory, removeDirectory, SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, finishedRuns, listTasks } from "../support/shared-server.ts";

const page = await Bun.file(new URL("../../docs/tasks/command.md", import.meta.url)).text();
const example = /^```yaml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
const SLOW = `name: slow
trigger_config: {trigger_type: event, event_type: slow}
task_templates: [{key: run, type: command, params: {shell: "echo pid $$; sleep 600"}}]
`;

const dataDir = createDirectory();
const definitionsDir = join(createDirectory(), "definitions");
let server: Server;

async function start(commands: string, flags?: Server["flags"]): Promise<void> {
  const env = { ACTCORE_COMMANDS: commands, ACTCORE_DEFINITIONS_DIR: definitionsDir };
  server = await startServer({ dataDir, env, ...(flags !== undefined && { flags }) });
  await server.ready(60_000);
}

beforeAll(async () => {
  mkdirSync(definitionsDir);
  writeFileSync(join(definitionsDir, "example.yaml"), example);
  writeFileSync(join(definitionsDir, "slow.yaml"), SLOW);
  await start("all");
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  await server?.destroy();
  await removeDirectory(dataDir);
}, SERVER_TIMEOUT_MS);

async function findId(name: string): Promise<string> {
  return eventually("the file is synced", async () => {
    const { status, body } = await server.api(`/activity-definitions/name:${name}`);
    return status === 200 && body.id;
  });
}

/** Triggers the activity by hand, and answers the tasks of its run once that is over. */
async function runOnce(id: string, runs = 1) {
  await server.api(`/activity-definitions/${id}/trigger`, { json: {} });
  const [run] = await finishedRuns(server, id, runs);
  return { run, tasks: await listTasks(server, run?.run_id as string) };
}

test("the example of the page does what the page says", async () => {
  const { run, tasks } = await runOnce(await findId("nightly-backup"));
  expect(run?.status).toBe("succeeded");
  expect(tasks).toContainEqual(
    expect.objectContaining({
      key: "dump",
      result: { exit_code: 0, output: "dump of shop for \n", output_bytes: 18, output_truncated: false },
      output: expect.objectContaining({ attempt: 1, text: "dump of shop for \n", bytes: 18, truncated: false }),
    }),
  );
  expect(tasks).toContainEqual(
    expect.objectContaining({ key: "check", result: expect.objectContaining({ output: "1\n" }) }),
  );
});

test("the output of a command is read while it runs, and a cancelled run ends it", async () => {
  const id = await findId("slow");
  const { body } = await server.api(`/activity-definitions/${id}/trigger`, { json: {} });
  const pid = await eventually("its output is there", async () => {
    const [task] = (await listTasks(server, body.run_id)) as { output?: { text: string } }[];
    return Number(/pid (\d+)/.exec(task?.output?.text ?? "")?.[1] ?? 0) || undefined;
  });
  expect(startTimeOf(pid)).toBeDefined();
  await server.api(`/runs/${body.run_id}/cancel`, { json: {} });
  await eventually("it is gone", async () => startTimeOf(pid) === undefined, 15_000);
}, 40_000);

test("a command that was written over REST while all were taken is not run any more where only files are", async () => {
  const task_templates = [{ key: "run", type: "command", params: { argv: ["echo", "hello"] } }];
  const { id } = await define(server, { task_templates });
  expect((await runOnce(id)).tasks).toMatchObject([{ status: "succeeded", result: { output: "hello\n" } }]);

  const { flags } = server;
  server.kill("SIGTERM");
  await server.exited;
  await start("files", flags);
  expect((await runOnce(id, 2)).tasks).toMatchObject([{ status: "failed", error: { code: "command_refused" } }]);
  await expect(define(server, { task_templates })).rejects.toThrow("commands are taken from definition files only");
  const change = { method: "PATCH", body: JSON.stringify({ enabled: false }) };
  const headers = { "content-type": "application/json" };
  expect((await server.api(`/activity-definitions/${id}`, { ...change, headers })).status).toBe(200);
  expect((await runOnce(await findId("nightly-backup"), 2)).run?.status).toBe("succeeded");
}, 90_000);
