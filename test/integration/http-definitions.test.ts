/** Definitions and their versions, changed over REST. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createDefinitionStore } from "../../src/postgres/definitions.ts";
import { type Answer, createTestApi, pathsOf } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf } from "../support/ledger.ts";

const FILE = "file:mail.yaml";
const missing = crypto.randomUUID();
let database: TestDatabase;
let api: ReturnType<typeof createTestApi>;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const pathOf = (id: string) => `/activity-definitions/${id}`;
const post = (path: string, body: unknown = "", headers?: Record<string, string>) =>
  api.send("POST", path, body, headers);

/** A definition that REST made, as it was answered. */
async function create(): Promise<Answer> {
  const name = `d-${crypto.randomUUID()}`;
  return post("/activity-definitions", { name, trigger_config: { trigger_type: "event", event_type: "x" } });
}

/** The path of a definition that a file made. */
async function createByFile(): Promise<string> {
  const body = bodyOf(`f-${crypto.randomUUID()}`);
  return pathOf((await createDefinitionStore(database.db).create(body, FILE, BY_TEST)).id);
}

describe.each(["PUT", "PATCH"])("%s of a definition", (method) => {
  const change = (path: string, body: unknown, headers?: Record<string, string>) =>
    api.send(method, path, body, headers);

  test("replaces the keys that it has, and answers the next version with its tag", async () => {
    const { body: made } = await create();
    const answer = await change(`${pathOf(made.id)}/`, { enabled: false });
    const { updated_at } = answer.body;
    expect(answer).toMatchObject({ status: 200, body: { ...made, enabled: false, version: 2, updated_at } });
    expect(answer.headers.get("etag")).toBe('"2"');
    expect((await api.get(pathOf(made.id))).body).toEqual(answer.body);
  });

  test("with the whole object as it was read changes nothing", async () => {
    const { body: made } = await create();
    expect(await change(pathOf(made.id), made)).toMatchObject({ status: 200, body: made });
  });

  test.each<[what: string, headers: Record<string, string>, body: object, status: number]>([
    ["the version of now", { "if-match": '"1"' }, {}, 200],
    ["the version of now, weakly", { "if-match": 'W/"1"' }, {}, 200],
    ["any version", { "if-match": "*" }, {}, 200],
    ["another version", { "if-match": '"2"' }, {}, 412],
    ["the version of now in the body", {}, { version: 1 }, 200],
    ["another version in the body", {}, { version: 7 }, 412],
  ])("that names %s", async (_, headers, body, status) => {
    const { body: made } = await create();
    const answer = await change(pathOf(made.id), { enabled: false, ...body }, headers);
    if (status === 412) pathsOf(answer, 412, "version_mismatch");
    expect([answer.status, (await api.get(pathOf(made.id))).body.enabled]).toEqual([status, status === 412]);
  });

  test("that names no version at all is refused", async () => {
    const { body: made } = await create();
    const answer = await change(pathOf(made.id), {}, { "if-match": '"one"' });
    expect(pathsOf(answer, 400, "invalid_version")).toEqual(["If-Match"]);
  });

  test("is refused with every fault, and nothing is changed", async () => {
    const { body: made } = await create();
    const answer = await change(pathOf(made.id), { enabled: "no", colour: 1, source: FILE });
    expect(pathsOf(answer, 400, "invalid_definition")).toEqual(["/source"]);
    const others = await change(pathOf(made.id), { enabled: "no", colour: 1 });
    expect(pathsOf(others, 400, "invalid_definition").sort()).toEqual(["/colour", "/enabled"]);
    expect((await api.get(pathOf(made.id))).body).toEqual(made);
  });

  test("to a name that is taken is refused", async () => {
    const [a, b] = [await create(), await create()];
    pathsOf(await change(pathOf(a.body.id), { name: b.body.name }), 409, "name_taken");
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
    const { body: made } = await create();
    pathsOf(await change(pathOf(made.id), body), status, code);
  });

  test("that is not there is refused", async () => {
    pathsOf(await change(pathOf(missing), { enabled: false }), 404, "definition_not_found");
    expect(pathsOf(await change(pathOf("x"), {}), 400, "invalid_path")).toEqual(["{id}"]);
  });
});

describe("DELETE of a definition", () => {
  const remove = (path: string, headers: Record<string, string> = {}) => api.ask("DELETE", path, { headers });

  test("has no answer but 204, and then it is gone", async () => {
    const { body: made } = await create();
    expect(await remove(pathOf(made.id))).toMatchObject({ status: 204, body: undefined });
    pathsOf(await api.get(pathOf(made.id)), 404, "not_found");
    pathsOf(await remove(pathOf(made.id)), 404, "not_found");
    expect((await post("/activity-definitions", bodyOf(made.name))).status).toBe(201);
  });

  test("that names another version is refused", async () => {
    const { body: made } = await create();
    pathsOf(await remove(pathOf(made.id), { "if-match": '"2"' }), 412, "version_mismatch");
    expect(await remove(pathOf(made.id), { "if-match": '"1"' })).toMatchObject({ status: 204 });
  });

  test("of a file's is refused", async () => {
    const path = await createByFile();
    pathsOf(await remove(path), 409, "definition_from_file");
    expect((await api.get(path)).status).toBe(200);
  });

  test("of what is none is refused", async () => {
    pathsOf(await remove(pathOf("x")), 400, "invalid_path");
  });
});

describe("the versions of a definition", () => {
  test("are listed newest first, in pages, and read one by one, also when it is deleted", async () => {
    const { body: made } = await create();
    const path = pathOf(made.id);
    for (const enabled of [false, true]) await api.send("PATCH", path, { enabled });
    await api.ask("DELETE", path);
    const seen: number[] = [];
    for (let next: string | undefined = `${path}/versions?limit=3`; next !== undefined; ) {
      const { body, headers }: Answer = await api.get(next);
      seen.push(...body.map(({ version }: { version: number }) => version));
      next = /^<(.*)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual([4, 3, 2, 1]);
    const { body: second } = await api.get(`${path}/versions/2`);
    expect(second).toMatchObject({ version: 2, name: made.name, enabled: false });
    expect((await api.get(`${path}/versions?limit=1&cursor=3`)).body).toEqual([second]);
  });

  test.each<[path: string, status: number, code: string]>([
    [`${pathOf(missing)}/versions`, 404, "not_found"],
    [`${pathOf(missing)}/versions/1`, 404, "not_found"],
    [`${pathOf(missing)}/versions/x`, 400, "invalid_version"],
    [`${pathOf(missing)}/versions?cursor=x`, 400, "invalid_version"],
    [`${pathOf(missing)}/versions?colour=1`, 400, "invalid_query"],
    [`${pathOf("x")}/versions`, 400, "invalid_path"],
  ])("are not found at %s", async (path, status, code) => {
    pathsOf(await api.get(path), status, code);
  });
});
