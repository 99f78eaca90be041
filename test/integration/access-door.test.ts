/** When the API asks for keys at all: each test has a database in which no key was made yet. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { runKeysCreate, runKeysList, runKeysRevoke } from "../../src/cli/keys.ts";
import { type Flags, loadConfig } from "../../src/kernel/config.ts";
import type { Role } from "../../src/kernel/lifecycle.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createReadiness } from "../../src/kernel/readiness.ts";
import type { Postgres } from "../../src/postgres/client.ts";
import { startApi } from "../../src/roles/api.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";

const never = new Promise<never>(() => {});
/** Below the range of outgoing connections. */
const port = 27_600 + Math.floor(Math.random() * 300);

let database: TestDatabase;
let role: Role | undefined;
beforeEach(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterEach(async () => {
  await role?.drain(AbortSignal.timeout(5000));
  await role?.close();
  role = undefined;
  await database.close();
});

/** The role on its listener; its other engines are never reached. */
function start(host: string, flags: Flags = {}, postgres: Promise<Postgres> = Promise.resolve(database)): Role {
  role = startApi({
    secrets: createSecrets({ values: {} }),
    config: loadConfig({ apiAddr: `${host}:${port}`, ...flags }, {}),
    connections: { postgres: () => postgres, nats: () => never, temporal: () => never, close: async () => {} },
    endpoints: never,
    taskTypes: TASK_TYPES,
    readiness: createReadiness({ api: [] }),
    metrics: createMetrics(),
    log: createLog("silent"),
  });
  return role;
}

async function get(path: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  await response.text();
  return response.status;
}

/** A command's exit code and what it printed. */
async function command(
  run: typeof runKeysCreate,
  args: Record<string, string> = {},
): Promise<{ code: number; out: string }> {
  const lines: string[] = [];
  const config = loadConfig({ dbUrl: database.url }, {});
  const code = await run({ config, args, json: true, print: (line) => void lines.push(line) });
  return { code, out: lines.join("\n") };
}

const open = () => eventually("the API answers", async () => (await get("/keys")) === 200);

describe("on loopback", () => {
  test("nobody needs a key until the first one is made, and from then on everybody, at once and for ever", async () => {
    start("127.0.0.1");
    await open();
    expect(await get("/keys", { "x-api-key": "of something else" })).toBe(200);
    const { code, out } = await command(runKeysCreate, { name: "ops", scopes: "admin", "expires-in": "90d" });
    expect(code).toBe(0);
    const { key, key_id, expires_at } = JSON.parse(out);
    expect(Date.parse(expires_at) - Date.now()).toBeWithin(89 * 86_400_000, 90 * 86_400_000);
    expect(await get("/keys")).toBe(401);
    expect(await get("/keys", { "x-api-key": key })).toBe(200);
    expect(await get("/healthz")).toBe(200);

    await command(runKeysRevoke, { KEY_ID: key_id });
    expect(JSON.parse((await command(runKeysList)).out)).toMatchObject([{ key_id, revoked_at: expect.any(String) }]);
    expect(await get("/keys", { "x-api-key": key })).toBe(401);
    expect(await get("/keys")).toBe(401);
  });

  test("a key that is revoked counts as made for a server that starts later", async () => {
    const { out } = await command(runKeysCreate, { name: "ops", scopes: "admin" });
    await command(runKeysRevoke, { KEY_ID: JSON.parse(out).key_id });
    start("127.0.0.1");
    await eventually("the API asks for a key", async () => (await get("/keys")) === 401);
  });

  test("a server that does not know of the keys lets nobody in", async () => {
    start("127.0.0.1", {}, never);
    expect([await get("/keys"), await get("/healthz"), await get("/docs")]).toEqual([503, 200, 200]);
  });
});

describe("on an address that others reach", () => {
  test("a server without keys answers for its health alone, and fails", async () => {
    const reached = Promise.withResolvers<Postgres>();
    const { done } = start("0.0.0.0", {}, reached.promise);
    expect([await get("/healthz"), await get("/keys"), await get("/docs"), await get("/x")]).toEqual([
      200, 503, 503, 503,
    ]);
    reached.resolve(database);
    await expect(done).rejects.toMatchObject({
      code: "keys_required",
      hint: expect.stringMatching(/actcore keys create.*--insecure-no-auth/),
    });
    await done.catch(() => {});
    expect(await get("/keys")).toBe(503);
  });

  test("a server with keys asks for them, under any name or those that it was given", async () => {
    const { out } = await command(runKeysCreate, { name: "ops", scopes: "admin" });
    const key = { "x-api-key": JSON.parse(out).key };
    start("0.0.0.0", { apiHosts: "API.example.org" });
    await eventually("the API asks for a key", async () => (await get("/keys")) === 401);
    expect(await get("/keys", key)).toBe(200);
    expect(await get("/keys", { ...key, host: "api.example.org" })).toBe(200);
    expect(await get("/keys", { ...key, host: "evil.com" })).toBe(403);
    expect(await get("/healthz", { host: "10.0.0.7" })).toBe(200);
  });

  test("--insecure-no-auth asks nobody for a key", async () => {
    await command(runKeysCreate, { name: "ops", scopes: "admin" });
    start("0.0.0.0", { insecureNoAuth: "true" });
    await open();
  });
});

describe("actcore keys", () => {
  test.each([
    [{ name: "x", scopes: "root,admin", "expires-in": "soon" }, ["--scopes", "--expires-in"]],
    [{ name: "", scopes: "" }, ["--name", "--scopes"]],
  ])("create refuses %j and names the flags", async (args, paths) => {
    const error = await command(runKeysCreate, args).catch((thrown) => thrown);
    expect(error.faults.map(({ path }: { path: string }) => path).sort()).toEqual(paths.sort());
  });

  test("revoke says that a key is not there", async () => {
    await expect(command(runKeysRevoke, { KEY_ID: "x" })).rejects.toMatchObject({ code: "usage" });
    await expect(command(runKeysRevoke, { KEY_ID: crypto.randomUUID() })).rejects.toMatchObject({ code: "not_found" });
  });
});
