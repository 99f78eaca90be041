/** A definition that a file made, over syncs and over what REST says of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { applyChange } from "../../src/definition/rest-change.ts";
import type { Definition } from "../../src/definition/schema.ts";
import type { DefinitionStore } from "../../src/definition/store.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, storeDefinition } from "../support/ledger.ts";
import { TASK_RULES } from "../support/own-engines.ts";
import { activity, createTestSync, createTree } from "../support/trees.ts";

const tree = createTree();
let database: TestDatabase;
let store: DefinitionStore;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createDefinitionStore(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  tree.remove(".");
  await database?.close();
});

/** Writes the one file as the definition `mail` and syncs. */
async function sync(enabled: boolean, event_type = "x") {
  await tree.write("mail.yaml", activity("mail", { enabled, trigger_config: { trigger_type: "event", event_type } }));
  return createTestSync(database, [tree]).sync();
}

const change = ({ id }: Definition, input: unknown) =>
  store.change(id, (stored) => applyChange(stored, input, new Date(), TASK_RULES), BY_TEST);

async function find(): Promise<Definition> {
  return (await store.findByName("mail"))?.definition as Definition;
}

test("what REST says of `enabled` survives every sync until it is lifted, and then the file's word counts", async () => {
  expect(await sync(true)).toMatchObject({ definitions: { created: 1 }, errors: [] });
  const made = await find();
  expect(made).toMatchObject({ enabled: true, enabled_override: null, version: 1 });

  expect(await change(made, { enabled: false })).toMatchObject({ enabled: false, enabled_override: false, version: 2 });
  expect(await sync(true)).toMatchObject({ definitions: { unchanged: 1 }, errors: [] });
  expect(await find()).toMatchObject({ enabled: false, version: 2 });
  expect(await sync(true, "y")).toMatchObject({ definitions: { updated: 1 }, errors: [] });
  const overridden = await find();
  expect(overridden).toMatchObject({ enabled: false, trigger_config: { event_type: "y" }, version: 3 });
  expect((await store.findByName("mail"))?.body).toMatchObject({ enabled: true });

  expect(await change(overridden, { enabled: null })).toMatchObject({ enabled: true, enabled_override: null });
  expect(await sync(false, "y")).toMatchObject({ definitions: { updated: 1 } });
  expect(await find()).toMatchObject({ enabled: false, enabled_override: null });
});

test("each version says what counted then", async () => {
  const versions = await store.listVersions((await find()).id, { limit: 10 });
  expect(versions.map(({ version, enabled }) => [version, enabled])).toEqual([
    [5, false],
    [4, true],
    [3, false],
    [2, false],
    [1, true],
  ]);
});

test("what REST made is not touched by a file of its name", async () => {
  const mail = await find();
  await store.remove(mail.id, BY_TEST);
  const trigger_config = { trigger_type: "event", event_type: "rest" };
  const made = await storeDefinition(database, { name: "mail", trigger_config });
  const { definitions, errors } = await sync(true);
  expect(definitions).toEqual({ created: 0, updated: 0, unchanged: 0, retired: 0 });
  expect(errors).toMatchObject([
    { subject: `${tree.path}/mail.yaml:1`, message: expect.stringContaining("from rest") },
  ]);
  expect(await find()).toEqual(made);
});
