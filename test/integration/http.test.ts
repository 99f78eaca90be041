/** The REST API over a real database, asked through the application itself. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createRoutes } from "../../src/http/app.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { createTestApi, definitionOf, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { claim, claimedRun, envelopeOf } from "../support/ledger.ts";

let database: TestDatabase;
let api: TestApi;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
}, ENGINES_TIMEOUT_MS);
beforeEach(() => {
  api.away.nats = false;
  api.published.length = 0;
});
afterAll(() => database?.close());

const ask = (...request: Parameters<typeof api.ask>) => api.ask(...request);
const get = (path: string) => ask("GET", path);
const post = (...request: Parameters<typeof api.post>) => api.post(...request);

describe("bad input is a problem that names every fault:", () => {
  test.each(["/activity-definitions", "/events"])("malformed JSON to %s", async (path) => {
    for (const text of ["{", "", "\ufeff{}x"])
      expect(pathsOf(await post(path, text), 400, "malformed_json")).toEqual(["/"]);
  });

  test("unknown fields, at every depth", async () => {
    const input = {
      ...definitionOf("a"),
      colour: 1,
      trigger_config: { trigger_type: "cron", cron_expression: "@x", b: 1 },
    };
    expect(pathsOf(await post("/activity-definitions", input), 400, "invalid_definition").sort()).toEqual([
      "/colour",
      "/trigger_config/b",
    ]);
    const event = { event_id: "e", colour: 1 };
    expect(pathsOf(await post("/events", event), 400, "invalid_event").sort()).toEqual([
      "/colour",
      "/occurred_at",
      "/source",
      "/type",
    ]);
  });

  test("a body over 1 MB, with its length said and without", async () => {
    const large = "x".repeat(1_048_577);
    const headers = { "content-type": "application/json" };
    pathsOf(
      await post("/events", large, { ...headers, "content-length": String(large.length) }),
      413,
      "body_too_large",
    );
    const stream = new ReadableStream({
      start(controller) {
        for (let n = 0; n < 3; n++) controller.enqueue(new Uint8Array(500_000));
        controller.close();
      },
    });
    pathsOf(
      await ask("POST", "/events", { headers, body: stream, duplex: "half" } as RequestInit),
      413,
      "body_too_large",
    );
    expect(api.published).toEqual([]);
  });

  test.each<[depth: number, open: string, close: string]>([
    [101, "[", "]"],
    [200_000, "[", "]"],
    [100_000, '{"a":', "}"],
  ])("a body of %d levels", async (depth, open, close) => {
    const nested = `${open.repeat(depth)}1${close.repeat(depth)}`;
    const { id } = await api.createDefinition();
    // A list of events has a result for each: http-events.test.ts asks for those that are nested too deep.
    const others = open === "[" ? [] : ["/events"];
    for (const path of ["/activity-definitions", ...others, `/activity-definitions/${id}/trigger`])
      expect(pathsOf(await post(path, nested), 400, "body_too_deep")).toEqual(["/"]);
    const payload = `{"payload":${nested}}`;
    expect(pathsOf(await post(`/activity-definitions/${id}/trigger`, payload), 400, "body_too_deep")).toEqual(["/"]);
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonp"])(
    "the content type %s",
    async (type) => {
      pathsOf(await post("/events", {}, { "content-type": type }), 415, "unsupported_media_type");
    },
  );

  test.each(["/activity-definitions/x", "/runs/1", "/tasks/%00", "/runs/00000000-0000-0000-0000-00000000000g"])(
    "the id in %s",
    async (path) => {
      expect(pathsOf(await get(path), 400, "invalid_path")).toHaveLength(1);
    },
  );

  test.each([
    ["/runs?limit=0&status=odd&colour=red", ["?limit", "?status", "?colour"]],
    ["/runs?limit=x", ["?limit"]],
    ["/runs?limit=501", ["?limit"]],
    ["/runs?limit=1.5", ["?limit"]],
    ["/runs?limit=0x10", ["?limit"]],
    ["/runs?limit=1e2", ["?limit"]],
    ["/runs?limit=+5", ["?limit"]],
    ["/runs?limit=", ["?limit"]],
    ["/runs?limit=1&limit=2", ["?limit"]],
    ["/events?type=a&type=b&limit=x", ["?type", "?limit"]],
    ["/runs?since=2026-02-31T00:00:00Z", ["?since"]],
    ["/runs?since=2026-02-01", ["?since"]],
    ["/runs?since=2026-02-01T09:00:00", ["?since"]],
    ["/events?since=2026-11-26%20(banana)", ["?since"]],
    ["/runs?activity_id=x&trigger=y", ["?activity_id", "?trigger"]],
    ["/tasks?run_id=x&since=today", ["?run_id", "?since"]],
    ["/runs?since=2026-13-45", ["?since"]],
    ["/runs?cursor=x", ["?cursor"]],
    ["/tasks?cursor=2026", ["?cursor"]],
    ["/tasks?key=mail", ["?key"]],
    ["/activity-definitions?limit=-1", ["?limit"]],
    ["/activity-definitions?enabled=2&trigger_type=x&colour=1", ["?enabled", "?trigger_type", "?colour"]],
    ["/events?outcome=lost&since=now&colour=1", ["?outcome", "?since", "?colour"]],
    ["/events?cursor=x", ["?cursor"]],
  ])("the query of %s", async (path, paths) => {
    expect(pathsOf(await get(path), 400, "invalid_query").sort()).toEqual(paths.sort());
  });

  test.each(["/nothing", "/runs/a/b", "/docs/nothing"])("the unknown route %s", async (path) => {
    pathsOf(await get(path), 404, "not_found");
  });

  test.each([
    ["DELETE", "/runs", "GET"],
    ["PUT", "/activity-definitions/", "GET, POST"],
    ["POST", `/activity-definitions/${crypto.randomUUID()}`, "GET, PUT, PATCH, DELETE"],
    ["GET", `/activity-definitions/${crypto.randomUUID()}/trigger`, "POST"],
    ["POST", `/runs/${crypto.randomUUID()}`, "GET"],
    ["PATCH", "/healthz", "GET"],
  ])("the method of %s %s", async (method, path, allow) => {
    const answer = await ask(method, path);
    pathsOf(answer, 405, "method_not_allowed");
    expect(answer.headers.get("allow")).toBe(allow);
  });

  test.each(["activity-definitions", "runs", "tasks", "events"])("what is not there among %s", async (list) => {
    pathsOf(await get(`/${list}/${crypto.randomUUID()}`), 404, "not_found");
  });

  test("a name that is taken", async () => {
    await post("/activity-definitions", definitionOf("taken"));
    pathsOf(await post("/activity-definitions", definitionOf("taken")), 409, "name_taken");
  });
});

describe("definitions", () => {
  test("are created, read and listed, with a trailing slash or without", async () => {
    const created = await post("/activity-definitions/", definitionOf("created"));
    expect(created).toMatchObject({
      status: 201,
      body: { name: "created", version: 1, source: "rest", enabled: true },
    });
    const location = created.headers.get("location") as string;
    for (const path of [location, `${location}/`, location.replace(/[^/]+$/, (id) => id.toUpperCase())])
      expect((await get(path)).body).toEqual(created.body);
    for (const path of ["/activity-definitions", "/activity-definitions/"])
      expect((await get(path)).body).toContainEqual(created.body);
  });

  test("are accepted without a content type, which is read as JSON", async () => {
    const body = new TextEncoder().encode(JSON.stringify(definitionOf("untyped")));
    expect(await ask("POST", "/activity-definitions", { body })).toMatchObject({ status: 201 });
  });
});

test("lists go on where their Link says, until there is no more", async () => {
  const { definition, run_id } = await claimedRun(database);
  const ids = [run_id];
  for (let n = 0; n < 4; n++) ids.unshift((await claim(database, definition.id)).run_id);
  expect(await api.listAll(`/runs/?limit=2&activity_id=${definition.id}`, "run_id")).toEqual(ids);
});

describe("an event", () => {
  test("is published and answered with where its outcome will be", async () => {
    const event = envelopeOf("a/b c");
    const answer = await post("/events", event);
    expect(answer).toMatchObject({ status: 202, body: { event_id: "a/b c" } });
    expect(answer.headers.get("location")).toBe("/events/a%2Fb%20c");
    expect(api.published).toEqual([event]);
  });

  test("is found under an id of any characters", async () => {
    const { definition } = await claimedRun(database);
    await claim(database, definition.id, envelopeOf("ü/?#%"));
    expect(await get(`/events/${encodeURIComponent("ü/?#%")}`)).toMatchObject({
      status: 200,
      body: { event_id: "ü/?#%" },
    });
  });

  test("waits with its sender while NATS is away", async () => {
    api.away.nats = true;
    pathsOf(await post("/events", envelopeOf("e")), 503, "nats_unavailable");
  });
});

test("/readyz is 503 and names what is missing, until everything is there", async () => {
  api.readiness.engineUp("postgres");
  api.readiness.role("api", "running");
  const missing = await get("/readyz");
  expect(missing).toMatchObject({ status: 503, body: { engines: { nats: { state: "down" } } } });
  expect(missing.body.roles.api.waiting_for).toEqual(["nats"]);
  api.readiness.engineUp("nats");
  const started_at = expect.stringMatching(/^\d{4}-.*Z$/);
  expect(await get("/readyz")).toMatchObject({
    status: 200,
    body: { status: "ready", process: { pid: process.pid, started_at } },
  });
});

test("the OpenAPI document has every route, with its summary", async () => {
  const { body } = await get("/openapi.json");
  const described = Object.entries(body.paths as Record<string, Record<string, { summary: string }>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, { summary }]) => [method.toUpperCase(), path, summary]),
  );
  const routes = createRoutes(TASK_TYPES).map(({ method, path, summary }) => [
    method,
    path.replace(/:(\w+)/g, "{$1}"),
    summary,
  ]);
  expect(described.sort()).toEqual(routes.sort());
});
