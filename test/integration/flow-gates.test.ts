/** Runs that wait for the gates of their activity, from each door to their end. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { FlowInput } from "../../src/definition/flow.ts";
import type { Definition } from "../../src/definition/schema.ts";
import type { LedgerReader } from "../../src/explain/ledger-reader.ts";
import type { AdmissionLedger } from "../../src/flow/gate-keeper.ts";
import type { AcceptanceLedger } from "../../src/occurrence/control.ts";
import { openPostgres, type Postgres } from "../../src/postgres/client.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createWaitingReader } from "../../src/postgres/explain/waiting-reader.ts";
import { createAdmissionLedger } from "../../src/postgres/flow/admission-ledger.ts";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { bodyOf, claim, envelopeOf, recordEvent, replace, storeDefinition } from "../support/ledger.ts";

let database: TestDatabase;
let accepted: AcceptanceLedger;
let admission: AdmissionLedger;
let reader: LedgerReader;
/** A pool of another process. */
let other: Postgres;
beforeAll(async () => {
  database = await createTestDatabase();
  other = openPostgres(database.url, "test-other");
  accepted = createAcceptanceLedger(database.db);
  admission = createAdmissionLedger(database);
  reader = createLedgerReader(database.db);
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await other?.close();
  await database?.close();
});

const CRON = { trigger_type: "cron", cron_expression: "0 0 1 1 *" };
const gated = (flow: FlowInput, rest: object = {}) => storeDefinition(database, { flow, ...rest });
const trigger = ({ id }: Definition, payload: unknown = {}) =>
  accepted.acceptManual({ activity_id: id, payload, actor: "test" });
const admit = ({ id }: Definition, flow_key = "") => admission.admit({ activity_id: id, flow_key });
const close = (run_id: string) => createRunLedger(database.db).close({ run_id, failures: [] });
const statusOf = async (run_id: string) => (await reader.findRun(run_id))?.status;
const far = () => new Date(Date.now() + 60_000);
const listOwed = async () => {
  const owed = await createUnfinishedLedger(database).listUnclaimed(far(), 500);
  return owed.map(({ run_id }) => run_id);
};

describe("max_concurrent_runs", () => {
  test("lets runs by hand begin in the order in which they came, one as another ends", async () => {
    const definition = await gated({ max_concurrent_runs: 1 });
    const runs = [await trigger(definition), await trigger(definition), await trigger(definition)];
    const [first, second, third] = runs.map(({ run_id }) => run_id) as [string, string, string];
    expect(runs.map(({ waits }) => waits)).toEqual([true, true, true]);
    expect(await listOwed()).not.toContain(first);
    expect(await admit(definition)).toMatchObject({
      begun: [{ run_id: first, trigger_event: { run_id: first } }],
      waitsFor: { kind: "max_concurrent_runs", holders: [first] },
    });
    expect(await listOwed()).toContain(first);
    expect((await admit(definition)).begun).toEqual([]);
    expect(await claim(database, definition.id, { run_id: first })).toMatchObject({ outcome: "claimed" });
    await close(first);
    expect((await admit(definition)).begun).toMatchObject([{ run_id: second }]);
    expect(await Promise.all([first, second, third].map(statusOf))).toEqual(["succeeded", "running", "queued"]);
  });

  test("skips what comes meanwhile, where the definition says so, and names the run that went", async () => {
    const definition = await gated({ max_concurrent_runs: { count: 1, on_excess: "skip" } });
    const [going, skipped] = [await trigger(definition), await trigger(definition)];
    expect(await admit(definition)).toMatchObject({ begun: [{}], skipped: [{ run_id: skipped.run_id }] });
    expect(await reader.findRun(skipped.run_id)).toMatchObject({
      ...{ status: "skipped", reason: "max_concurrent_runs" },
      detail: `max_concurrent_runs lets 1 run go at a time: ${going.run_id}`,
    });
    expect(await reader.findEvent(`manual:${skipped.run_id}`)).toMatchObject({ activities: [{ outcome: "skipped" }] });
    expect(await claim(database, definition.id, { run_id: skipped.run_id })).toMatchObject({ outcome: "duplicate" });
  });

  test("counts by its key, and a key that waits holds up no other", async () => {
    const definition = await gated({ max_concurrent_runs: { count: 1, key: "event.payload.customer" } });
    const runs = [];
    for (const customer of ["a", "a", "b"]) runs.push((await trigger(definition, { customer })).run_id);
    const lines = (await admission.listLines(500)).filter(({ activity_id }) => activity_id === definition.id);
    expect(lines.map(({ flow_key }) => flow_key)).toEqual(['"a"', '"b"']);
    for (const { flow_key } of lines) await admit(definition, flow_key);
    expect(await Promise.all(runs.map(statusOf))).toEqual(["running", "queued", "running"]);
  });

  test("counts runs that began before the definition said so, and lets all begin when it says so no more", async () => {
    const definition = await storeDefinition(database);
    const before = await claim(database, definition.id, { n: 1 });
    await replace(database, definition.id, bodyOf(definition.name, { flow: { max_concurrent_runs: 1 } }));
    const waiting = await trigger(definition);
    expect(await admit(definition)).toMatchObject({ begun: [], waitsFor: { holders: [before.run_id] } });
    await replace(database, definition.id, bodyOf(definition.name));
    expect((await admit(definition)).begun).toMatchObject([{ run_id: waiting.run_id }]);
  });
});

describe("rate_limit", () => {
  test("lets as many runs begin as the rate allows, and says when to look again; a cancelled run counts when it had begun", async () => {
    const definition = await gated({ rate_limit: { count: 2, per: "10m" } });
    const runs = [];
    for (let n = 0; n < 3; n++) runs.push((await trigger(definition)).run_id);
    const { begun, waitsFor } = await admit(definition);
    expect(begun).toHaveLength(2);
    const until = waitsFor?.kind === "rate_limit" ? waitsFor.until.getTime() - Date.now() : 0;
    expect(until).toBeGreaterThan(590_000);
    await createRunLedger(database.db).close({
      ...{ run_id: runs[0] as string, failures: [], interruption: { status: "cancelled" } },
    });
    expect((await admit(definition)).begun).toEqual([]);
    await database.sql`update actcore.runs set admitted_at = admitted_at - interval '11 minutes' where run_id = ${runs[0] as string}`;
    expect((await admit(definition)).begun).toMatchObject([{ run_id: runs[2] }]);
  });

  test("drops what comes too fast, where the definition says so", async () => {
    const definition = await gated({ rate_limit: { count: 1, per: "10m", on_excess: "drop" } });
    const [, second] = [await trigger(definition), await trigger(definition)];
    await admit(definition);
    expect(await reader.findRun(second.run_id)).toMatchObject({
      ...{ status: "skipped", reason: "rate_limit" },
      detail: "rate_limit lets 1 run begin in 10m, and so many have begun",
    });
  });
});

describe("a workflow that claims", () => {
  const DUE = "2026-01-01T00:00:00.000Z";
  const claimDue = ({ id }: Definition, workflow: string, day = DUE) =>
    claim(database, id, {}, { workflow, scheduled_for: day, now: new Date(day) });

  test("goes on where there is room, and else ends: its run waits under a workflow id of its own", async () => {
    const definition = await gated({ max_concurrent_runs: 1 }, { trigger_config: CRON });
    const first = await claimDue(definition, "w1");
    expect(first).toMatchObject({ outcome: "claimed" });
    expect(await claimDue(definition, "w1")).toMatchObject({ outcome: "claimed", run_id: first.run_id });
    const second = await claimDue(definition, "w2", "2027-01-01T00:00:00.000Z");
    expect(second).toMatchObject({ outcome: "queued" });
    const workflow_id = `activity-${definition.id}-run-${second.run_id}`;
    expect(await reader.findRun(second.run_id)).toMatchObject({ status: "queued", workflow_id });
    // The step is tried again.
    expect(await claimDue(definition, "w2", "2027-01-01T00:00:00.000Z")).toMatchObject({ ...second, activity: {} });
    await close(first.run_id);
    expect((await admit(definition)).begun).toMatchObject([{ run_id: second.run_id, workflow_id }]);
    expect(await claimDue(definition, "w2", "2027-01-01T00:00:00.000Z")).toMatchObject({ outcome: "duplicate" });
    const own = await claim(database, definition.id, { run_id: second.run_id }, { workflow: workflow_id });
    expect(own).toMatchObject({ outcome: "claimed", run_id: second.run_id });
  });

  test("comes after those that wait already", async () => {
    const definition = await gated({ max_concurrent_runs: 1 }, { trigger_config: CRON });
    const waiting = await trigger(definition);
    expect(await claimDue(definition, "w1")).toMatchObject({ outcome: "queued" });
    expect((await admit(definition)).begun).toMatchObject([{ run_id: waiting.run_id }]);
  });

  test("is skipped where the definition lets none wait, and its event says so", async () => {
    const definition = await gated({ max_concurrent_runs: { count: 1, on_excess: "skip" } });
    await claim(database, definition.id, envelopeOf(`e-${crypto.randomUUID()}`) as never);
    const event_id = `e-${crypto.randomUUID()}`;
    const second = await claim(database, definition.id, envelopeOf(event_id) as never);
    expect(second).toMatchObject({ outcome: "skipped", reason: "max_concurrent_runs" });
    expect(await reader.findEvent(event_id)).toMatchObject({ activities: [{ outcome: "skipped" }] });
  });

  test("of an event that was recorded before the definition had gates waits as any other", async () => {
    const definition = await storeDefinition(database);
    const ids = [`e-${crypto.randomUUID()}`, `e-${crypto.randomUUID()}`];
    for (const id of ids) await recordEvent(database, definition, id);
    await replace(database, definition.id, bodyOf(definition.name, { flow: { max_concurrent_runs: 1 } }));
    const workflowOf = (event_id: string | undefined) => `activity-${definition.id}:${event_id}`;
    const claims = [];
    for (const event_id of ids)
      claims.push(await claim(database, definition.id, { event_id }, { workflow: workflowOf(event_id) }));
    expect(claims.map(({ outcome }) => outcome)).toEqual(["claimed", "queued"]);
    await close(claims[0]?.run_id ?? "");
    const { begun } = await admit(definition);
    const workflow_id = `activity-${definition.id}-run-${claims[1]?.run_id}`;
    expect(begun).toMatchObject([{ workflow_id, trigger_event: { event_id: ids[1] } }]);
    expect(await claim(database, definition.id, { event_id: ids[1] }, { workflow: workflow_id })).toMatchObject({
      outcome: "claimed",
    });
  });
});

describe("a run that waits", () => {
  test("is cancelled at once, and its place in the line is gone", async () => {
    const definition = await gated({ max_concurrent_runs: 1 });
    const { run_id } = await trigger(definition);
    expect(await accepted.cancelQueued({ run_id, actor: "test" })).toBe(true);
    expect(await accepted.cancelQueued({ run_id, actor: "test" })).toBe(false);
    expect(await statusOf(run_id)).toBe("cancelled");
    expect((await admit(definition)).begun).toEqual([]);
  });

  test("is not among the runs whose workflow the finisher looks for", async () => {
    const definition = await gated({ max_concurrent_runs: 1 });
    const { run_id } = await trigger(definition);
    const open = await createUnfinishedLedger(database).listOpenRuns(far(), 500);
    expect(open.map((run) => run.run_id)).not.toContain(run_id);
    expect(await listOwed()).not.toContain(run_id);
  });

  test("notifies the process that lets runs begin, and so does the end of a run that was counted", async () => {
    const told: string[] = [];
    const stop = await createAdmissionLedger(other).onChange(({ activity_id }) => told.push(activity_id));
    const definition = await gated({ max_concurrent_runs: 1 });
    const { run_id } = await trigger(definition);
    await admit(definition);
    await close(run_id);
    const deadline = Date.now() + 5_000;
    while (told.length < 2 && Date.now() < deadline) await Bun.sleep(10);
    expect(told).toEqual([definition.id, definition.id]);
    await stop();
  });
});

test("what waits is listed with what it waits for, oldest first, and a run that may begin with nothing", async () => {
  const waiting = createWaitingReader(database.db);
  const list = ({ id }: Definition, page = {}) => waiting.listWaiting({ activity_id: id }, { limit: 10, ...page });
  const key = "event.payload.customer";
  const definition = await gated({ max_concurrent_runs: { count: 1, key } });
  const [first, second] = [await trigger(definition, { customer: "a" }), await trigger(definition, { customer: "a" })];
  expect(await list(definition)).toMatchObject([{ waits_for: null }, { waits_for: { kind: "max_concurrent_runs" } }]);
  await admit(definition, '"a"');
  const third = await trigger(definition, { customer: "b" });
  const listed = await list(definition);
  expect(listed).toMatchObject([
    {
      ...{ id: second.run_id, run_id: second.run_id, activity_name: definition.name, key: '"a"', events: null },
      waits_for: { kind: "max_concurrent_runs", holders: [first.run_id], until: null },
    },
    { id: third.run_id, waits_for: null },
  ]);
  expect(await list(definition, { after: second.run_id })).toEqual(listed.slice(1));

  const limited = await gated({ rate_limit: { count: 1, per: "10m" } });
  for (let n = 0; n < 2; n++) await trigger(limited);
  await admit(limited);
  const [row] = await list(limited);
  expect(row).toMatchObject({ key: null, waits_for: { kind: "rate_limit", holders: null } });
  expect(Date.parse(row?.waits_for?.until ?? "")).toBeGreaterThan(Date.now() + 500_000);
});

test("two processes that let 200 queued runs begin at once never let more go at a time than the limit", async () => {
  const definition = await gated({ max_concurrent_runs: 3 });
  const runs = await Promise.all(Array.from({ length: 200 }, () => trigger(definition)));
  const ledgers = [admission, createAdmissionLedger(other)];
  const line = { activity_id: definition.id, flow_key: "" };
  let most = 0;
  let ended = 0;
  async function keep(ledger: AdmissionLedger): Promise<void> {
    while (ended < runs.length) {
      const { begun } = await ledger.admit(line);
      const [row] =
        await other.sql`select count(*)::int as going from actcore.runs where activity_id = ${definition.id} and status = 'running'`;
      most = Math.max(most, Number(row?.going));
      for (const run of begun) {
        await close("run_id" in run ? String(run.run_id) : "");
        ended++;
      }
    }
  }
  await Promise.all([...ledgers, ...ledgers, ...ledgers].map(keep));
  expect([most <= 3, ended]).toEqual([true, 200]);
  const [row] =
    await database.sql`select count(*)::int as runs, count(*) filter (where status = 'succeeded')::int as succeeded
    from actcore.runs where activity_id = ${definition.id}`;
  expect({ ...row }).toEqual({ runs: 200, succeeded: 200 });
}, 30_000);

describe("a due time under the misfire policy `skip`", () => {
  const DUE = "2026-01-01T00:00:00.000Z";
  const claimDue = ({ id }: Definition) => claim(database, id, {}, { scheduled_for: DUE, now: new Date(DUE) });

  test("is skipped while a run that somebody began by hand goes, and names it", async () => {
    const definition = await storeDefinition(database, { trigger_config: CRON });
    const { run_id } = await trigger(definition);
    const due = await claimDue(definition);
    expect(due).toMatchObject({ outcome: "skipped", reason: "overlap" });
    expect(await reader.findRun(due.run_id)).toMatchObject({ detail: `run ${run_id} (manual) was going` });
  });

  test.each(["catchup", "compress"])("runs beside it under `%s`", async (misfire_policy) => {
    const definition = await storeDefinition(database, { trigger_config: { ...CRON, misfire_policy } });
    await trigger(definition);
    expect(await claimDue(definition)).toMatchObject({ outcome: "claimed" });
  });

  test("waits where the definition says how many runs go at a time", async () => {
    const definition = await gated({ max_concurrent_runs: 1 }, { trigger_config: CRON });
    await trigger(definition);
    await admit(definition);
    expect(await claimDue(definition)).toMatchObject({ outcome: "queued" });
  });
});
