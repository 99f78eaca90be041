/** Definitions and their versions, changed over REST. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createTestApi, definitionPath, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf } from "../support/ledger.ts";

const FILE = "file:mail.yaml";
const missing = crypto.randomUUID();
let database: TestDatabase;
let api: TestApi;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

/** The path of a definition that a file made. */
async function createByFile(): Promise<string> {
  const body = bodyOf(`f-${crypto.randomUUID()}`);
  return definitionPath((await createDefinitionStore(database.db).create(body, FILE, BY_TEST)).id);
}

describe.each(["PUT", "PATCH"])("%s of a definition", (method) => {
  const change = (path: string, body: unknown, headers?: Record<string, string>) =>
    api.send(method, path, body, headers);

  test("replaces the keys that it has, and answers the next version with its tag", async () => {
    const made = await api.createDefinition();
    const answer = await change(`${definitionPath(made.id)}/`, { enabled: false });
    const { updated_at } = answer.body;
    expect(answer).toMatchObject({ status: 200, body: { ...made, enabled: false, version: 2, updated_at } });
    expect(answer.headers.get("etag")).toBe('"2"');
    expect((await api.get(definitionPath(made.id))).body).toEqual(answer.body);
  });

  test("with the whole object as it was read changes nothing", async () => {
    const made = await api.createDefinition();
    expect(await change(definitionPath(made.id), made)).toMatchObject({ status: 200, body: made });
  });

  test.each<[what: string, headers: Record<string, string>, body: object, status: number]>([
    ["the version of now", { "if-match": '"1"' }, {}, 200],
    ["the version of now, weakly", { "if-match": 'W/"1"' }, {}, 200],
    ["any version", { "if-match": "*" }, {}, 200],
    ["another version", { "if-match": '"2"' }, {}, 412],
    ["the version of now in the body", {}, { version: 1 }, 200],
    ["another version in the body", {}, { version: 7 }, 412],
  ])("that names %s", async (_, headers, body, status) => {
    const made = await api.createDefinition();
    const answer = await change(definitionPath(made.id), { enabled: false, ...body }, headers);
    if (status === 412) pathsOf(answer, 412, "version_mismatch");
    expect([answer.status, (await api.get(definitionPath(made.id))).body.enabled]).toEqual([status, status === 412]);
  });

  test("that names no version at all is refused", async () => {
    const made = await api.createDefinition();
    const answer = await change(definitionPath(made.id), {}, { "if-match": '"one"' });
    expect(pathsOf(answer, 400, "invalid_version")).toEqual(["If-Match"]);
  });

  test("is refused with every fault, and nothing is changed", async () => {
    const made = await api.createDefinition();
    const answer = await change(definitionPath(made.id), { enabled: "no", colour: 1, source: FILE });
    expect(pathsOf(answer, 400, "invalid_definition")).toEqual(["/source"]);
    const others = await change(definitionPath(made.id), { enabled: "no", colour: 1 });
    expect(pathsOf(others, 400, "invalid_definition").sort()).toEqual(["/colour", "/enabled"]);
    expect((await api.get(definitionPath(made.id))).body).toEqual(made);
  });

  test("to a name that is taken is refused", async () => {
    const [a, b] = [await api.createDefinition(), await api.createDefinition()];
    pathsOf(await change(definitionPath(a.id), { name: b.name }), 409, "name_taken");
  });

  test("of a file's takes only `enabled`, which counts until it is lifted", async () => {
    const path = await createByFile();
    pathsOf(await change(path, { name: "mine" }), 409, "definition_from_file");
    const off = await change(path, { enabled: false });
    expect(off).toMatchObject({ status: 200, body: { enabled: false, enabled_override: false, source: FILE } });
    const lifted = await change(path, { enabled: null });
    expect(lifted).toMatchObject({ status: 200, body: { enabled: true, enabled_override: null, version: 3 } });
  });

  test.each<[what: string, body: unknown, status: number, code: string]>([
    ["no object", [], 400, "invalid_definition"],
    ["null", null, 400, "invalid_definition"],
    ["no JSON", "{", 400, "malformed_json"],
    ["nothing", "", 400, "malformed_json"],
  ])("by %s is refused", async (_, body, status, code) => {
    const made = await api.createDefinition();
    pathsOf(await change(definitionPath(made.id), body), status, code);
  });

  test("that is not there is refused", async () => {
    pathsOf(await change(definitionPath(missing), { enabled: false }), 404, "definition_not_found");
    expect(pathsOf(await change(definitionPath("x"), {}), 400, "invalid_path")).toEqual(["{id}"]);
  });
});

describe("DELETE of a definition", () => {
  const remove = (path: string, headers: Record<string, string> = {}) => api.ask("DELETE", path, { headers });

  test("has no answer but 204, and then it is gone", async () => {
    const made = await api.createDefinition();
    expect(await remove(definitionPath(made.id))).toMatchObject({ status: 204, body: undefined });
    pathsOf(await api.get(definitionPath(made.id)), 404, "not_found");
    pathsOf(await remove(definitionPath(made.id)), 404, "not_found");
    expect((await api.post("/activity-definitions", bodyOf(made.name))).status).toBe(201);
  });

  test("that names another version is refused", async () => {
    const made = await api.createDefinition();
    pathsOf(await remove(definitionPath(made.id), { "if-match": '"2"' }), 412, "version_mismatch");
    expect(await remove(definitionPath(made.id), { "if-match": '"1"' })).toMatchObject({ status: 204 });
  });

  test("of a file's is refused", async () => {
    const path = await createByFile();
    pathsOf(await remove(path), 409, "definition_from_file");
    expect((await api.get(path)).status).toBe(200);
  });

  test("of a file's works once it is retired: it belongs to nobody any more", async () => {
    const path = await createByFile();
    const id = path.split("/").at(-1) ?? "";
    await database.sql`update actcore.definitions set retired_at = now(), enabled = false where id = ${id}`;
    expect((await remove(path)).status).toBe(204);
    pathsOf(await api.get(path), 404, "not_found");
  });

  test("of what is none is refused", async () => {
    pathsOf(await remove(definitionPath("x")), 400, "invalid_path");
  });
});

describe("the versions of a definition", () => {
  test("are listed newest first, in pages, and read one by one, also when it is deleted", async () => {
    const made = await api.createDefinition();
    const path = definitionPath(made.id);
    for (const enabled of [false, true]) await api.send("PATCH", path, { enabled });
    await api.ask("DELETE", path);
    expect(await api.listAll(`${path}/versions?limit=3`, "version")).toEqual([4, 3, 2, 1]);
    const { body: second } = await api.get(`${path}/versions/2`);
    expect(second).toMatchObject({ version: 2, name: made.name, enabled: false });
    expect((await api.get(`${path}/versions?limit=1&cursor=3`)).body).toEqual([second]);
  });

  test.each<[path: string, status: number, code: string]>([
    [`${definitionPath(missing)}/versions`, 404, "not_found"],
    [`${definitionPath(missing)}/versions/1`, 404, "not_found"],
    [`${definitionPath(missing)}/versions/x`, 400, "invalid_version"],
    [`${definitionPath(missing)}/versions?cursor=x`, 400, "invalid_version"],
    [`${definitionPath(missing)}/versions?colour=1`, 400, "invalid_query"],
    [`${definitionPath("x")}/versions`, 400, "invalid_path"],
  ])("are not found at %s", async (path, status, code) => {
    pathsOf(await api.get(path), status, code);
  });
});
