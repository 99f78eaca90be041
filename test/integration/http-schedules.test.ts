/** When definitions are due next, over REST: stored ones, and one that is only tried out. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createTestApi, pathsOf } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";

let database: TestDatabase;
let api: ReturnType<typeof createTestApi>;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const nameOfTest = () => `d-${crypto.randomUUID()}`;
const cron = (cron_expression: string, rest: object = {}) => ({ trigger_type: "cron", cron_expression, ...rest });
const once = (run_at: string) => ({ trigger_type: "scheduled", run_at });
const create = (trigger_config: object, rest: object = {}) =>
  api.send("POST", "/activity-definitions", { name: nameOfTest(), trigger_config, ...rest });
const preview = (trigger_config: object, query = "") =>
  api.send("POST", `/activity-definitions/preview${query}`, { name: nameOfTest(), trigger_config });
const secondsUntil = (text: string) => (Date.parse(text) - Date.now()) / 1000;

describe("the next due times of a definition", () => {
  test("are ten, as instants and as the clocks of its zone show them", async () => {
    const { body: made } = await create(cron("0 12 * * *", { timezone: "Asia/Kathmandu" }));
    const { status, body } = await api.get(`/activity-definitions/${made.id}/next`);
    expect([status, body.length]).toEqual([200, 10]);
    for (const { scheduled_for, local } of body) {
      expect(scheduled_for).toEndWith("T06:15:00.000Z");
      expect(local).toEndWith("T12:00:00+05:45");
      expect(Date.parse(local)).toBe(Date.parse(scheduled_for));
    }
    expect(secondsUntil(body[0].scheduled_for)).toBeLessThanOrEqual(86_400);
  });

  test("are told of a disabled one too, and as many as are asked for", async () => {
    const { body: made } = await create({ trigger_type: "interval", every: "1h", offset: "5m" }, { enabled: false });
    const { body } = await api.get(`/activity-definitions/${made.id}/next/?count=3`);
    expect(body.map(({ local }: { local: string }) => local.slice(14))).toEqual(Array(3).fill("05:00+00:00"));
  });

  test("are refused for one that waits for events, for one that is not there, and for a wrong count", async () => {
    const { body: made } = await create({ trigger_type: "event", event_type: "x" });
    const path = `/activity-definitions/${made.id}/next`;
    const refused = await api.get(path);
    pathsOf(refused, 422, "no_due_times");
    expect(refused.body.detail).toContain("waits for events of the type x");
    pathsOf(await api.get(`/activity-definitions/${crypto.randomUUID()}/next`), 404, "not_found");
    expect(pathsOf(await api.get("/activity-definitions/x/next"), 400, "invalid_path")).toEqual(["{id}"]);
    for (const count of ["0", "1001", "-1", "many", ""])
      expect(pathsOf(await api.get(`${path}?count=${count}`), 400, "invalid_query")).toEqual(["?count"]);
  });
});

describe("a preview", () => {
  test("answers the due times of a definition and stores nothing", async () => {
    const before = (await api.get("/activity-definitions?limit=500")).body.length;
    const { status, body } = await preview(cron("*/5 * * * *", { timezone: "Europe/Berlin" }), "?count=1000");
    expect([status, body.length]).toEqual([200, 1000]);
    expect(secondsUntil(body[0].scheduled_for)).toBeLessThanOrEqual(300);
    expect((await api.get("/activity-definitions?limit=500")).body).toHaveLength(before);
  });

  test("of what is rare has as many as there are within a century", async () => {
    const { body } = await preview(cron("0 0 29 2 *"), "?count=1000");
    expect(body.length).toBeGreaterThan(20);
    expect(body.length).toBeLessThan(26);
  });

  test("is refused with the faults for which it would not be created", async () => {
    const trigger = cron("@every 5m", { timezone: "Mars/Base", jitter: -1 });
    expect(pathsOf(await preview(trigger), 400, "invalid_definition")).toEqual(["/trigger_config/jitter"]);
    const both = cron("@every 5m", { timezone: "Mars/Base" });
    const paths = ["/trigger_config/timezone", "/trigger_config/cron_expression"];
    expect(pathsOf(await preview(both), 400, "invalid_definition")).toEqual(paths);
    expect(pathsOf(await create(both), 400, "invalid_definition")).toEqual(paths);
    pathsOf(await preview({ trigger_type: "event", event_type: "x" }), 422, "no_due_times");
  });
});

describe("a one-shot", () => {
  const later = () => new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, "");

  test("is refused when its time is past, and accepted when it is to come", async () => {
    const path = ["/trigger_config/run_at"];
    expect(pathsOf(await create(once("2026-01-01T00:00:00Z")), 400, "invalid_definition")).toEqual(path);
    expect(pathsOf(await preview(once("2026-01-01T00:00:00Z")), 400, "invalid_definition")).toEqual(path);
    const run_at = later();
    const { body: made } = await create(once(run_at));
    const { body } = await api.get(`/activity-definitions/${made.id}/next`);
    expect(body).toEqual([{ scheduled_for: new Date(run_at).toISOString(), local: run_at.replace("Z", "+00:00") }]);
    const change = await api.send("PATCH", `/activity-definitions/${made.id}`, {
      trigger_config: once("2026-01-01T00:00:00Z"),
    });
    expect(pathsOf(change, 400, "invalid_definition")).toEqual(path);
  });

  test("is listed by its trigger", async () => {
    const { body: made } = await create(once(later()));
    const { body } = await api.get("/activity-definitions?trigger_type=scheduled&limit=500");
    expect(body.map(({ id }: { id: string }) => id)).toContain(made.id);
  });
});
