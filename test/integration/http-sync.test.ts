/** Syncs over REST: statuses, the answer's shape, the history, rollback and release. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createTestApi, definitionOf, definitionPath, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { activity, createTree } from "../support/trees.ts";

const tree = createTree();
let database: TestDatabase;
let api: TestApi;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database, [tree.path]);
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  tree.remove(".");
  await database?.close();
});

const sync = (query = "") => api.ask("POST", `/admin/sync${query}`);
const findByName = async (name: string) =>
  (await api.get("/activity-definitions?limit=500")).body.find((one: { name: string }) => one.name === name);

describe("POST /admin/sync", () => {
  test("answers what changed, in every stage, and nothing the second time", async () => {
    await tree.write("a.yaml", [activity("a"), { kind: "event_type", name: "t", schema: {} }]);
    const first = await sync();
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({
      definitions: { created: 1, updated: 0, unchanged: 0, retired: 0 },
      event_types: { created: 0, updated: 0, unchanged: 0, retired: 0 },
      schedules: { upserted: 0, unchanged: 0, paused: 0, orphans_deleted: 0 },
      not_asked: [{ stage: "event_types", changes: 1, names: ["t"] }],
      errors: [],
      actor: "anonymous",
      sync_id: expect.any(String),
    });
    expect(await sync("?event_types=true")).toMatchObject({
      status: 200,
      body: { definitions: { created: 0, unchanged: 1 }, event_types: { created: 1 } },
    });
    expect((await sync("?event_types=true")).body).toMatchObject({
      changes_total: 0,
      event_types: { unchanged: 1 },
      not_asked: [],
    });
  });

  test("tells what differs in a stage that it was not asked for, and leaves it alone", async () => {
    await tree.write("a.yaml", [
      activity("a", { enabled: false }),
      { kind: "event_type", name: "t", schema: { type: "object" } },
    ]);
    expect((await sync()).body).toMatchObject({
      changes_total: 1,
      event_types: { updated: 0 },
      not_asked: [{ stage: "event_types", changes: 1, names: ["t"] }],
    });
    expect((await sync("?event_types=true&definitions=false")).body).toMatchObject({ changes_total: 1, not_asked: [] });
    expect((await sync()).body).toMatchObject({ changes_total: 0, not_asked: [] });
  });

  test("answers 207 when something could not be, the rest being done", async () => {
    await tree.write("b.yaml", [activity("b"), { name: "broken" }]);
    const { status, body } = await sync();
    expect([status, body.definitions.created]).toEqual([207, 1]);
    expect(body.errors).toMatchObject([{ stage: "definitions", subject: `${tree.path}/b.yaml:3` }]);
    await tree.write("b.yaml", activity("b"));
    api.away.temporal = true;
    const away = await sync();
    api.away.temporal = false;
    expect(away).toMatchObject({ status: 207, body: { errors: [{ stage: "schedules", message: "Temporal: away" }] } });
    expect(await sync("?schedules=false")).toMatchObject({ status: 200 });
  });

  test("answers 409, with its report, when a tree would lose too much; force does it", async () => {
    await tree.write(
      "many.yaml",
      Array.from({ length: 5 }, (_, index) => activity(`many-${index}`)),
    );
    await sync();
    tree.remove("many.yaml");
    const refused = await sync();
    expect(refused).toMatchObject({
      status: 409,
      body: { refused: [tree.path], definitions: { retired: 0 }, errors: [{ subject: tree.path }] },
    });
    expect(await sync("?force=true&dry_run=true")).toMatchObject({
      status: 200,
      body: { dry_run: true, definitions: { retired: 5 } },
    });
    expect((await findByName("many-0")).retired_at).toBeNull();
    expect(await sync("?force=true")).toMatchObject({ status: 200, body: { definitions: { retired: 5 } } });
    expect(await findByName("many-0")).toMatchObject({ enabled: false, retired_at: expect.any(String) });
  });

  test("refuses a query that is none, all of it at once", async () => {
    expect(pathsOf(await sync("?force=perhaps&everything=true"), 400, "invalid_query").sort()).toEqual([
      "?everything",
      "?force",
    ]);
  });
});

test("a retired definition can be deleted over REST, which frees its name; a live one cannot", async () => {
  await tree.write("freed.yaml", activity("freed"));
  await sync();
  const { id } = await findByName("freed");
  expect((await api.ask("DELETE", definitionPath(id))).status).toBe(409);
  tree.remove("freed.yaml");
  await sync();
  const taken = await api.send("POST", "/activity-definitions", definitionOf("freed"));
  expect(taken).toMatchObject({
    status: 409,
    body: {
      code: "name_taken",
      detail: `the retired definition ${id}, which came from file:freed.yaml, has the name "freed"`,
      hint: expect.stringContaining(`DELETE /activity-definitions/${id}`),
    },
  });
  const listed = async (query: string) =>
    (await api.get(`/activity-definitions?limit=500&${query}`)).body.map(({ name }: { name: string }) => name);
  expect(await listed("retired=true")).toContain("freed");
  expect(await listed("retired=false")).not.toContain("freed");
  expect(await listed("")).toContain("freed");
  expect((await api.ask("DELETE", definitionPath(id))).status).toBe(204);
  expect((await api.send("POST", "/activity-definitions", definitionOf("freed"))).status).toBe(201);
});

test("the history is paged, tells each change, and takes the newest one back until the tree is released", async () => {
  await tree.write("h.yaml", activity("h"));
  await sync();
  await tree.write("h.yaml", activity("h", { enabled: false }));
  const { sync_id } = (await sync()).body;

  const page = await api.get("/admin/syncs?limit=1");
  expect(page.body).toMatchObject([{ sync_id, definitions: { updated: 1 } }]);
  expect(page.body[0]).not.toHaveProperty("changes");
  const next = /<([^>]+)>/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
  const [before] = (await api.get(next)).body;
  expect(before).toMatchObject({ definitions: { created: 1 } });
  expect((await api.get(`/admin/syncs/${sync_id}`)).body).toMatchObject({
    changes: [{ action: "update", name: "h", fields: [{ path: "/enabled", before: true, after: false }] }],
  });
  pathsOf(await api.get(`/admin/syncs/${crypto.randomUUID()}`), 404, "not_found");
  pathsOf(await api.ask("POST", `/admin/syncs/${before.sync_id}/rollback`), 409, "sync_not_newest");

  const undone = await api.ask("POST", `/admin/syncs/${sync_id}/rollback`);
  expect(undone).toMatchObject({ status: 200, body: { rolled_back: sync_id, held: [tree.path] } });
  expect(await findByName("h")).toMatchObject({ enabled: true, version: 3 });
  const held_by = { [tree.path]: sync_id };
  const errors = [{ subject: tree.path, message: expect.stringContaining(`/admin/syncs/${sync_id}/release`) }];
  expect(await sync()).toMatchObject({ status: 207, body: { held: [tree.path], held_by, changes_total: 0, errors } });
  const released = await api.ask("POST", `/admin/syncs/${sync_id}/release`);
  expect(released).toMatchObject({ status: 200, body: { released: [tree.path] } });
  expect(await sync()).toMatchObject({ body: { held: [], definitions: { updated: 1 } } });
  expect(await findByName("h")).toMatchObject({ enabled: false });

  const audit = (await api.get(`/audit?subject=tree:${encodeURIComponent(tree.path)}`)).body;
  expect(audit.map(({ action }: { action: string }) => action)).toEqual(["release", "hold"]);
});
