/** Definitions as files, and their syncs: at start-up, over REST, by the command line and at an interval. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Client, Connection } from "@temporalio/client";
import { eventually } from "../support/engines.ts";
import {
  besides,
  findPorts,
  readEndpoints,
  run,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";
import { activity, createTree } from "../support/trees.ts";

setDefaultTimeout(SERVER_TIMEOUT_MS);
const tree = createTree();
let server: Server;
let client: Client;
beforeAll(async () => {
  await tree.write("report.yaml", hourly("report-hourly"));
  await tree.write("welcome.yaml", activity("welcome"));
  await tree.write("types.yaml", { kind: "event_type", name: "welcome", schema: { type: "object" } });
  const flags = { ...(await findPorts()), definitionsDirs: tree.path };
  server = await startServer({ flags });
  await server.ready();
  client = new Client({ connection: await Connection.connect({ address: readEndpoints(server).temporalHost }) });
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  await client?.connection.close();
  await server?.destroy();
  tree.remove(".");
});

function hourly(name: string, cron_expression = "0 * * * *", rest: object = {}) {
  return { name, trigger_config: { trigger_type: "cron", cron_expression }, ...rest };
}

const sync = (query = "") => server.api(`/admin/sync${query}`, { method: "POST" });
const find = async (name: string) =>
  (await server.api("/activity-definitions")).body.find((one: { name: string }) => one.name === name);
const scheduleOf = ({ id }: { id: string }) => client.schedule.getHandle(`activity-schedule-${id}`).describe();
/** `actcore sync` on the engines of the server's data directory. */
const runSync = (...args: string[]) =>
  run(["sync", `--data-dir=${server.dataDir}`, `--definitions-dir=${tree.path}`, ...args]);
const metric = async (name: string) =>
  Number(
    new RegExp(`^${name.replace(/[{}]/g, "\\$&")} (\\S+)$`, "m").exec((await server.monitor("/metrics")).text)?.[1],
  );

test("what the files say is there after a start, event types too, and readyz and metrics tell of the sync", async () => {
  await eventually("the sync is through", async () => (await server.api("/readyz")).body.sync?.last_success !== null);
  expect(await find("welcome")).toMatchObject({ source: "file:welcome.yaml", enabled: true });
  const again = (await sync("?event_types=true&dry_run=true")).body;
  expect([again.event_types.unchanged, again.changes_total]).toEqual([1, 0]);
  expect((await server.api("/readyz")).body.sync).toEqual({
    last_success: expect.any(String),
    last_failure: null,
    error: null,
    duration_ms: expect.any(Number),
  });
  expect(await metric('actcore_syncs_total{outcome="ok"}')).toBeGreaterThanOrEqual(1);
  expect(await metric("actcore_sync_last_success_timestamp_seconds")).toBeGreaterThan(Date.now() / 1000 - 60);
});

test("hourly becomes daily without a restart: the new schedule is active, the old one paused", async () => {
  const old = await find("report-hourly");
  await tree.write("report.yaml", hourly("report-daily", "0 9 * * *"));
  const { status, body } = await sync();
  expect([status, body.errors]).toEqual([200, []]);
  expect(body).toMatchObject({
    definitions: { created: 1, updated: 0, unchanged: 1, retired: 1 },
    schedules: { orphans_deleted: 0 },
  });
  const daily = await find("report-daily");
  expect([(await scheduleOf(daily)).state.paused, (await scheduleOf(old)).state.paused]).toEqual([false, true]);
  expect(await find("report-hourly")).toMatchObject({ id: old.id, enabled: false, retired_at: expect.any(String) });
  expect((await sync()).body).toMatchObject({ changes_total: 0, schedules: { upserted: 0, unchanged: 2, paused: 1 } });
});

test("actcore sync does the same in a process of its own, and says what it did and what it could not", async () => {
  await tree.write("welcome.yaml", activity("welcome", { enabled: false }));
  await tree.write("cli.yaml", hourly("by-cli"));
  const planned = await runSync("--dry-run");
  expect(planned).toMatchObject({ code: 0, stderr: "" });
  expect(planned.stdout).toContain("create  definition by-cli");
  expect(planned.stdout).toContain("/enabled: true -> false");
  expect(planned.stdout).toContain("nothing was changed");
  expect(await find("by-cli")).toBeUndefined();

  const done = await runSync("--json");
  expect(done).toMatchObject({ code: 0, stderr: "" });
  const report = JSON.parse(done.stdout);
  expect(report).toMatchObject({ actor: "cli", definitions: { created: 1, updated: 1 }, errors: [] });
  expect((await scheduleOf(await find("by-cli"))).state.paused).toBe(false);
  const [entry] = (await server.api(`/audit?subject=definition:${(await find("by-cli")).id}`)).body;
  expect(entry).toMatchObject({ actor: "cli", action: "create" });
  expect((await server.api(`/admin/syncs/${report.sync_id}`)).body).toMatchObject({ actor: "cli", changes_total: 2 });

  await tree.write("broken.yaml", "name: broken\ntrigger_config: {trigger_type: cron}\n");
  const failed = await runSync("--no-schedules");
  expect(failed.code).toBe(1);
  expect(failed.stdout).toContain(`error   definitions: ${tree.path}/broken.yaml:2: `);
  tree.remove("broken.yaml");
});

test("actcore sync goes on with the files when Temporal is away, and ends with 1", async () => {
  await tree.write("away.yaml", activity("away"));
  const { dbUrl } = readEndpoints(server);
  const args = ["sync", `--db-url=${dbUrl}`, "--temporal-host=127.0.0.1:9", `--definitions-dir=${tree.path}`];
  const { code, stdout } = await run(args);
  expect(code).toBe(1);
  expect(stdout).toContain("create  definition away");
  expect(stdout).toContain("error   schedules: Temporal: ");
  expect(await find("away")).toBeDefined();
});

test("wrong words of actcore sync are one error, and without a database it says so", async () => {
  const wrong = await run(["sync", "--dry-runs", "--force=maybe"]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("Did you mean --dry-run?");
  const lost = await run(["sync", `--data-dir=${tree.path}/nothing`]);
  expect([lost.code, lost.stderr]).toEqual([1, expect.stringContaining("no database is configured")]);
});

test("the sync role does it at its interval, and a file that fails makes nothing unready", async () => {
  const flags = { ...besides(server.flags, 1), definitionsDirs: tree.path, syncIntervalMs: "1" };
  const role = await startServer({ dataDir: server.dataDir, roles: "sync", flags });
  try {
    await role.ready();
    await tree.write("interval.yaml", activity("by-interval"));
    const made = await eventually("it is there", () => find("by-interval"));
    const [entry] = (await server.api(`/audit?subject=definition:${made.id}`)).body;
    expect(entry).toMatchObject({ actor: "interval" });
    await tree.write("broken.yaml", "name: [");
    const readyz = async () => {
      const { status, text } = await role.monitor("/readyz");
      return { status, sync: JSON.parse(text).sync };
    };
    await eventually("readyz tells of the fault", async () => (await readyz()).sync.error?.includes("broken.yaml"));
    expect((await readyz()).status).toBe(200);
    tree.remove("broken.yaml");
    await eventually("readyz tells that it is over", async () => (await readyz()).sync.error === null);
    role.kill("SIGTERM");
    expect(await role.exited).toBe(0);
  } finally {
    await role.destroy();
  }
});
