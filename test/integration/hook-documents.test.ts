/** Hooks as documents: over REST, from files, and as their deliveries find them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHookReader } from "../../src/postgres/hook/hook-reader.ts";
import { createTestApi, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { createTree } from "../support/trees.ts";

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

const GITHUB = { name: "github", verify: "github", secrets: ["GITHUB_HOOK"] };
const find = (name: string) => createHookReader(database.prepared).find(name);
const sync = (query = "") => api.ask("POST", `/admin/sync${query}`);
const fileOf = (...hooks: object[]) =>
  tree.write(
    "hooks.yaml",
    hooks.map((hook) => ({ kind: "hook", ...hook })),
  );

test("a hook is made, read, changed and deleted over REST, and each delivery finds it as it is then", async () => {
  const created = await api.post("/hooks", { ...GITHUB, map: { subject: "body.ref" } });
  expect([created.status, created.headers.get("location"), created.headers.get("etag")]).toEqual([
    201,
    "/hooks/github",
    '"1"',
  ]);
  expect(created.body).toEqual({
    id: expect.any(String),
    ...GITHUB,
    url: "/hooks/github",
    enabled: true,
    ...{ description: null, tolerance: null, hmac: null, token: null },
    map: { subject: "body.ref" },
    version: 1,
    source: "rest",
    created_at: expect.any(String),
    updated_at: expect.any(String),
  });
  const { id } = created.body;
  expect(await find("github")).toMatchObject({ id, version: 1, enabled: true, secrets: ["GITHUB_HOOK"] });
  pathsOf(await api.post("/hooks", GITHUB), 409, "name_taken");
  expect(
    pathsOf(await api.post("/hooks", { ...GITHUB, secrets: [], mapping: {} }), 400, "invalid_hook").sort(),
  ).toEqual(["/mapping", "/secrets"]);

  const read = await api.get("/hooks/github");
  expect([read.status, read.body]).toEqual([200, created.body]);
  // What was read may be sent back, and changes nothing.
  expect((await api.send("PUT", "/hooks/github", read.body)).body).toEqual(created.body);
  const rotated = { secrets: ["GITHUB_HOOK", "GITHUB_HOOK_NEXT"], map: null };
  const changed = await api.send("PATCH", "/hooks/github", rotated, { "if-match": '"1"' });
  expect(changed).toMatchObject({ status: 200, body: { id, ...rotated, version: 2 } });
  expect(await find("github")).toEqual({
    ...{ id, version: 2, name: "github", enabled: true, verify: "github" },
    secrets: rotated.secrets,
  } as never);
  pathsOf(await api.send("PATCH", "/hooks/github", { enabled: false }, { "if-match": '"1"' }), 412, "version_mismatch");
  expect(pathsOf(await api.send("PATCH", "/hooks/github", { url: "/x", hmac: 1 }), 400, "invalid_hook")).toEqual([
    "/url",
  ]);

  expect(await api.send("PATCH", "/hooks/github", { name: "gh" })).toMatchObject({
    status: 200,
    body: { url: "/hooks/gh" },
  });
  expect(await find("github")).toBeUndefined();
  await api.post("/hooks", GITHUB);
  pathsOf(await api.send("PATCH", "/hooks/gh", { name: "github" }), 409, "name_taken");
  expect(await api.listAll("/hooks?limit=1", "name")).toEqual(["gh", "github"]);

  for (const name of ["gh", "github"]) expect((await api.ask("DELETE", `/hooks/${name}`)).status).toBe(204);
  expect(await find("gh")).toBeUndefined();
  const isGone = [
    await api.get("/hooks/gh"),
    await api.send("PATCH", "/hooks/gh", {}),
    await api.ask("DELETE", "/hooks/%00"),
  ];
  for (const answer of isGone) pathsOf(answer, 404, "not_found");
  const audit = (await api.get(`/audit?subject=hook:${id}`)).body;
  expect(audit.map(({ action, after }: { action: string; after: unknown }) => [action, after !== null])).toEqual([
    ["delete", false],
    ["update", true],
    ["update", true],
    ["create", true],
  ]);
});

test("a hook of a file is synced, changed only there, and gives its name up when its document is gone", async () => {
  await fileOf(GITHUB, { ...GITHUB, name: "other" });
  const first = await sync();
  expect(first).toMatchObject({ status: 200, body: { hooks: { created: 2 }, not_asked: [], errors: [] } });
  const { body: made } = await api.get("/hooks/github");
  expect(made).toMatchObject({ source: "file:hooks.yaml", version: 1 });
  expect(await find("github")).toMatchObject({ id: made.id, version: 1 });
  const refused = [
    await api.send("PATCH", "/hooks/github", { enabled: false }),
    await api.ask("DELETE", "/hooks/github"),
  ];
  for (const answer of refused) pathsOf(answer, 409, "hook_from_file");

  await fileOf({ ...GITHUB, enabled: false });
  expect((await sync("?hooks=false")).body).toMatchObject({
    changes_total: 0,
    not_asked: [{ stage: "hooks", changes: 2, names: expect.arrayContaining(["github", "other"]) }],
  });
  const { sync_id, ...second } = (await sync()).body;
  expect(second).toMatchObject({ hooks: { updated: 1, retired: 1 }, changes_total: 2 });
  expect(await find("github")).toMatchObject({ enabled: false, version: 2 });
  expect(await find("other")).toBeUndefined();
  pathsOf(await api.get("/hooks/other"), 404, "not_found");

  await api.ask("POST", `/admin/syncs/${sync_id}/rollback`);
  expect([await find("github"), await find("other")]).toMatchObject([{ enabled: true, version: 3 }, { version: 3 }]);
  await api.ask("POST", `/admin/syncs/${sync_id}/release`);

  // While the document is gone the name is free; who has taken it keeps it when the document is back.
  await fileOf({ ...GITHUB, name: "another" });
  await sync();
  expect((await api.post("/hooks", GITHUB)).status).toBe(201);
  await fileOf(GITHUB);
  const errors = [{ stage: "hooks", message: expect.stringContaining("from rest has it") }];
  expect(await sync()).toMatchObject({ status: 207, body: { hooks: { retired: 1 }, errors } });
  await api.ask("DELETE", "/hooks/github");
  expect((await sync()).body).toMatchObject({ hooks: { updated: 1 }, errors: [] });
  expect((await api.get("/hooks/github")).body).toMatchObject({ id: made.id, source: "file:hooks.yaml" });
  const audit = (await api.get(`/audit?subject=hook:${made.id}`)).body;
  expect(audit.map(({ action }: { action: string }) => action)).toEqual([
    "revive",
    "retire",
    "update",
    "update",
    "create",
  ]);
});
