/** The sync service on files and a real database; the stage of schedules is in test/integration/temporal-schedules.test.ts. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { readTree } from "../../src/document/tree.ts";
import { RetryableError } from "../../src/kernel/errors.ts";
import { createAuditReader } from "../../src/postgres/access/audit.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { eventTypes } from "../../src/postgres/definition-tables.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createSyncStore } from "../../src/postgres/sync/sync-store.ts";
import type { SyncDeps } from "../../src/sync/service.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf, storeDefinition } from "../support/ledger.ts";
import { TASK_RULES } from "../support/own-engines.ts";
import { activity, createTestSync, createTree, NO_SCHEDULES, type Tree } from "../support/trees.ts";

let database: TestDatabase;
const trees: Tree[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  // What a test left behind belongs to trees that the next one does not configure.
  await database.sql`truncate actcore.definitions, actcore.event_types, actcore.syncs, actcore.held_trees cascade`;
});
afterAll(async () => {
  for (const tree of trees) tree.remove(".");
  await database?.close();
});

function newTree(): Tree {
  const tree = createTree();
  trees.push(tree);
  return tree;
}
const store = () => createDefinitionStore(database.db);
const find = async (name: string) => (await store().findByName(name))?.definition;
const counts = (created = 0, updated = 0, unchanged = 0, retired = 0) => ({ created, updated, unchanged, retired });
const readRevision = () => createEventLedger(database.db).readRevision();
const eventType = (name: string, rest: object = {}) => ({
  kind: "event_type",
  name,
  schema: { type: "object" },
  ...rest,
});

test("documents become definitions and event types; a second sync has nothing to do and writes nothing", async () => {
  const tree = newTree();
  await tree.write("many.yaml", [activity("a"), activity("b", { id: "bee" }), eventType("user.created")]);
  const { sync } = createTestSync(database, [tree]);
  const before = await readRevision();
  expect(await sync()).toMatchObject({
    definitions: counts(2),
    event_types: counts(1),
    errors: [],
    changes_total: 3,
    dry_run: false,
  });
  expect(await find("a")).toMatchObject({ source: "file:many.yaml", version: 1, retired_at: null });
  const revision = await readRevision();
  expect(revision).toBeGreaterThan(before);

  expect(await sync()).toMatchObject({ definitions: counts(0, 0, 2), event_types: counts(0, 0, 1), changes_total: 0 });
  expect(await readRevision()).toBe(revision);
  expect(await createTestSync(database, [tree]).list({ limit: 10 })).toHaveLength(1);
});

test("an edit is a version more, is audited with who synced, and moves the revision", async () => {
  const tree = newTree();
  await tree.write("a.yaml", activity("a"));
  const { sync } = createTestSync(database, [tree]);
  await sync();
  const revision = await readRevision();
  await tree.write("a.yaml", activity("a", { enabled: false }));
  const report = await sync({ actor: "interval" });
  expect(report.changes).toEqual([
    {
      stage: "definitions",
      action: "update",
      id: expect.any(String),
      name: "a",
      file: `${tree.path}/a.yaml`,
      fields: [{ path: "/enabled", before: true, after: false }],
    },
  ]);
  const a = await find("a");
  expect(a).toMatchObject({ enabled: false, version: 2 });
  expect(await readRevision()).toBeGreaterThan(revision);
  const [entry] = await createAuditReader(database.db).list({ subject: `definition:${a?.id}` }, { limit: 1 });
  expect(entry).toMatchObject({
    actor: "interval",
    action: "update",
    before: { enabled: true },
    after: { enabled: false },
  });
  expect((await store().listVersions(a?.id ?? "", { limit: 5 })).map(({ version }) => version)).toEqual([2, 1]);
});

test("a document that is gone is retired: disabled, kept, and revived with its id and its override", async () => {
  const tree = newTree();
  await tree.write("a.yaml", activity("a"));
  const { sync } = createTestSync(database, [tree]);
  await sync();
  const made = await find("a");
  tree.remove("a.yaml");
  expect((await sync()).definitions).toEqual(counts(0, 0, 0, 1));
  expect(await find("a")).toMatchObject({ id: made?.id, enabled: false, retired_at: expect.any(String), version: 2 });
  // REST may say what counts once it is back; until then it stays disabled.
  const override = await store().change(made?.id ?? "", ({ body }) => ({ body, enabled_override: true }), BY_TEST);
  expect(override).toMatchObject({ enabled: false, enabled_override: true });
  expect((await sync()).definitions).toEqual(counts());

  await tree.write("b/a.yaml", activity("a", { enabled: false }));
  expect((await sync()).definitions).toEqual(counts(0, 1));
  expect(await find("a")).toMatchObject({ id: made?.id, enabled: true, enabled_override: true, retired_at: null });
});

test("with an id a renamed document keeps its definition, and two may swap their names", async () => {
  const tree = newTree();
  await tree.write("x.yaml", [activity("x", { id: "1" }), activity("y", { id: "2" }), activity("z")]);
  const { sync } = createTestSync(database, [tree]);
  await sync();
  const [x, y, z] = [await find("x"), await find("y"), await find("z")];
  await tree.write("x.yaml", [activity("y", { id: "1" }), activity("x", { id: "2" }), activity("renamed")]);
  expect(await sync()).toMatchObject({ definitions: counts(1, 2, 0, 1), errors: [] });
  expect([(await find("y"))?.id, (await find("x"))?.id]).toEqual([x?.id, y?.id]);
  expect(await find("z")).toMatchObject({ id: z?.id, retired_at: expect.any(String) });
  expect((await find("renamed"))?.id).not.toBe(z?.id);
});

describe("a fault in the files", () => {
  test("is one error, the others apply, and the last good version stays", async () => {
    const tree = newTree();
    await tree.write("a.yaml", activity("a"));
    await tree.write("b.yaml", activity("b"));
    const { sync } = createTestSync(database, [tree]);
    await sync();
    await tree.write("a.yaml", `name: a\ntrigger_config: {trigger_type: cron, cron_expression: "61 * * * *"}\n`);
    await tree.write("b.yaml", activity("b", { enabled: false }));
    await tree.write("c.yaml", "name: [unclosed");
    const report = await sync();
    expect(report).toMatchObject({ definitions: counts(0, 1), errors_total: report.errors.length });
    expect(report.errors.map(({ subject }) => subject)).toEqual([`${tree.path}/a.yaml:2`, `${tree.path}/c.yaml:1`]);
    expect(await find("a")).toMatchObject({ version: 1, retired_at: null });
  });

  test("that makes a whole directory unreadable, or takes it away, retires nothing of it", async () => {
    const [tree, other] = [newTree(), newTree()];
    await tree.write("a.yaml", activity("a"));
    await tree.write("deep/b.yaml", activity("b"));
    await other.write("c.yaml", activity("c"));
    const { sync } = createTestSync(database, [tree, other]);
    await sync();
    tree.remove(".");
    other.remove("c.yaml");
    const report = await sync();
    expect(report).toMatchObject({ definitions: counts(0, 0, 0, 1), errors: [{ subject: tree.path }] });
    expect([(await find("a"))?.retired_at, (await find("b"))?.retired_at]).toEqual([null, null]);
    await tree.write("a.yaml", activity("a"));
    chmodSync(tree.path, 0o755);
  });

  test("whose path is longer than an index can have is one error, and the others apply", async () => {
    const tree = newTree();
    const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(150))).toString("base64url");
    await tree.write(`${Array.from({ length: 15 }, noise).join("/")}/deep.yaml`, activity("deep"));
    await tree.write("a.yaml", activity("a"));
    const { definitions, errors } = await createTestSync(database, [tree]).sync();
    expect([definitions, errors.length]).toEqual([counts(1), 1]);
  });

  test("that makes a directory hang is one error, and the other directories apply", async () => {
    const [hanging, other] = [newTree(), newTree()];
    await hanging.write("a.yaml", activity("a"));
    const both = [hanging, other];
    await createTestSync(database, both).sync();
    await other.write("b.yaml", activity("b"));
    const read = (path: string) =>
      path === hanging.path ? new Promise<never>(() => {}) : readTree(path, TASK_RULES, 0);
    const report = await createTestSync(database, both, { readTree: read, readWithinMs: 200 }).sync();
    expect(report).toMatchObject({
      definitions: counts(1),
      errors: [{ subject: hanging.path, message: "could not be read within 0.2 s" }],
    });
    expect(await find("a")).toMatchObject({ retired_at: null });
  });

  test("makes at most 50 errors, and the rest is counted", async () => {
    const tree = newTree();
    for (let index = 0; index < 60; index++) await tree.write(`${index}.yaml`, "name: 7");
    const report = await createTestSync(database, [tree]).sync();
    expect(report.errors).toHaveLength(50);
    expect(report.errors_total).toBeGreaterThanOrEqual(60);
  });
});

test("a tree that would lose too much is refused as a whole, unless it is forced", async () => {
  const [tree, other] = [newTree(), newTree()];
  for (let index = 0; index < 10; index++) await tree.write(`${index}.yaml`, activity(`d${index}`));
  const { sync } = createTestSync(database, [tree, other]);
  await sync();
  for (let index = 0; index < 4; index++) tree.remove(`${index}.yaml`);
  await tree.write("new.yaml", activity("new"));
  await other.write("other.yaml", activity("other"));
  const refused = await sync();
  expect(refused).toMatchObject({ definitions: counts(1), refused: [tree.path], errors: [{ subject: tree.path }] });
  expect([await find("new"), (await find("d0"))?.retired_at]).toEqual([undefined, null]);
  expect((await sync({ force: true })).definitions).toEqual(counts(1, 0, 7, 4));
});

test("a dry run answers the plan and changes nothing, not even the history", async () => {
  const tree = newTree();
  await tree.write("a.yaml", activity("a"));
  const { sync, list } = createTestSync(database, [tree]);
  const planned = await sync({ dryRun: true });
  expect(planned).toMatchObject({
    dry_run: true,
    definitions: counts(1),
    changes: [{ action: "create", name: "a", fields: [{ path: "/", before: null, after: { name: "a" } }] }],
  });
  expect([await find("a"), await list({ limit: 1 })]).toEqual([undefined, []]);
});

test("stages that are off are not looked at, and appear with zeros", async () => {
  const tree = newTree();
  await tree.write("a.yaml", [activity("a"), eventType("t")]);
  const { sync } = createTestSync(database, [tree], { schedules: () => Promise.reject(new Error("asked")) });
  expect(await sync({ definitions: false, schedules: false })).toMatchObject({
    definitions: counts(),
    event_types: counts(1),
    schedules: { upserted: 0, unchanged: 0, paused: 0, orphans_deleted: 0 },
    errors: [],
  });
  expect(await sync({ definitions: false, event_types: false, schedules: false })).toMatchObject({ changes_total: 0 });
  expect(await find("a")).toBeUndefined();
});

describe("a stage that fails", () => {
  test("of the schedules is its own error: what the files say is stored", async () => {
    const tree = newTree();
    await tree.write("a.yaml", activity("a"));
    const schedules = () => Promise.reject(new RetryableError("temporal_unavailable", "Temporal: away"));
    const report = await createTestSync(database, [tree], { schedules }).sync();
    expect(report).toMatchObject({
      definitions: counts(1),
      errors: [{ stage: "schedules", subject: "schedules", message: "Temporal: away" }],
    });
    expect(await find("a")).toBeDefined();
  });

  test("of the files does not keep the schedules from theirs", async () => {
    const schedules = async () => ({ ...NO_SCHEDULES, upserted: 3 });
    const readTree = () => Promise.reject(new Error("the disk is on fire"));
    const report = await createTestSync(database, [newTree()], { schedules, readTree }).sync();
    expect(report).toMatchObject({
      schedules: { upserted: 3 },
      errors: [{ stage: "definitions", message: "the disk is on fire" }],
    });
  });
});

test("a sync that is stopped in the stage of the schedules rejects: what it stored stays, with its history", async () => {
  const tree = newTree();
  await tree.write("a.yaml", activity("a"));
  const stop = new AbortController();
  const schedules: SyncDeps["schedules"] = async ({ signal }) => {
    stop.abort(new Error("the server is stopping"));
    signal.throwIfAborted();
    return NO_SCHEDULES;
  };
  const service = createTestSync(database, [tree], { schedules });
  const stages = { definitions: true, event_types: true, hooks: true, schedules: true };
  const request = { ...stages, dryRun: false, force: false, actor: "cli" };
  await expect(service.syncUntil(request, stop.signal)).rejects.toThrow("the server is stopping");
  expect(await find("a")).toBeDefined();
  expect(await service.list({ limit: 2 })).toMatchObject([{ actor: "cli", definitions: counts(1), errors: [] }]);
});

describe("what somebody else does", () => {
  test("to a name while the sync is planned is planned anew: REST keeps what it took", async () => {
    const tree = newTree();
    await tree.write("a.yaml", [activity("a"), activity("b")]);
    const real = createSyncStore(database);
    let raced = false;
    const racing = {
      ...real,
      async listRows(...args: Parameters<typeof real.listRows>) {
        const rows = await real.listRows(...args);
        if (!raced) await storeDefinition(database, { name: "a" });
        raced = true;
        return rows;
      },
    };
    const report = await createTestSync(database, [tree], { store: racing }).sync();
    expect(report).toMatchObject({ definitions: counts(1), errors: [{ subject: `${tree.path}/a.yaml:1` }] });
    expect(await find("a")).toMatchObject({ source: "rest", version: 1 });
  });

  test("to a row while the sync is planned survives: an override, set in between", async () => {
    const tree = newTree();
    await tree.write("a.yaml", activity("a"));
    await createTestSync(database, [tree]).sync();
    await tree.write("a.yaml", activity("a", { dedupe_key_strategy: "event_id", task_templates: [], enabled: false }));
    const real = createSyncStore(database);
    let raced = false;
    const racing = {
      ...real,
      async listRows(...args: Parameters<typeof real.listRows>) {
        const rows = await real.listRows(...args);
        const [row] = rows;
        if (!raced && row) await store().change(row.id, ({ body }) => ({ body, enabled_override: true }), BY_TEST);
        raced = true;
        return rows;
      },
    };
    expect((await createTestSync(database, [tree], { store: racing }).sync()).errors).toEqual([]);
    expect(await find("a")).toMatchObject({ enabled: true, enabled_override: true, version: 3 });
    expect((await store().findByName("a"))?.body.enabled).toBe(false);
  });

  test("at the same moment waits its turn: two syncs, one does it, the other has nothing to do", async () => {
    const tree = newTree();
    await tree.write(
      "all.yaml",
      Array.from({ length: 50 }, (_, index) => activity(`d${index}`)),
    );
    const reports = await Promise.all([1, 2, 3].map(() => createTestSync(database, [tree]).sync()));
    expect(reports.map(({ definitions }) => definitions.created).sort()).toEqual([0, 0, 50]);
    expect(reports.flatMap(({ errors }) => errors)).toEqual([]);
  });
});

test("rows of a release without trees are adopted: same id, same version, and theirs from then on", async () => {
  const tree = newTree();
  const old = await store().create(bodyOf("a"), "file:a.yaml", { actor: "file:a.yaml" });
  await tree.write("a.yaml", activity("a"));
  const { sync } = createTestSync(database, [tree]);
  expect(await sync()).toMatchObject({ definitions: counts(0, 1), changes: [{ action: "adopt", id: old.id }] });
  expect(await find("a")).toEqual({ ...old, updated_at: expect.any(String) });
  expect((await sync()).definitions).toEqual(counts(0, 0, 1));
});

test("a directory that moved keeps its definitions", async () => {
  const [old, moved] = [newTree(), newTree()];
  const documents = Array.from({ length: 10 }, (_, index) => activity(`d${index}`));
  for (const tree of [old, moved]) await tree.write("all.yaml", documents);
  await createTestSync(database, [old]).sync();
  const before = await store().list({}, { limit: 20 });
  expect((await createTestSync(database, [moved]).sync()).errors).toEqual([]);
  const after = await store().list({}, { limit: 20 });
  expect(after.map(({ id, version }) => [id, version])).toEqual(before.map(({ id, version }) => [id, version]));
});

test("event types are updated, retired and revived as definitions are, and free their names", async () => {
  const tree = newTree();
  await tree.write("t.yaml", eventType("t", { description: "first" }));
  const { sync } = createTestSync(database, [tree]);
  await sync();
  await tree.write("t.yaml", eventType("t", { enforce: true }));
  const revision = await readRevision();
  expect((await sync()).event_types).toEqual(counts(0, 1));
  expect(await readRevision()).toBeGreaterThan(revision);
  const [row] = await database.db.select().from(eventTypes);
  expect(row).toMatchObject({ name: "t", enforce: true, description: null, version: 2, retired_at: null });
  tree.remove("t.yaml");
  expect((await sync()).event_types).toEqual(counts(0, 0, 0, 1));
  await tree.write("u.yaml", eventType("t", { id: "other" }));
  expect((await sync()).event_types).toEqual(counts(0, 1));
  const rows = await database.db.select().from(eventTypes);
  expect(rows).toMatchObject([{ id: row?.id, tree_key: "other", retired_at: null }]);
  const audit = await createAuditReader(database.db).list({ subject: `event_type:${row?.id}` }, { limit: 10 });
  expect(audit.map(({ action, actor }) => [action, actor])).toEqual([
    ["revive", "test"],
    ["retire", "test"],
    ["update", "test"],
    ["create", "test"],
  ]);
});

describe("a rollback", () => {
  async function synced() {
    const tree = newTree();
    await tree.write("kept.yaml", activity("kept"));
    await tree.write("gone.yaml", activity("gone"));
    const service = createTestSync(database, [tree]);
    await service.sync();
    await tree.write("kept.yaml", [activity("kept", { enabled: false }), activity("new"), eventType("t")]);
    tree.remove("gone.yaml");
    return { tree, service, second: await service.sync() };
  }

  test("puts back what its sync changed, and holds the tree until it is released", async () => {
    const { tree, service, second } = await synced();
    const report = await service.rollback(second.sync_id);
    expect(report).toMatchObject({ rolled_back: second.sync_id, held: [tree.path], errors: [] });
    expect(await find("kept")).toMatchObject({ enabled: true, version: 3 });
    expect(await find("gone")).toMatchObject({ enabled: true, retired_at: null });
    expect(await find("new")).toMatchObject({ enabled: false, retired_at: expect.any(String) });

    const errors = [
      { subject: tree.path, message: expect.stringContaining(`POST /admin/syncs/${second.sync_id}/release`) },
    ];
    const held_by = { [tree.path]: second.sync_id };
    expect(await service.sync()).toMatchObject({ changes_total: 0, held: [tree.path], held_by, errors });
    expect(await service.sync({ dryRun: true })).toMatchObject({ changes_total: 0, errors });
    await tree.write("kept.yaml", activity("kept"));
    await tree.write("gone.yaml", activity("gone"));
    expect(await service.sync()).toMatchObject({ changes_total: 0, held: [tree.path], errors: [] });
    await tree.write("kept.yaml", [activity("kept", { enabled: false }), activity("new"), eventType("t")]);
    tree.remove("gone.yaml");
    expect(await service.release(second.sync_id)).toEqual([tree.path]);
    await expect(service.release(second.sync_id)).rejects.toMatchObject({ code: "not_found" });
    expect((await service.sync()).definitions).toEqual(counts(0, 2, 0, 1));
    expect(await find("kept")).toMatchObject({ enabled: false });
  });

  test("is of the newest sync of its trees only, and of none twice", async () => {
    const { tree, service, second } = await synced();
    const [, first] = await service.list({ limit: 2 });
    const refusal = { code: "sync_not_newest" };
    await expect(service.rollback(first?.sync_id ?? "")).rejects.toMatchObject(refusal);
    const undone = await service.rollback(second.sync_id);
    await expect(service.rollback(second.sync_id)).rejects.toMatchObject(refusal);
    await expect(service.rollback(undone.sync_id)).rejects.toMatchObject(refusal);
    await expect(service.rollback(crypto.randomUUID())).rejects.toMatchObject({ code: "not_found" });
    expect(await service.release(undone.sync_id)).toEqual([tree.path]);
  });

  test("does not see the syncs of other trees", async () => {
    const { service, second } = await synced();
    const other = newTree();
    await other.write("other.yaml", activity("other"));
    await createTestSync(database, [...trees.filter(({ path }) => path !== other.path).slice(-1), other]).sync();
    expect((await service.rollback(second.sync_id)).errors).toEqual([]);
    expect(await find("other")).toMatchObject({ retired_at: null });
  });

  test("gives a name back that the sync gave to a new definition, and what the release makes of it is made again", async () => {
    const tree = newTree();
    const service = createTestSync(database, [tree]);
    await tree.write("x.yaml", activity("x", { id: "1" }));
    await service.sync();
    const x = await find("x");
    await tree.write("x.yaml", [activity("y", { id: "1" }), activity("x", { enabled: false })]);
    const { sync_id } = await service.sync();
    const made = await find("x");
    expect(await service.rollback(sync_id)).toMatchObject({ errors: [], definitions: counts(0, 1, 0, 1) });
    expect(await find("x")).toMatchObject({ id: x?.id, enabled: true, retired_at: null });
    expect(await store().find(made?.id ?? "")).toBeUndefined();
    await service.release(sync_id);
    expect((await service.sync()).definitions).toEqual(counts(1, 1));
    expect([(await find("y"))?.id, (await find("x"))?.enabled]).toEqual([x?.id, false]);
  });

  test("gives a name back to a definition that was retired before, too", async () => {
    const tree = newTree();
    const service = createTestSync(database, [tree]);
    await tree.write("x.yaml", activity("x", { id: "1" }));
    await service.sync();
    const x = await find("x");
    tree.remove("x.yaml");
    await service.sync();
    await tree.write("x.yaml", [activity("y", { id: "1" }), activity("x", { id: "2" })]);
    const { sync_id } = await service.sync();
    expect((await service.rollback(sync_id)).errors).toEqual([]);
    expect(await find("x")).toMatchObject({ id: x?.id, retired_at: expect.any(String) });
  });

  test("that cannot be, since REST took a name by now, changes nothing and holds nothing", async () => {
    const tree = newTree();
    const service = createTestSync(database, [tree]);
    await tree.write("x.yaml", activity("x", { id: "1" }));
    await service.sync();
    await tree.write("x.yaml", activity("y", { id: "1" }));
    const { sync_id } = await service.sync();
    await storeDefinition(database, { name: "x" });
    await expect(service.rollback(sync_id)).rejects.toMatchObject({ code: "name_taken" });
    expect(await service.sync()).toMatchObject({ held: [], changes_total: 0 });
  });
});

test("the history has each sync that changed something, and an error that stands once", async () => {
  const tree = newTree();
  const { sync, list, find: findSync } = createTestSync(database, [tree]);
  await tree.write("a.yaml", [activity("a"), { name: "broken" }]);
  const { sync_id } = await sync({ actor: "key:ops" });
  await sync();
  await sync();
  await tree.write("a.yaml", activity("a"));
  await sync();
  const summaries = await list({ limit: 10 });
  expect(summaries.map((one) => [one.sync_id, one.actor, one.errors_total])).toEqual([
    [sync_id, "key:ops", expect.any(Number)],
  ]);
  expect(await findSync(sync_id)).toMatchObject({ writes: [{ action: "create", after: { tree: tree.path } }] });
});

test("a sync of 500 definitions with nothing to do takes less than 2 s", async () => {
  const tree = newTree();
  for (let index = 0; index < 500; index++) await tree.write(`${index % 20}/${index}.yaml`, activity(`d${index}`));
  const { sync } = createTestSync(database, [tree]);
  expect(await sync()).toMatchObject({ definitions: counts(500), errors: [] });
  const report = await sync();
  expect(report.definitions).toEqual(counts(0, 0, 500));
  expect(report.duration_ms).toBeLessThan(2000);
}, 30_000);
