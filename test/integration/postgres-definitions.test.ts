import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { DefinitionBody } from "../../src/definition/schema.ts";
import type { DefinitionFilter, DefinitionStore } from "../../src/definition/store.ts";
import { describeError } from "../../src/kernel/errors.ts";
import { createAuditReader } from "../../src/postgres/access/audit.ts";
import { guarded } from "../../src/postgres/client.ts";
import { createDefinitionStore, DEFINITIONS_CHANNEL } from "../../src/postgres/definition/definition-store.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { holdingLocks } from "../../src/postgres/lock.ts";
import { createProjectionStore } from "../../src/postgres/schedule/projection-store.ts";
import { createSyncStore } from "../../src/postgres/sync/sync-store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";
import { BY_TEST, bodyOf, logTask, replace as replaceIn, storeDefinition } from "../support/ledger.ts";

let database: TestDatabase;
let store: DefinitionStore;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createDefinitionStore(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const replace = (id: string, body: DefinitionBody) => replaceIn(database, id, body);
const auditOf = (id: string) => createAuditReader(database.db).list({ subject: `definition:${id}` }, { limit: 10 });
const readRevision = () => createEventLedger(database.db).readRevision();

test("a new definition is its first version, and is found by id and by name", async () => {
  const body = bodyOf("new", { task_templates: [logTask("a")] });
  const created = await store.create(body, "rest", BY_TEST);
  expect(created).toMatchObject({ ...body, version: 1, source: "rest", created_at: created.updated_at });
  expect(await store.find(created.id)).toEqual(created);
  expect(await store.findByName("new")).toEqual({ definition: created, body });
  expect(await store.findVersion(created.id, 1)).toEqual({ version: 1, ...body, created_at: created.created_at });
});

test("a replaced one is a version more, and the versions before it are kept", async () => {
  const { id } = await storeDefinition(database, { name: "old-name" });
  const replaced = await replace(id, bodyOf("new-name", { enabled: false }));
  expect(replaced).toMatchObject({ id, name: "new-name", enabled: false, version: 2 });
  expect(await store.find(id)).toEqual(replaced);
  expect(await store.findByName("old-name")).toBeUndefined();
  const versions = await store.listVersions(id, { limit: 10 });
  expect(versions.map(({ version, name }) => [version, name])).toEqual([
    [2, "new-name"],
    [1, "old-name"],
  ]);
  expect(await store.listVersions(id, { limit: 1 })).toEqual(versions.slice(0, 1));
  expect(await store.listVersions(id, { limit: 10, before: 2 })).toEqual(versions.slice(1));
  expect(await store.findVersion(id, 1)).toEqual(versions[1]);
  expect(await store.findVersion(id, 3)).toBeUndefined();
});

test("each change moves the revision and is told to those who listen (I4)", async () => {
  const heard: string[] = [];
  const { unlisten } = await database.sql.listen(DEFINITIONS_CHANNEL, (id) => heard.push(id));
  const before = await readRevision();
  const { id } = await storeDefinition(database, { name: "revised" });
  expect(await readRevision()).toBe(before + 1n);
  await replace(id, bodyOf("revised", { enabled: false }));
  expect(await readRevision()).toBe(before + 2n);
  await store.remove(id, BY_TEST);
  expect(await readRevision()).toBe(before + 3n);
  await eventually("the changes are heard", () => heard.length === 3);
  expect(heard).toEqual([id, id, id]);
  await unlisten();
});

describe("a name that is taken", () => {
  test("is refused, and nothing of the change stays", async () => {
    await storeDefinition(database, { name: "taken" });
    const other = await storeDefinition(database, { name: "other" });
    const before = await readRevision();
    for (const refused of [storeDefinition(database, { name: "taken" }), replace(other.id, bodyOf("taken"))]) {
      const error = await refused.then(() => undefined).catch((why) => why);
      expect(error).toMatchObject({ code: "name_taken" });
      expect(describeError(error)).toBe('there is a definition named "taken" already');
    }
    expect(await readRevision()).toBe(before);
    expect(await store.find(other.id)).toEqual(other);
  });

  test("goes to exactly one of many who want it at once", async () => {
    const wants = await Promise.allSettled(
      Array.from({ length: 8 }, () => storeDefinition(database, { name: "wanted" })),
    );
    expect(wants.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("is free again when its definition is deleted", async () => {
    const { id } = await storeDefinition(database, { name: "reused" });
    await store.remove(id, BY_TEST);
    expect(await store.findByName("reused")).toBeUndefined();
    expect((await storeDefinition(database, { name: "reused" })).id).not.toBe(id);
  });
});

test("what is not there, or no more, can be neither changed nor deleted", async () => {
  const { id } = await storeDefinition(database, { name: "gone" });
  await store.remove(id, BY_TEST);
  for (const gone of [id, crypto.randomUUID()]) {
    const refusal = { code: "definition_not_found", name: "TerminalError" };
    await expect(replace(gone, bodyOf("nobody"))).rejects.toMatchObject(refusal);
    await expect(store.remove(gone, BY_TEST)).rejects.toMatchObject(refusal);
  }
});

test("an equal replacement is no change: no version, no revision, nothing audited", async () => {
  const created = await storeDefinition(database, { name: "same" });
  const before = await readRevision();
  expect(await replace(created.id, bodyOf("same"))).toEqual(created);
  expect(await readRevision()).toBe(before);
  expect(await auditOf(created.id)).toHaveLength(1);
});

describe("a deleted definition", () => {
  test("is found no more, and is listed no more", async () => {
    const { id, name } = await storeDefinition(database, { name: "deleted" });
    await store.remove(id, BY_TEST);
    expect([await store.find(id), await store.findByName(name)]).toEqual([undefined, undefined]);
    expect(await store.list({}, { limit: 1, after: "deletec" })).not.toMatchObject([{ name }]);
  });

  test("keeps its versions, and its deletion is one more", async () => {
    const { id } = await storeDefinition(database, { name: "kept" });
    await store.remove(id, BY_TEST);
    const versions = await store.listVersions(id, { limit: 10 });
    expect(versions.map(({ version, name }) => [version, name])).toEqual([
      [2, "kept"],
      [1, "kept"],
    ]);
    expect(await store.findVersion(id, 1)).toMatchObject({ name: "kept" });
  });
});

describe("who knows another version than the present one", () => {
  test("can neither change nor delete, and nothing is changed", async () => {
    const { id } = await storeDefinition(database, { name: "locked" });
    const second = await replace(id, bodyOf("locked", { enabled: false }));
    const stale = { ...BY_TEST, expectedVersion: 1 };
    const change = () => ({ body: bodyOf("locked"), enabled_override: null });
    const refusal = { code: "version_mismatch", message: expect.stringContaining("has version 2, not 1") };
    await expect(store.change(id, change, stale)).rejects.toMatchObject(refusal);
    await expect(store.remove(id, stale)).rejects.toMatchObject(refusal);
    expect(await store.find(id)).toEqual(second);
    const fresh = { ...BY_TEST, expectedVersion: 2 };
    expect(await store.change(id, change, fresh)).toMatchObject({ version: 3 });
    await store.remove(id, { ...BY_TEST, expectedVersion: 3 });
  });

  test("is all but one of many who change the same version at once", async () => {
    const { id } = await storeDefinition(database, { name: "raced" });
    const wants = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) =>
        store.change(id, () => ({ body: bodyOf(`raced-${n}`), enabled_override: null }), {
          ...BY_TEST,
          expectedVersion: 1,
        }),
      ),
    );
    expect(wants.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await store.find(id)).toMatchObject({ version: 2 });
  });
});

describe("the audit log", () => {
  test("has each change: who, what, before and after", async () => {
    const created = await store.create(bodyOf("audited"), "rest", { actor: "key:a" });
    const change = () => ({ body: bodyOf("audited", { enabled: false }), enabled_override: null });
    const changed = await store.change(created.id, change, { actor: "key:b" });
    await store.remove(created.id, { actor: "key:c" });
    expect(await auditOf(created.id)).toMatchObject([
      { actor: "key:c", action: "delete", before: changed, after: null },
      { actor: "key:b", action: "update", before: created, after: changed },
      { actor: "key:a", action: "create", before: null, after: created },
    ]);
  });

  test("has nothing of a change that failed, and a change that cannot be audited is none", async () => {
    const { id } = await storeDefinition(database, { name: "atomic" });
    const before = await readRevision();
    const fail = () => {
      throw new Error("no");
    };
    await expect(store.change(id, fail, BY_TEST)).rejects.toThrow("no");
    const unstorable = { actor: "\0" };
    const refusal = { code: "not_storable" };
    await expect(store.create(bodyOf("unaudited"), "rest", unstorable)).rejects.toMatchObject(refusal);
    await expect(store.remove(id, unstorable)).rejects.toMatchObject(refusal);
    expect(await store.findByName("unaudited")).toBeUndefined();
    expect(await store.find(id)).toMatchObject({ version: 1 });
    expect(await readRevision()).toBe(before);
    expect(await auditOf(id)).toHaveLength(1);
  });
});

test("an error that nobody foresaw says neither its statement nor its parameters", async () => {
  const error = await guarded(database.db.execute(sql`select ${"a secret"}::text from nowhere`)).catch((why) => why);
  expect(describeError(error)).toBe('Postgres: relation "nowhere" does not exist');
  expect(error.stack).not.toMatch(/select|a secret/);
});

test("a list is in the order of names and goes on after one of them", async () => {
  for (const name of ["list-c", "list-a", "list-b"]) await storeDefinition(database, { name });
  const page = await store.list({}, { limit: 2, after: "list-" });
  expect(page.map(({ name }) => name)).toEqual(["list-a", "list-b"]);
  const next = await store.list({}, { limit: 1, after: "list-b" });
  expect(next.map(({ name }) => name)).toEqual(["list-c"]);
});

test.each<[filter: DefinitionFilter, names: string[]]>([
  [{}, ["filter-cron", "filter-file", "filter-off"]],
  [{ enabled: false }, ["filter-off"]],
  [{ enabled: true }, ["filter-cron", "filter-file"]],
  [{ trigger_type: "cron" }, ["filter-cron"]],
  [{ name: "filter-off" }, ["filter-off"]],
  [{ name: "filter-of" }, []],
  [{ source: "file:a.yaml" }, ["filter-file"]],
  [{ source: "file:a.yaml", enabled: false }, []],
])("a list by %j has %j", async (filter, names) => {
  if ((await store.findByName("filter-cron")) === undefined) {
    const trigger_config = { trigger_type: "cron", cron_expression: "* * * * *" };
    await storeDefinition(database, { name: "filter-cron", trigger_config });
    await store.create(bodyOf("filter-file"), "file:a.yaml", BY_TEST);
    await storeDefinition(database, { name: "filter-off", enabled: false });
  }
  const listed = await store.list(filter, { limit: 3, after: "filter-" });
  expect(listed.map(({ name }) => name).filter((name) => name.startsWith("filter-"))).toEqual(names);
});

describe("schedules that are behind their definition", () => {
  test("are listed until they are noted, and again after the next change", async () => {
    const projections = createProjectionStore(database);
    const toldOf = async (id: string) =>
      (await projections.listStale(1000)).find(({ definition }) => definition.id === id)?.told;
    const { id } = await storeDefinition(database, { name: "stale" });
    expect(await toldOf(id)).toEqual({ version: null, plan_hash: null, paused: false, engine_hash: null });
    const told = { version: 1, plan_hash: "hash", paused: true, engine_hash: "described" };
    await projections.markProjected(id, told);
    expect(await toldOf(id)).toBeUndefined();
    await replace(id, bodyOf("stale", { enabled: false }));
    expect(await toldOf(id)).toEqual(told);
  });

  test("are left to a sync while one is at work, which so counts all that it changed", async () => {
    const projections = createProjectionStore(database);
    const never = new AbortController().signal;
    const beside = await createSyncStore(database).exclusively(async () => {
      const ran = await holdingLocks(database, ["sync", "schedules"], async () => {});
      return [ran, await projections.inTurn(async () => "told by the sync", never)];
    }, never);
    expect(beside).toEqual([false, "told by the sync"]);
  });
});
