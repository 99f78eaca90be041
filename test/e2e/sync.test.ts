/** Definitions as code with the compiled binary: what an operator edits, asks for, and gets wrong. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Definition } from "../../src/definition/schema.ts";
import type { ScheduleView } from "../../src/explain/schedule-view.ts";
import type { ReadinessReport } from "../../src/kernel/readiness.ts";
import type { SyncReport, SyncSummary } from "../../src/sync/report.ts";
import { eventually } from "../support/engines.ts";
import {
  besides,
  createDirectory,
  findPorts,
  run,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";

const directory = createDirectory();
const task = "task_templates: [{key: note, type: log, params: {message: here}}]";
const cron = (name: string, expression: string) =>
  `name: ${name}\ntrigger_config: {trigger_type: cron, cron_expression: "${expression}"}\n${task}\n`;
const write = (file: string, text: string) => Bun.write(join(directory, file), text);
const remove = (file: string) => rmSync(join(directory, file));

let server: Server;
/** Of further processes beside it. */
let nextProcess = 1;
beforeAll(async () => {
  await write("cleaning.yaml", cron("cleaning-hourly", "5 * * * *"));
  await write("steady.yaml", cron("steady", "0 4 1 1 *"));
  server = await startServer({ flags: { ...(await findPorts()), definitionsDirs: directory } });
  await server.ready();
}, SERVER_TIMEOUT_MS);
afterAll(() => server?.destroy());

async function sync(query = "") {
  const { status, body } = await server.api<SyncReport>(`/admin/sync${query}`, { method: "POST" });
  return { status, report: body };
}
async function find(name: string): Promise<Definition | undefined> {
  return (await server.api<Definition[]>("/activity-definitions?limit=500")).body.find((row) => row.name === name);
}
const found = (name: string) => eventually(`${name} is there`, () => find(name));
async function readSchedule(name: string): Promise<ScheduleView> {
  return (await server.api<ScheduleView>(`/activity-definitions/${(await find(name))?.id}/schedule`)).body;
}
const command = (...args: string[]) =>
  run(["sync", `--data-dir=${server.dataDir}`, `--definitions-dir=${directory}`, ...args]);
/** Another process on the same engines, which reads the same directory. */
const startBeside = (roles: string, env: Record<string, string>) =>
  startServer({
    roles,
    dataDir: server.dataDir,
    flags: { ...besides(server.flags, nextProcess++), definitionsDirs: directory },
    env,
  });
const readinessOf = async (of: Server): Promise<ReadinessReport> => JSON.parse((await of.monitor("/readyz")).text);

test("the start brings the files in, with their schedules", async () => {
  await found("steady");
  const schedule = await eventually("it is scheduled", async () => {
    const read = await readSchedule("cleaning-hourly");
    return read.state === "active" && read;
  });
  expect(schedule.next[0]).toMatch(/:05:00\.000Z$/);
  const { sync: synced } = await eventually("the start's sync is through", async () => {
    const report = await readinessOf(server);
    return report.sync.last_success !== null && report;
  });
  expect(synced).toMatchObject({ error: null, last_failure: null, duration_ms: expect.any(Number) });
}, 60_000);

test("hourly becomes daily in the running process, and the answer counts it", async () => {
  const { process } = await readinessOf(server);
  await write("cleaning.yaml", cron("cleaning-daily", "5 3 * * *"));

  const planned = await sync("?dry_run=true");
  expect(planned).toMatchObject({ status: 200, report: { dry_run: true, changes_total: 2 } });
  expect(await find("cleaning-daily")).toBeUndefined();

  const { status, report } = await sync();
  expect(status).toBe(200);
  expect(report).toMatchObject({
    definitions: { created: 1, updated: 0, unchanged: 1, retired: 1 },
    schedules: { upserted: 2, unchanged: 1, paused: 1, orphans_deleted: 0 },
    errors: [],
  });
  expect(report.changes.map(({ action, name }) => `${action} ${name}`).sort()).toEqual([
    "create cleaning-daily",
    "retire cleaning-hourly",
  ]);
  const { next, state } = await readSchedule("cleaning-daily");
  expect([state, next[0]]).toEqual(["active", expect.stringMatching(/T03:05:00\.000Z$/)]);
  expect((await readSchedule("cleaning-hourly")).state).toBe("paused");
  expect((await readinessOf(server)).process).toEqual(process);

  expect((await sync()).report).toMatchObject({
    definitions: { created: 0, updated: 0, unchanged: 2, retired: 0 },
    schedules: { upserted: 0, unchanged: 3, paused: 1, orphans_deleted: 0 },
    changes_total: 0,
  });
}, 60_000);

test("a broken file keeps its last good version, and is named in the answer, in /readyz and in the log", async () => {
  const before = await find("cleaning-daily");
  await write("cleaning.yaml", cron("cleaning-daily", "61 3 * * *"));
  await write("steady.yaml", cron("steady", "0 5 1 1 *"));
  const place = `${directory}/cleaning.yaml:2`;
  try {
    const { status, report } = await sync();
    expect(status).toBe(207);
    expect(report.errors).toEqual([{ stage: "definitions", subject: place, message: expect.stringContaining("61") }]);
    expect(report.definitions).toMatchObject({ updated: 1, retired: 0 });
    expect(await find("cleaning-daily")).toEqual(before as Definition);
    expect(await find("steady")).toMatchObject({ version: 2 });

    const readiness = await readinessOf(server);
    expect(readiness).toMatchObject({ status: "ready", sync: { last_failure: expect.any(String) } });
    expect(readiness.sync.error).toStartWith(place);
    // Health is told to everybody, and a message may quote the file.
    expect(readiness.sync.error).not.toContain(report.errors[0]?.message as string);
    const logged = () =>
      server
        .stderr()
        .split("\n")
        .filter((line) => line.includes(place));
    expect(logged()).toHaveLength(1);
    expect(logged()[0]).toContain("not synced");
    expect((await server.monitor("/metrics")).text).toMatch(/^actcore_sync_errors 1$/m);

    await sync();
    expect(logged()).toHaveLength(1); // said once, not at every sync
  } finally {
    await write("cleaning.yaml", cron("cleaning-daily", "5 3 * * *"));
  }
  expect((await sync()).status).toBe(200);
  expect((await readinessOf(server)).sync.error).toBeNull();
}, 60_000);

test("`actcore sync` ends with 0 when all is in, with 1 when something is not, and a dry run changes nothing", async () => {
  await write("by-hand.yaml", cron("by-hand", "0 6 * * *"));
  const dry = await command("--dry-run");
  expect(dry.code).toBe(0);
  expect(dry.stdout).toContain("create  definition by-hand");
  expect(dry.stdout).toContain("a dry run: nothing was changed");
  expect(await find("by-hand")).toBeUndefined();

  const done = await command("--json");
  expect(done.code).toBe(0);
  const report: SyncReport = JSON.parse(done.stdout);
  expect(report).toMatchObject({ definitions: { created: 1 }, schedules: { upserted: 1 }, actor: "cli", errors: [] });
  expect((await readSchedule("by-hand")).state).toBe("active");

  await write("broken.yaml", "name: [");
  const partly = await command();
  remove("broken.yaml");
  expect(partly.code).toBe(1);
  expect(partly.stdout).toContain(`error   definitions: ${directory}/broken.yaml:1`);
  expect((await command("--forse")).code).toBe(2);
}, 60_000);

test("a directory that is not there is one error that names it, and nothing of it is retired", async () => {
  const away = `${directory}-away`;
  renameSync(directory, away);
  try {
    const { status, report } = await sync();
    expect(status).toBe(207);
    expect(report.errors).toEqual([
      { stage: "definitions", subject: directory, message: expect.stringContaining("it is not there") },
    ]);
    expect(report.definitions).toEqual({ created: 0, updated: 0, unchanged: 0, retired: 0 });
    expect(await command()).toMatchObject({ code: 1, stdout: expect.stringContaining(`${directory}: cannot be read`) });
  } finally {
    renameSync(away, directory);
  }
  expect(await find("steady")).toMatchObject({ enabled: true, retired_at: null });
  expect((await sync()).report).toMatchObject({ changes_total: 0, errors: [] });
}, 60_000);

test("more than a fifth of a tree, and more than three, is retired by force only", async () => {
  for (const name of ["w", "x", "y", "z"]) await write(`${name}.yaml`, cron(name, "0 7 * * *"));
  await sync();
  for (const name of ["w", "x", "y", "z"]) remove(`${name}.yaml`);
  const { status, report } = await sync();
  expect(status).toBe(409);
  expect(report).toMatchObject({ refused: [directory], definitions: { retired: 0 } });
  expect(await find("w")).toMatchObject({ enabled: true, retired_at: null });
  const forced = await command("--force", "--json");
  expect(forced.code).toBe(0);
  expect(JSON.parse(forced.stdout)).toMatchObject({ definitions: { retired: 4 } });
}, 60_000);

test("a sync is taken back, and its tree stays so until it is released", async () => {
  await write("steady.yaml", cron("steady", "0 9 1 1 *"));
  const { report } = await sync();
  const expression = async () =>
    ((await found("steady")).trigger_config as { cron_expression: string }).cron_expression;
  expect(await expression()).toBe("0 9 1 1 *");
  const back = await server.api<SyncReport>(`/admin/syncs/${report.sync_id}/rollback`, { method: "POST" });
  expect(back).toMatchObject({ status: 200, body: { rolled_back: report.sync_id, held: [directory] } });
  expect(await expression()).toBe("0 5 1 1 *");
  const releasing = `POST /admin/syncs/${report.sync_id}/release`;
  expect(await sync()).toMatchObject({
    status: 207,
    report: { changes_total: 0, held: [directory], errors: [{ message: expect.stringContaining(releasing) }] },
  });
  const heldTrees = async () => /^actcore_sync_held_trees (\d+)$/m.exec((await server.monitor("/metrics")).text)?.[1];
  expect(await heldTrees()).toBe("1");
  const { code, stdout } = await command();
  expect(code).toBe(1);
  expect(stdout).toMatch(new RegExp(`^held    ${directory}: .*${releasing}$`, "m"));
  expect(stdout).toMatch(/^event types {2}not asked for \(--event-types\)$/m);
  const release = await server.api(`/admin/syncs/${back.body.sync_id}/release`, { method: "POST" });
  expect(release).toMatchObject({ status: 200, body: { released: [directory] } });
  expect(await heldTrees()).toBe("0");
  await sync();
  expect(await expression()).toBe("0 9 1 1 *");
}, 60_000);

test("a start with SKIP_SCHEDULE_SYNC syncs nothing, and the sync role takes up a change by itself", async () => {
  await write("late.yaml", cron("late", "0 8 * * *"));
  const skipping = await startBeside("worker", { SKIP_SCHEDULE_SYNC: "true" });
  let syncing: Server | undefined;
  try {
    await skipping.ready();
    expect(await find("late")).toBeUndefined();
    syncing = await startBeside("sync", { ACTIVITY_SYNC_INTERVAL_SECONDS: "1" });
    await found("late");
    expect((await readinessOf(skipping)).sync.last_success).toBeNull();

    await write("late.yaml", cron("later", "0 9 * * *"));
    await found("later");
    await eventually("its schedule is there", async () => (await readSchedule("later")).state === "active");
    expect(await find("late")).toMatchObject({ enabled: false, retired_at: expect.any(String) });
    const history = await server.api<SyncSummary[]>("/admin/syncs?limit=2");
    expect(history.body.map(({ actor }) => actor)).toEqual(["interval", "interval"]);
    await syncing.ready();
    const { process, sync: synced } = await readinessOf(syncing);
    expect(process.pid).toBe(syncing.pid);
    expect(synced).toMatchObject({ last_success: expect.any(String), error: null });

    for (const ended of [syncing, skipping]) ended.kill("SIGTERM");
    expect(await Promise.all([syncing.exited, skipping.exited])).toEqual([0, 0]);
  } finally {
    await skipping.destroy();
    await syncing?.destroy();
  }
}, 90_000);
