import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { DefinitionStore } from "../../src/definition/store.ts";
import { createDefinitionStore, DEFINITIONS_CHANNEL } from "../../src/postgres/definitions.ts";
import { createEventLedger } from "../../src/postgres/events.ts";
import { createProjectionStore } from "../../src/postgres/schedule-projections.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";
import { bodyOf, logTask } from "../support/ledger.ts";

let database: TestDatabase;
let store: DefinitionStore;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createDefinitionStore(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const readRevision = () => createEventLedger(database.db).readRevision();

test("a new definition is its first version, and is found by id and by name", async () => {
  const body = bodyOf("new", { task_templates: [logTask("a")] });
  const created = await store.create(body, "rest");
  expect(created).toMatchObject({ ...body, version: 1, source: "rest", created_at: created.updated_at });
  expect(await store.find(created.id)).toEqual(created);
  expect(await store.findByName("new")).toEqual(created);
});

test("a replaced one is a version more, and the versions before it are kept", async () => {
  const { id } = await store.create(bodyOf("old-name"), "rest");
  const replaced = await store.replace(id, bodyOf("new-name", { enabled: false }));
  expect(replaced).toMatchObject({ id, name: "new-name", enabled: false, version: 2 });
  expect(await store.find(id)).toEqual(replaced);
  expect(await store.findByName("old-name")).toBeUndefined();
  const versions = await database.sql`
    select version, body->>'name' as name from actcore.definition_versions where definition_id = ${id} order by version`;
  expect([...versions]).toEqual([
    { version: 1, name: "old-name" },
    { version: 2, name: "new-name" },
  ]);
});

test("each change moves the revision and is told to those who listen (I4)", async () => {
  const heard: string[] = [];
  const { unlisten } = await database.sql.listen(DEFINITIONS_CHANNEL, (id) => heard.push(id));
  const before = await readRevision();
  const { id } = await store.create(bodyOf("revised"), "rest");
  expect(await readRevision()).toBe(before + 1n);
  await store.replace(id, bodyOf("revised", { enabled: false }));
  expect(await readRevision()).toBe(before + 2n);
  await eventually("both changes are heard", () => heard.length === 2);
  expect(heard).toEqual([id, id]);
  await unlisten();
});

describe("a name that is taken", () => {
  test("is refused, and nothing of the change stays", async () => {
    await store.create(bodyOf("taken"), "rest");
    const other = await store.create(bodyOf("other"), "rest");
    const before = await readRevision();
    await expect(store.create(bodyOf("taken"), "rest")).rejects.toMatchObject({ code: "name_taken" });
    await expect(store.replace(other.id, bodyOf("taken"))).rejects.toMatchObject({ code: "name_taken" });
    expect(await readRevision()).toBe(before);
    expect(await store.find(other.id)).toEqual(other);
  });

  test("goes to exactly one of many who want it at once", async () => {
    const wants = await Promise.allSettled(Array.from({ length: 8 }, () => store.create(bodyOf("wanted"), "rest")));
    expect(wants.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("is free again when its definition is deleted", async () => {
    const { id } = await store.create(bodyOf("reused"), "rest");
    await database.sql`update actcore.definitions set deleted_at = now() where id = ${id}`;
    expect(await store.findByName("reused")).toBeUndefined();
    expect((await store.create(bodyOf("reused"), "rest")).id).not.toBe(id);
  });
});

test("a definition that is not there cannot be replaced", async () => {
  await expect(store.replace(crypto.randomUUID(), bodyOf("nobody"))).rejects.toMatchObject({
    code: "definition_not_found",
  });
});

test("a list is in the order of names and goes on after one of them", async () => {
  for (const name of ["list-c", "list-a", "list-b"]) await store.create(bodyOf(name), "rest");
  const page = await store.list({ limit: 2, after: "list-" });
  expect(page.map(({ name }) => name)).toEqual(["list-a", "list-b"]);
  const next = await store.list({ limit: 1, after: "list-b" });
  expect(next.map(({ name }) => name)).toEqual(["list-c"]);
});

describe("schedules that are behind their definition", () => {
  test("are listed until they are noted, and again after the next change", async () => {
    const projections = createProjectionStore(database);
    const hashOf = async (id: string) =>
      (await projections.listStale(1000)).find(({ definition }) => definition.id === id)?.plan_hash;
    const definition = await store.create(bodyOf("stale"), "rest");
    expect(await hashOf(definition.id)).toBeNull();
    await projections.markProjected(definition, "hash");
    expect(await hashOf(definition.id)).toBeUndefined();
    await store.replace(definition.id, bodyOf("stale", { enabled: false }));
    expect(await hashOf(definition.id)).toBe("hash");
  });

  test("are brought up by one process at a time", async () => {
    const projections = createProjectionStore(database);
    const inner: boolean[] = [];
    const outer = await projections.exclusively(async () => {
      inner.push(await projections.exclusively(async () => {}));
    });
    expect([outer, ...inner]).toEqual([true, false]);
    expect(await projections.exclusively(async () => {})).toBe(true);
  });
});
