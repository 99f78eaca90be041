/**
 * The definitions of docs/examples that decide, run by the compiled binary against receivers that answer, and read back: what
 * each run looked at, what it decided and why, and what it did.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { parse } from "yaml";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import type { RunView } from "../../src/explain/run-view.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns } from "../support/shared-server.ts";

const TOKEN = "mail-token-of-this-test";
const CONTACTS = [
  { name: "Ada", email: "ada@example.org" },
  { name: "Bob", email: "" },
  { name: "Cleo", email: "cleo@example.org" },
];

interface Request {
  path: string;
  headers: Record<string, string>;
  body: unknown;
}

let server: Server;
let shop: TestDatabase;
/** What came, in the order in which it came. */
let received: Request[] = [];
/** By path; 200 with an empty object where there is none. */
let answers: Record<string, () => { status?: number; json?: unknown }> = {};
const receiver = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const path = new URL(request.url).pathname;
    const text = await request.text();
    received.push({ path, headers: Object.fromEntries(request.headers), body: text === "" ? null : JSON.parse(text) });
    const { status = 200, json = {} } = answers[path]?.() ?? {};
    return Response.json(json, { status });
  },
});

beforeAll(async () => {
  shop = await createTestDatabase({ migrated: false });
  await shop.sql`create table orders (id int, customer text, category text, total numeric, ordered_on date)`;
  server = await startServer({ env: { ACTCORE_SQL_SHOP: shop.url, ACTCORE_SECRET_MAIL_TOKEN: TOKEN } });
  await server.ready();
}, ENGINES_TIMEOUT_MS + SERVER_TIMEOUT_MS);
beforeEach(() => {
  received = [];
  answers = {};
});
afterAll(async () => {
  receiver.stop(true);
  await server?.destroy();
  await shop?.close();
});

/** Stores the definition of an example, enabled, and with the receiver in place of its hosts. */
async function defineExample(file: string): Promise<{ id: string }> {
  const text = await Bun.file(join(REPOSITORY, "docs/examples", file)).text();
  const local = text.replace(/https:\/\/\w+\.local/g, `http://127.0.0.1:${receiver.port}`);
  return define(server, { ...parse(local), enabled: true });
}

/** The newest run of the activity, when it has `count` of them and all have ended. */
async function lastRun(activityId: string, count = 1): Promise<RunView> {
  const [run] = await finishedRuns(server, activityId, count, 30_000);
  return (await server.api<RunView>(`/runs/${run?.run_id}`)).body;
}

const outcomesOf = ({ templates }: RunView) =>
  Object.fromEntries(
    (templates ?? []).map(({ key, outcome, cause }) => [key, cause === null ? outcome : `${outcome}: ${cause}`]),
  );
const pathsOf = () => received.map(({ path }) => path);
const publish = (type: string, payload: unknown) => server.api("/events", { json: envelope(type, { payload }) });

describe("onboarding.yaml", () => {
  let id: string;
  beforeAll(async () => {
    ({ id } = await defineExample("onboarding.yaml"));
    await shop.sql`insert into orders values (1, 'c/1', 'tea', 12.5, '2026-01-30'), (2, 'c/1', 'tea', 7, '2026-01-30')`;
  });
  const customer = { id: "c/1", tier: "team", account: { country: "DE" }, seats: 4 };
  const account = (active: boolean) => () => ({ json: { account: { active, contacts: CONTACTS } } });

  test("writes to each contact with an address, then reports, and the run says why", async () => {
    answers["/accounts/c%2F1"] = account(true);
    await publish("customer.created", customer);
    const run = await lastRun(id);

    expect(pathsOf().slice(0, 1)).toEqual(["/accounts/c%2F1"]);
    const mails = received.filter(({ path }) => path === "/send");
    expect(mails.map(({ body }) => body)).toEqual(
      expect.arrayContaining([
        { to: "ada@example.org", subject: "Welcome, Ada", is_customer: true },
        { to: "cleo@example.org", subject: "Welcome, Cleo", is_customer: true },
      ]),
    );
    expect(mails.map(({ headers }) => headers.authorization)).toEqual(Array(2).fill(`Bearer ${TOKEN}`));
    expect(received.at(-1)).toMatchObject({ path: "/sent", body: { account: "c/1", sent: 2 } });

    expect(run).toMatchObject({
      status: "succeeded",
      trigger: "event",
      version_used: 1,
      tasks_spawned: 3,
      error: null,
    });
    expect(run.duration_ms).toBeGreaterThan(0);
    expect(run.context).toMatchObject([
      { name: "account", type: "http", status: "ok", attempts: 1 },
      { name: "orders", type: "sql", status: "ok", attempts: 1 },
    ]);
    expect(run.context_snapshot).toMatchObject({
      account: { active: true, contacts: CONTACTS },
      orders: [{ id: 1 }, { id: 2 }],
    });
    expect(run.templates).toMatchObject([
      { key: "mail", outcome: "made", count: 2, left_out: 1, tasks_by_status: { succeeded: 2 } },
      { key: "report", outcome: "made", count: 1, tasks_by_status: { succeeded: 1 } },
    ]);
    expect(run.templates?.[0]?.reason).toContain("item 1");
    expect(run.tasks).toMatchObject([
      { key: "mail", instance: 0, status: "succeeded", attempts: 1 },
      { key: "mail", instance: 2, status: "succeeded", attempts: 1 },
      { key: "report", instance: null, status: "succeeded", attempts: 1 },
    ]);
    expect(run.tasks.every(({ duration_ms }) => duration_ms !== null && duration_ms >= 0)).toBe(true);
    expect(JSON.stringify(run)).not.toContain(TOKEN);
  }, 60_000);

  test("leaves an account alone that is not active, and the run says so", async () => {
    answers["/accounts/c%2F1"] = account(false);
    await publish("customer.updated", customer);
    const run = await lastRun(id, 2);
    expect(run).toMatchObject({ status: "skipped", reason: "condition", tasks: [] });
    expect(run.detail).toContain("context.account.active");
    expect(pathsOf()).toEqual(["/accounts/c%2F1"]);
  }, 60_000);

  test("does not look at anybody for small teams, and the event says why", async () => {
    const event = envelope("customer.created", { payload: { ...customer, seats: 2 } });
    await server.api("/events", { json: event });
    // The router takes in order: what came later is settled later.
    answers["/accounts/c%2F1"] = account(false);
    await publish("customer.created", customer);
    await finishedRuns(server, id, 3);
    const { body } = await server.api(`/events/${event.event_id}`);
    expect(body.activities).toMatchObject([{ activity_id: id, outcome: "filtered" }]);
    expect(body.activities[0].reason).toContain("event.payload.seats > 3");
  }, 60_000);

  test("fails without a mail when the account is not to be had, and the run names the source", async () => {
    answers["/accounts/c%2F1"] = () => ({ status: 404 });
    await publish("customer.created", customer);
    const run = await lastRun(id, 4);
    expect(run).toMatchObject({ status: "failed", context_snapshot: null, tasks: [] });
    expect(run.error).toContain("account");
    expect(run.context).toMatchObject([
      { name: "account", status: "failed" },
      { name: "orders", status: "ok" },
    ]);
    expect(pathsOf()).toEqual(["/accounts/c%2F1"]);
  }, 60_000);
});

test("nightly-report.yaml sends what was sold yesterday, and skips a night without orders", async () => {
  const { id } = await defineExample("nightly-report.yaml");
  const trigger = () => server.api(`/activity-definitions/${id}/trigger`, { method: "POST" });
  await shop.sql`delete from orders`;
  await trigger();
  const skipped = await lastRun(id);
  expect(skipped).toMatchObject({ status: "skipped", reason: "condition", context_snapshot: { sales: [] } });
  expect(skipped.detail).toContain("size(context.sales) > 0");
  expect(received).toEqual([]);

  // As the definition counts days: Berlin's.
  const yesterday = new Date(Date.now() - 86_400_000).toLocaleDateString("sv-SE", { timeZone: "Europe/Berlin" });
  await shop.sql`insert into orders values
    (1, 'a', 'tea', 12.5, ${yesterday}), (2, 'b', 'tea', 7, ${yesterday}), (3, 'b', 'cups', 3, ${yesterday}), (4, 'c', 'tea', 9, '2020-01-01')`;
  await trigger();
  const run = await lastRun(id, 2);
  const sales = [
    { category: "cups", orders: 1, total: 3 },
    { category: "tea", orders: 2, total: 19.5 },
  ];
  expect(run).toMatchObject({
    status: "succeeded",
    context_snapshot: { sales },
    context: [{ name: "sales", status: "ok" }],
  });
  expect(received).toMatchObject([{ path: "/sales", headers: { "x-day": yesterday }, body: sales }]);
}, 60_000);

describe("import-chain.yaml", () => {
  let id: string;
  beforeAll(async () => {
    ({ id } = await defineExample("import-chain.yaml"));
  });
  beforeEach(() => {
    answers["/fetch"] = answers["/load"] = () => ({ json: { batch: "b-7" } });
  });

  test("hands on what each step answered, and skips the branch for failures", async () => {
    await publish("prices.uploaded", { file: "may.csv" });
    const run = await lastRun(id);
    expect(pathsOf()).toEqual(["/fetch", "/load", "/publish", "/post"]);
    expect(received[2]?.body).toEqual({ batch: "b-7" });
    expect(received[3]?.body).toEqual({ text: "prices may.csv: publish succeeded, restore skipped" });
    expect(run.status).toBe("succeeded");
    expect(outcomesOf(run)).toEqual({
      ...{ fetch: "made", load: "made", publish: "made", tell: "made" },
      restore: "skipped: dependency",
    });
  }, 60_000);

  test("brings the old data back when a step fails, tells it, and the run is failed", async () => {
    answers["/load"] = () => ({ status: 422 });
    await publish("prices.uploaded", { file: "june.csv" });
    const run = await lastRun(id, 2);
    expect(pathsOf()).toEqual(["/fetch", "/load", "/restore", "/post"]);
    expect(received[3]?.body).toEqual({ text: "prices june.csv: publish skipped, restore succeeded" });
    expect(run).toMatchObject({ status: "failed", reason: "task_failed" });
    expect(outcomesOf(run)).toEqual({
      ...{ fetch: "made", load: "made", restore: "made", tell: "made" },
      publish: "skipped: dependency",
    });
    expect(run.templates?.find(({ key }) => key === "publish")?.reason).toBe("load failed");
  }, 60_000);
});

test("a rerun of a chain of ten that broke at the seventh takes six over and does four, and the ledger says so", async () => {
  const keys = Array.from({ length: 10 }, (_, n) => `t${n + 1}`);
  const { id, type } = await define(server, {
    task_templates: keys.map((key, n) => ({
      ...{ key, type: "http", params: { url: `http://127.0.0.1:${receiver.port}/${key}` } },
      ...(n > 0 && { depends_on: [keys[n - 1]] }),
    })),
  });
  answers["/t7"] = () => ({ status: 404 });
  await publish(type, {});
  const broken = await lastRun(id);
  expect(broken).toMatchObject({ status: "failed", reason: "task_failed" });
  expect(pathsOf()).toEqual(keys.slice(0, 7).map((key) => `/${key}`));

  received = [];
  answers = {};
  const asked = await server.api(`/runs/${broken.run_id}/rerun`, { json: { from: "failed" } });
  expect(asked.status).toBe(202);
  const rerun = await lastRun(id, 2);
  expect(rerun).toMatchObject({
    status: "succeeded",
    rerun_of: broken.run_id,
    rerun_from: "failed",
    tasks_spawned: 10,
  });
  expect(pathsOf()).toEqual(keys.slice(6).map((key) => `/${key}`));
  const before = new Map(broken.tasks.map(({ key, task_id }) => [key, task_id]));
  const after = new Map(rerun.tasks.map((task) => [task.key, task]));
  for (const [n, key] of keys.entries())
    expect(after.get(key)).toMatchObject(
      n < 6
        ? { status: "succeeded", attempts: 0, taken_from: before.get(key) }
        : { status: "succeeded", attempts: 1, taken_from: null },
    );

  const again = await server.api(`/runs/${rerun.run_id}/rerun`, { json: { from: "failed" } });
  expect(again).toMatchObject({ status: 409, body: { code: "nothing_to_repeat" } });
}, 60_000);
