/** Dry runs over REST: on a real ledger, and with sources that are really asked. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { issueKey } from "../../src/access/key-request.ts";
import type { Scope } from "../../src/access/scope.ts";
import { createDial } from "../../src/outbound/dial.ts";
import { createKeyStore } from "../../src/postgres/access/key-store.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { createTestApi, definitionPath, pathsOf, type TestApi } from "../support/api.ts";
import { readerDeps } from "../support/context.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { startReceiver } from "../support/http-receiver.ts";
import { claim, envelopeOf, matchedEvent, recordEvent } from "../support/ledger.ts";
import { NO_ENGINES } from "../support/own-engines.ts";

const TOKEN = "canary-of-the-dry-run";
const secrets = createSecrets({ values: { CRM_TOKEN: TOKEN } });
const receiver = startReceiver(200);
let database: TestDatabase;
let api: TestApi;
beforeAll(async () => {
  database = await createTestDatabase();
  const dial = createDial({ engines: NO_ENGINES, allowed: [], proxies: { exempt: [] } });
  api = createTestApi(database, [], TASK_TYPES, readerDeps({ secrets, dial }));
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  receiver.stop();
  await database?.close();
});

const type = `user.created.${crypto.randomUUID()}`;
/** Asks a receiver for its context, and would send two mails with a secret. */
const onboarding = () => ({
  name: `onboarding-${crypto.randomUUID()}`,
  trigger_config: { trigger_type: "event", event_type: type, filters: { tier: ["pro", "team"] } },
  context_sources: [
    {
      ...{ name: "account", type: "http", url: `${receiver.url}accounts/{{ event.payload.id }}` },
      headers: { authorization: "Bearer {{ secret.CRM_TOKEN }}" },
    },
  ],
  when: "context.account.answered == 200",
  task_templates: [
    {
      ...{ key: "mail", type: "http", for_each: "event.payload.to", when: "item != ''" },
      params: {
        url: `${receiver.url}send`,
        headers: { authorization: "Bearer {{ secret.MAIL_TOKEN }}" },
        body: { to: "{{ item }}" },
      },
    },
    { key: "report", type: "log", depends_on: ["mail"], params: { message: "sent {{ string(size(tasks.mail)) }}" } },
  ],
});
const PAYLOAD = { id: 7, tier: "pro", to: ["a@b", "", "c@d"] };

async function countRows(): Promise<Record<string, number>> {
  const tables =
    await database.sql`select table_name as name from information_schema.tables where table_schema = 'actcore'`;
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await database.sql`select count(*)::integer as rows from ${database.sql(`actcore.${name}`)}`;
    counts[name] = row?.rows;
  }
  return counts;
}

const dryRun = (body: object) => api.post("/activity-definitions/dry-run", body);

describe("a definition that is not stored", () => {
  test("is rehearsed with its context really asked; nothing is done, and nothing is stored", async () => {
    const before = await countRows();
    const { status, body } = await dryRun({ definition: onboarding(), event: { payload: PAYLOAD } });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ...{ activity_id: null, version: null, missing_secrets: ["MAIL_TOKEN"] },
      occurrences: [
        {
          ...{ event_id: "dry-run", event_type: type, outcome: "run", reason: null, run_id: null },
          context: [{ name: "account", type: "http", status: "ok", duration_ms: expect.any(Number), attempts: 1 }],
          context_snapshot: { account: { answered: 200 } },
          when: { holds: true, expression: "context.account.answered == 200" },
          templates: [
            { key: "mail", outcome: "made", count: 2, left_out: 1 },
            { key: "report", outcome: "waiting", reason: "reads the results of mail" },
          ],
          tasks: [
            {
              key: "mail",
              instance: 0,
              released: true,
              params: { headers: { authorization: "Bearer {{ secret.MAIL_TOKEN }}" } },
            },
            { key: "mail", instance: 2, params: { body: { to: "c@d" } } },
          ],
          tasks_not_shown: 0,
        },
      ],
    });
    expect(await countRows()).toEqual(before);
    expect(api.started).toEqual([]);
    expect(api.published).toEqual([]);
    // The context, and no mail. Its secret went out, and stands nowhere in the answer.
    expect(receiver.received.map(({ path }) => path)).toEqual(["/accounts/7"]);
    expect(receiver.received[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(JSON.stringify(body)).not.toContain(TOKEN);
  });

  test("is decided by results that are told", async () => {
    const given_tasks = { mail: { status: "succeeded", result: { status: 200 } } };
    const given_context = { account: { answered: 200 } };
    const { body } = await dryRun({
      definition: onboarding(),
      event: { payload: PAYLOAD },
      given_context,
      given_tasks,
    });
    expect(body.occurrences[0]).toMatchObject({
      context: [],
      templates: [{ key: "mail" }, { key: "report", outcome: "made" }],
      tasks: [
        {},
        {},
        {
          key: "report",
          params: { message: "sent 2" },
          depends_on: ["mail"],
          run_when: "all_succeeded",
          released: true,
        },
      ],
    });
  });

  test("whose source fails would fail, with the source's name, and 200 all the same", async () => {
    const definition = onboarding();
    const context_sources = [{ name: "account", type: "http", url: "http://127.0.0.1:1/", retry: 0 }];
    const { status, body } = await dryRun({
      definition: { ...definition, context_sources },
      event: { payload: PAYLOAD },
    });
    expect(status).toBe(200);
    expect(body.occurrences[0]).toMatchObject({
      ...{ outcome: "fail", reason: "context_failed", detail: expect.stringContaining("context source account: ") },
      context: [{ name: "account", status: "failed", error: expect.any(String) }],
    });
  });

  test("that is disabled says so, and what it would do", async () => {
    const { body } = await dryRun({ definition: { ...onboarding(), enabled: false }, event: { payload: PAYLOAD } });
    expect(body.occurrences[0]).toMatchObject({
      ...{
        outcome: "skip",
        reason: "disabled",
        detail: "the definition is disabled; if it were enabled, it would run",
      },
      tasks: [{ key: "mail" }, { key: "mail" }],
    });
  });

  test("that is a shadow says that nothing would be done", async () => {
    const { body } = await dryRun({ definition: { ...onboarding(), shadow: true }, event: { payload: PAYLOAD } });
    expect(body.occurrences[0]).toMatchObject({
      ...{ outcome: "run", reason: "shadow", tasks: [{ key: "mail" }, { key: "mail" }] },
      detail: "the definition is a shadow: its tasks would be recorded, and none would be done",
    });
  });

  test("with a fault is refused by its place in the body, and so is what it is asked about", async () => {
    const fault = await dryRun({ definition: { ...onboarding(), when: "context.acount.active" }, event: {} });
    expect(pathsOf(fault, 400, "invalid_definition")).toEqual(["/definition/when"]);
    const definition = onboarding();
    const ask = async (about: object) => pathsOf(await dryRun({ definition, ...about }), 400, "invalid_dry_run");
    expect(await ask({})).toEqual(["/"]);
    expect(await ask({ event: {}, due: "2026-01-31T09:30:00Z" })).toEqual(["/"]);
    expect(await ask({ event: { event_id: "" } })).toEqual(["/event/event_id"]);
    expect(
      await ask({ event: {}, given_context: { acount: 1 }, given_tasks: { post: { status: "succeeded" } } }),
    ).toEqual(["/given_context", "/given_tasks"]);
    expect(await ask({ event: {}, context: "recorded" })).toEqual(["/context"]);
    const broad = { ...definition, trigger_config: { trigger_type: "event", event_type: "user.*" } };
    expect((await dryRun({ definition: broad, event: {} })).body.errors).toEqual([
      { path: "/event/type", message: "is required: the definition waits for user.*, so say which type it has" },
    ]);
    expect(await ask({ last_events: 101 })).toEqual(["/last_events"]);
  });

  test("shows fifty tasks of a template, and counts the others", async () => {
    const to = Array.from({ length: 120 }, (_, index) => `m${index}`);
    const { body } = await dryRun({
      ...{ definition: onboarding(), event: { payload: { ...PAYLOAD, to } } },
      given_context: { account: { answered: 200 } },
    });
    const [{ tasks, tasks_not_shown, templates }] = body.occurrences;
    expect([tasks.length, tasks_not_shown, templates[0].count]).toEqual([50, 70, 120]);
  });
});

describe("a stored definition", () => {
  const create = async (rest: object = {}) =>
    (await api.post("/activity-definitions", { ...onboarding(), ...rest })).body;
  const dryRunOf = async (id: string, about: object) => (await api.post(`${definitionPath(id)}/dry-run`, about)).body;

  test("is asked about a past run: its event, its recorded context, and how its tasks ended", async () => {
    const { id, name } = await create({ when: "context.account.active" });
    const run_id = await recordEvent(database, { id, name }, `e-${id}`);
    await claim(database, id, { event_id: `e-${id}` });
    const sources = [{ name: "account", type: "http", status: "ok" as const, duration_ms: 3, attempts: 1, bytes: 15 }];
    await createRunLedger(database.db).recordContext(run_id, { values: { account: { active: false } }, sources });
    const asked = receiver.received.length;
    await database.sql`update actcore.events set type = ${type}, payload = ${JSON.stringify(PAYLOAD)}::json where event_id = ${`e-${id}`}`;
    const before = await countRows();

    expect(await dryRunOf(id, { run_id })).toMatchObject({
      ...{ activity_id: id, version: 1 },
      occurrences: [
        {
          ...{ run_id, event_id: `e-${id}`, outcome: "skip", reason: "condition" },
          ...{ context: [{ name: "account", duration_ms: 3 }], context_snapshot: { account: { active: false } } },
        },
      ],
    });
    expect(receiver.received).toHaveLength(asked);
    const fetched = await dryRunOf(id, { run_id, context: "fetch" });
    expect(fetched.occurrences[0]).toMatchObject({ context_snapshot: { account: { answered: 200 } } });
    expect(receiver.received).toHaveLength(asked + 1);

    const other = await create();
    pathsOf(await api.post(`${definitionPath(other.id)}/dry-run`, { run_id }), 400, "invalid_dry_run");
    pathsOf(await api.post(`${definitionPath(id)}/dry-run`, { run_id: crypto.randomUUID() }), 404, "not_found");
    // One that is not stored may be asked about any run: what would this change have made of it?
    const changed = { ...onboarding(), when: "!context.account.active" };
    expect((await dryRun({ definition: changed, run_id })).body.occurrences[0]).toMatchObject({ outcome: "run" });
    expect({ ...(await countRows()), definitions: 0, definition_versions: 0, audit_log: 0 }).toEqual({
      ...before,
      ...{ definitions: 0, definition_versions: 0, audit_log: 0 },
    });
  });

  test("is asked about the last events that its types reach, the newest first", async () => {
    const kind = crypto.randomUUID();
    const { id, name } = await create({
      ...{ context_sources: [], when: "event.payload.n > 2" },
      trigger_config: { trigger_type: "event", event_type: `${kind}.*` },
    });
    const ledger = createEventLedger(database.db);
    for (let n = 1; n <= 5; n++) {
      const envelope = envelopeOf(`${kind}-${n}`, { type: `${kind}.${n % 2}`, payload: { ...PAYLOAD, n } });
      await ledger.record([matchedEvent(envelope, { activity_id: id, activity_name: name, outcome: "run" })]);
    }
    const { occurrences } = await dryRunOf(id, { last_events: 4 });
    expect(occurrences.map(({ event_id, outcome }: Record<string, string>) => [event_id, outcome])).toEqual([
      [`${kind}-5`, "run"],
      [`${kind}-4`, "run"],
      [`${kind}-3`, "run"],
      [`${kind}-2`, "skip"],
    ]);
    expect(occurrences[3].detail).toContain("payload.n is 2");
  });

  test("is asked about a due time", async () => {
    const trigger_config = { trigger_type: "cron", cron_expression: "0 9 * * *", timezone: "Europe/Berlin" };
    const task_templates = [{ key: "note", type: "log", params: { message: "{{ trigger.scheduled_for }}" } }];
    const { id } = await create({ trigger_config, context_sources: [], when: "event == null", task_templates });
    expect((await dryRunOf(id, { due: "2026-01-31T09:00:00+01:00" })).occurrences).toMatchObject([
      {
        ...{ scheduled_for: "2026-01-31T08:00:00.000Z", event_id: null, outcome: "run" },
        tasks: [{ params: { message: "2026-01-31T08:00:00Z" } }],
      },
    ]);
    expect((await dryRunOf(id, { due: "2026-01-31T09:00:00Z" })).occurrences).toMatchObject([
      { outcome: "skip", reason: "not_due" },
    ]);
    pathsOf(await api.post(`${definitionPath(id)}/dry-run`, { last_events: 1 }), 400, "invalid_dry_run");
  });
});

// Last: from the first key on, every request needs one.
test("a key needs to read what a dry run tells, besides what the route asks for", async () => {
  const { body: stored } = await api.post("/activity-definitions", {
    ...onboarding(),
    context_sources: [],
    when: "true",
  });
  const ask = async (path: string, body: object, ...scopes: Scope[]) => {
    const request = { name: crypto.randomUUID(), scopes, expires_at: null };
    const { key } = await issueKey(createKeyStore(database.db), request, { actor: "test" });
    const { status, body: answer } = await api.post(path, body, { "x-api-key": key });
    return status === 200 ? status : answer.detail;
  };
  const ofStored = `${definitionPath(stored.id)}/dry-run`;
  expect(await ask(ofStored, { event: {} }, "trigger", "runs:read")).toContain("definitions:read");
  expect(await ask(ofStored, { event: {} }, "trigger", "definitions:read")).toContain("runs:read");
  expect(await ask(ofStored, { event: {} }, "trigger", "definitions:read", "runs:read")).toBe(200);
  const definition = onboarding();
  expect(await ask("/activity-definitions/dry-run", { definition, last_events: 1 }, "definitions:write")).toContain(
    "runs:read",
  );
  const given = { definition, event: {}, given_context: { account: null } };
  expect(await ask("/activity-definitions/dry-run", given, "definitions:write")).toBe(200);
});
