import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createAuthenticator, type Keyless } from "../../src/access/authenticate.ts";
import { MAX_FAILURES } from "../../src/access/failure-limit.ts";
import { createKey, hashKey } from "../../src/access/key.ts";
import { issueKey } from "../../src/access/key-request.ts";
import type { KeyStore } from "../../src/access/key-store.ts";
import { SCOPES, type Scope } from "../../src/access/scope.ts";
import { createApp, createRoutes } from "../../src/http/app.ts";
import type { Services } from "../../src/http/services.ts";
import { describeError, RetryableError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createReadiness } from "../../src/kernel/readiness.ts";
import { createAuditReader } from "../../src/postgres/access/audit.ts";
import { createKeyStore } from "../../src/postgres/access/key-store.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const log = createLog("silent");
const CLI = { actor: "cli" };
const REFUSALS = [401, 403, 429];
const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

let database: TestDatabase;
let keys: KeyStore;
beforeAll(async () => {
  database = await createTestDatabase();
  keys = createKeyStore(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database.close());

/** A key of a new name. */
async function keyWith(scopes: Scope[], expires_at: Date | null = null) {
  return issueKey(keys, { name: crypto.randomUUID(), scopes, expires_at }, CLI);
}

/** An API of its own, with its own count of failures; what needs more than keys and audit is "behind the door". */
function createApi(keyless: Keyless, store: KeyStore = keys) {
  const behind = () => {
    throw new RetryableError("behind_the_door", "the request got in");
  };
  const services: Services = {
    keys: store,
    audit: createAuditReader(database.db),
    readiness: createReadiness({}),
    rules: TASK_RULES,
    get taskControl() {
      return behind();
    },
    get letterDesk() {
      return behind();
    },
    get replays() {
      return behind();
    },
    get definitions() {
      return behind();
    },
    get expectations() {
      return behind();
    },
    get hooks() {
      return behind();
    },
    get hookReceiver() {
      return behind();
    },
    get humans() {
      return behind();
    },
    get dryRuns() {
      return behind();
    },
    get whatIf() {
      return behind();
    },
    get eventTypes() {
      return behind();
    },
    get ledger() {
      return behind();
    },
    get explanations() {
      return behind();
    },
    get unmatched() {
      return behind();
    },
    get retention() {
      return behind();
    },
    get schedules() {
      return behind();
    },
    get queues() {
      return behind();
    },
    get skippedDueTimes() {
      return behind();
    },
    get waiting() {
      return behind();
    },
    get dueTimes() {
      return behind();
    },
    get events() {
      return behind();
    },
    get control() {
      return behind();
    },
    get sync() {
      return behind();
    },
  };
  const authenticator = createAuthenticator({ keys: () => store, keyless, log });
  const hosts = { loopback: true, hosts: [] };
  const app = createApp(services, { ...authenticator, hosts, closed: () => undefined }, log, TASK_TYPES);
  return async (route: { method: string; path: string }, headers: Record<string, string> = {}) => {
    const path = route.path.replace(":version", "1").replace(/:\w+/g, () => crypto.randomUUID());
    const body = ["POST", "PUT", "PATCH"].includes(route.method) ? "{}" : null;
    const url = `http://localhost:8010${path}`;
    const init = { method: route.method, headers: { host: "localhost:8010", ...headers }, body };
    const response = await app.handle(new Request(url, init));
    const text = await response.text();
    return { status: response.status, headers: response.headers, ...(text !== "" && { problem: JSON.parse(text) }) };
  };
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe.each(createRoutes(TASK_TYPES).map((route) => [nameOf(route), route] as const))("%s", (_, route) => {
  const { scope } = route;
  if (scope === null) {
    test("answers without a key", async () => {
      expect(REFUSALS).not.toContain((await createApi("never")(route)).status);
    });
  } else {
    test("refuses a caller without a key", async () => {
      const call = createApi("never");
      for (const headers of [
        {},
        bearer(""),
        { authorization: `Basic ${btoa("a:b")}` },
        { authorization: createKey() },
      ]) {
        const { status, problem, headers: answered } = await call(route, headers);
        expect([status, problem.code, answered.get("www-authenticate")]).toEqual([401, "key_required", "Bearer"]);
      }
    });

    test("refuses a wrong key", async () => {
      const right = await keyWith([scope]);
      const call = createApi("never");
      for (const key of [createKey(), "nope", hashKey(right.key), `${right.key}x`, right.key.toLowerCase()])
        expect(await call(route, bearer(key))).toMatchObject({ status: 401, problem: { code: "key_invalid" } });
    });

    test("refuses an expired key", async () => {
      const { key } = await keyWith([scope], new Date(Date.now() - 1));
      expect(await createApi("never")(route, bearer(key))).toMatchObject({
        status: 401,
        problem: { code: "key_expired" },
      });
    });

    test("refuses a revoked key", async () => {
      const { key, key_id } = await keyWith([scope]);
      await keys.revoke(key_id, CLI);
      expect(await createApi("never")(route, bearer(key))).toMatchObject({
        status: 401,
        problem: { code: "key_revoked" },
      });
    });

    test("refuses a key that may do everything else, and names the scope", async () => {
      const { key } = await keyWith(SCOPES.filter((other) => other !== scope && other !== "admin"));
      const { status, problem } = await createApi("never")(route, bearer(key));
      expect([status, problem.code]).toEqual([403, "scope_missing"]);
      expect(problem.detail).toContain(`needs the scope ${scope},`);
      expect(problem.hint).toBe(`use a key with ${scope === "admin" ? "admin" : `${scope} or admin`}`);
    });

    test("lets the right key in, in either header, and admin", async () => {
      const call = createApi("never");
      // What tells why definitions did what they did asks for a second scope, which the summary of its route names.
      const { key } = await keyWith([
        scope,
        ...(/needs definitions:read too/.test(route.summary) ? (["definitions:read"] as const) : []),
      ]);
      const admin = await keyWith(["admin"]);
      for (const headers of [bearer(key), { "x-api-key": key }, bearer(admin.key)])
        expect(REFUSALS).not.toContain((await call(route, headers)).status);
    });
  }

  // A browser has nothing that would prove a webhook, on whoever's behalf.
  const fromAnywhere = nameOf(route) === "POST /hooks/:name";
  test(
    fromAnywhere ? "answers from any origin" : "refuses a page of another origin, with the right key too",
    async () => {
      const { key } = await keyWith(["admin"]);
      for (const headers of [{ origin: "http://evil.com" }, { "sec-fetch-site": "cross-site" }]) {
        const { status, problem } = await createApi("always")(route, { ...bearer(key), ...headers });
        if (fromAnywhere) expect(REFUSALS).not.toContain(status);
        else expect([status, problem.code]).toEqual([403, "origin_not_allowed"]);
      }
    },
  );

  test(scope === null ? "answers under any name" : "refuses a name that was turned to loopback", async () => {
    const { key } = await keyWith(["admin"]);
    const { status, problem } = await createApi("always")(route, { ...bearer(key), host: "evil.com:8010" });
    if (scope === null) expect(REFUSALS).not.toContain(status);
    else expect([status, problem.code]).toEqual([403, "host_not_allowed"]);
  });
});

test.each(["/docs", "/docs/swagger-ui.js", "/openapi.json", "/not-there"])(
  "%s, which is no route, is kept from other origins and names too",
  async (path) => {
    const call = createApi("always");
    expect((await call({ method: "GET", path }, { origin: "http://evil.com" })).status).toBe(403);
    expect((await call({ method: "GET", path }, { host: "evil.com" })).status).toBe(403);
    expect((await call({ method: "OPTIONS", path }, { origin: "http://evil.com" })).status).toBe(403);
  },
);

describe("a key", () => {
  const headersOf = (key: string) => new Headers(bearer(key));
  const create = (now?: () => number) =>
    createAuthenticator({ keys: () => keys, keyless: "never", log, ...(now && { now }) });

  test("is the actor of what is done with it", async () => {
    const { key, name } = await keyWith(["trigger"]);
    expect(await create().authenticate(headersOf(key), "x")).toEqual({ actor: `key:${name}`, scopes: ["trigger"] });
  });

  test("is nowhere in the database, nor its hash in a list", async () => {
    const { key } = await keyWith(["trigger"]);
    const [row] = await database.sql`select string_agg(k::text, '') || (select string_agg(a::text || after::text, '')
      from actcore.audit_log a) as text from actcore.api_keys k`;
    expect(row?.text).toContain(hashKey(key));
    expect(row?.text).not.toContain(key);
    expect(JSON.stringify(await keys.list({ limit: 500 }))).not.toContain(hashKey(key));
  });

  test("has its last use noted, at most once a minute", async () => {
    const { key, key_id } = await keyWith(["trigger"]);
    const lastUse = async () => (await keys.list({ limit: 500 })).find((one) => one.key_id === key_id)?.last_used_at;
    expect(await lastUse()).toBeNull();
    await create().authenticate(headersOf(key), "x");
    const first = await lastUse();
    expect(first).toBeString();
    await create().authenticate(headersOf(key), "x");
    await keys.noteUse(key_id);
    expect(await lastUse()).toBe(first as string);
    await database.sql`update actcore.api_keys set last_used_at = now() - interval '61 seconds' where key_id = ${key_id}`;
    await create().authenticate(headersOf(key), "x");
    expect(await lastUse()).not.toBe(first as string);
  });

  test("has a name of its own until it is revoked", async () => {
    const { name, key_id } = await keyWith(["trigger"]);
    const again = () => issueKey(keys, { name, scopes: ["trigger"], expires_at: null }, CLI);
    const refusal = await again().catch((error) => error);
    expect(refusal).toMatchObject({ code: "name_taken" });
    // What the command line prints: no SQL, no hash.
    expect(describeError(refusal)).toBe(`there is a key named "${name}" already`);
    await keys.revoke(key_id, CLI);
    expect((await again()).name).toBe(name);
  });

  test("is audited when it is made and when it is revoked, once each", async () => {
    const { key_id, key: _, ...made } = await keyWith(["trigger"]);
    await keys.revoke(key_id, { actor: "key:ops" });
    await keys.revoke(key_id, { actor: "key:ops" });
    const entries = await createAuditReader(database.db).list({ subject: `key:${key_id}` }, { limit: 10 });
    expect(entries).toMatchObject([
      { actor: "key:ops", action: "revoke", before: made, after: { key_id, revoked_at: expect.any(String) } },
      { actor: "cli", action: "create", before: null, after: made },
    ]);
  });

  test("that is wrong too often is answered later, for its address alone, and a right one is answered at once", async () => {
    let now = Date.now();
    const { authenticate } = create(() => now);
    const { key, name } = await keyWith(["trigger"]);
    const wrong = (address: string) => authenticate(headersOf(createKey()), address).catch((error) => error);
    for (let i = 0; i < MAX_FAILURES; i++) expect(await wrong("10.0.0.1")).toMatchObject({ code: "key_invalid" });
    now += 1000;
    expect(await wrong("10.0.0.1")).toMatchObject({ code: "too_many_failures", retryAfterMs: 59_000 });
    expect(await wrong("10.0.0.2")).toMatchObject({ code: "key_invalid" });
    expect(await authenticate(headersOf(key), "10.0.0.1")).toMatchObject({ actor: `key:${name}` });
    now += 59_000;
    expect(await wrong("10.0.0.1")).toMatchObject({ code: "key_invalid" });
  });

  test("that is wrong too often is told when to come again", async () => {
    const call = createApi("never");
    const route = { method: "GET", path: "/runs" };
    const answers = [];
    for (let i = 0; i <= MAX_FAILURES; i++) answers.push(await call(route, bearer("wrong")));
    expect(answers.map(({ status }) => status)).toEqual([...new Array(MAX_FAILURES).fill(401), 429]);
    expect(Number(answers.at(-1)?.headers.get("retry-after"))).toBeWithin(1, 61);
  });
});
