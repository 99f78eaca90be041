/** Recorded events that somebody has run again over REST, from the request to the claim of their workflows. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import { matchEvent } from "../../src/dispatch/match-event.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import { indexSubscriptions } from "../../src/event/match.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createHistoryReader } from "../../src/postgres/rehearsal/history-reader.ts";
import { createReplayLedger } from "../../src/postgres/replay/replay-ledger.ts";
import { createActivityReplays, type ReplayLimits } from "../../src/replay/activity-replay.ts";
import { createTestApi, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { bodyOf, claim, envelopeOf, logTask, replace, storeDefinition } from "../support/ledger.ts";

let database: TestDatabase;
let api: TestApi;
/** A type of its own for each test. */
let type: string;
let began: string;

beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
}, ENGINES_TIMEOUT_MS);
beforeEach(() => {
  type = `t-${crypto.randomUUID()}`;
  began = new Date().toISOString();
  api.away.temporal = false;
  api.started.length = 0;
});
afterAll(() => database?.close());

/** An activity that waits for the test's type. */
const define = (rest: object = {}, trigger: object = {}) =>
  storeDefinition(database, { trigger_config: { trigger_type: "event", event_type: type, ...trigger }, ...rest });

/** Records events of the test's type as the router does, and answers their ids. */
async function publish(...payloads: object[]): Promise<string[]> {
  return publishAs(payloads.map((payload) => [crypto.randomUUID(), payload]));
}

async function publishAs(named: readonly (readonly [id: string, payload: object])[]): Promise<string[]> {
  const ledger = createEventLedger(database.db);
  const index = indexSubscriptions(await ledger.listSubscriptions());
  const envelopes = named.map(([id, payload]): EventEnvelope => envelopeOf(id, { type, payload }));
  for (const envelope of envelopes) {
    await ledger.record([matchEvent(index, envelope)]);
    await ledger.markDispatched([envelope.event_id]);
  }
  return envelopes.map(({ event_id }) => event_id);
}

const replayEvent = (event_id: string, body: object = {}) => api.post(`/events/${event_id}/replay`, body);
const replayActivity = ({ id }: Definition, body: object = {}) =>
  api.post(`/activity-definitions/${id}/replay`, { from: began, to: new Date().toISOString(), ...body });
const readRun = async (run_id: string) => (await api.get(`/runs/${run_id}`)).body;
const runOf = async (event_id: string, { id }: Definition): Promise<string> =>
  (await api.get(`/events/${event_id}`)).body.activities.find(
    ({ activity_id }: { activity_id: string }) => activity_id === id,
  ).run_id;
const auditOf = async (subject: string) => (await api.get(`/audit?subject=${encodeURIComponent(subject)}`)).body;
const occurrencesOf = ({ id }: Definition) =>
  database.sql`select key from actcore.occurrences where activity_id = ${id} and kind = 'replay' order by run_id`;

describe("an event that is run again", () => {
  test("makes each time a run of its own that names the old one, of the version that counts now", async () => {
    const definition = await define();
    const [id = ""] = await publish({ n: 1 });
    await replace(database, definition.id, {
      ...bodyOf(definition.name, { task_templates: [logTask("new")] }),
      trigger_config: definition.trigger_config as never,
    });
    const [first, second] = [await replayEvent(id), await replayEvent(id)];
    const workflow = `activity-${definition.id}:${id}`;
    const rerun_of = await runOf(id, definition);
    for (const [answer, number] of [
      [first, 1],
      [second, 2],
    ] as const)
      expect(answer).toMatchObject({
        status: 202,
        body: {
          event_id: id,
          activities: [
            { activity_name: definition.name, outcome: "run", workflow_id: `${workflow}:replay-${number}`, rerun_of },
          ],
        },
      });
    const { run_id } = first.body.activities[0];
    expect(await readRun(run_id)).toMatchObject({
      ...{ trigger: "replay", status: "running", event_id: id, rerun_of, version_used: 2 },
    });
    expect(api.started).toMatchObject([{ trigger_event: { run_id } }, {}]);
    const { replays } = (await api.get(`/events/${id}`)).body;
    expect(replays).toMatchObject([{}, { run_id, activity_name: definition.name, status: "running" }]);
    expect(await auditOf(`event:${id}`)).toMatchObject([
      { action: "replay", actor: "anonymous", after: { only_missing: false, runs: 1 } },
      {},
    ]);
  });

  test("is claimed once by the replay's workflow, and its start latency counts from the replay and not from the old event", async () => {
    const definition = await define();
    const [id = ""] = await publish({});
    await database.sql`update actcore.events set received_at = now() - interval '9 days' where event_id = ${id}`;
    const { run_id } = (await replayEvent(id)).body.activities[0];
    const claimed = await claim(database, definition.id, { run_id }, { workflow: "a" });
    expect(claimed).toMatchObject({ outcome: "claimed", kind: "replay", run_id });
    expect((claimed as { start_latency_ms: number }).start_latency_ms).toBeLessThan(60_000);
    expect(await claim(database, definition.id, { run_id }, { workflow: "b" })).toMatchObject({ outcome: "duplicate" });
  });

  test("many times at once makes as many runs, each with a number of its own", async () => {
    const definition = await define();
    const [id = ""] = await publish({});
    const answers = await Promise.all(Array.from({ length: 6 }, () => replayEvent(id)));
    const ids = answers.map(({ body }) => body.activities[0].workflow_id.replace(/.*:replay-/, ""));
    expect(ids.sort()).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(await occurrencesOf(definition)).toHaveLength(6);
  });

  test("is numbered rightly where its id, or another event's, ends as the number of a replay does", async () => {
    await define();
    const id = `e-${crypto.randomUUID()}`;
    const others = [":replay-2", ":replay-4", ":replay-2147483647", ":replay-99999999999"].map((end) => id + end);
    await publishAs([id, ...others].map((one) => [one, {}] as const));
    for (const one of [...others, ...others, id, id, id, id]) expect((await replayEvent(one)).status).toBe(202);
    const { replays } = (await api.get(`/events/${id}`)).body;
    expect(replays).toHaveLength(4);
    for (const one of others) expect((await api.get(`/events/${one}`)).body.replays).toHaveLength(2);
  }, 20_000);

  test("only where it is missing reaches those that never ran for it, once", async () => {
    const before = await define();
    const [id = ""] = await publish({ tier: "pro" });
    const later = await define();
    const filtered = await define({}, { filters: { tier: "free" } });
    const off = await define({ enabled: false });
    const answers = await Promise.all(Array.from({ length: 4 }, () => replayEvent(id, { only_missing: true })));
    const of = ({ id: activity_id }: Definition, index = 0) =>
      answers[index]?.body.activities.find((one: { activity_id: string }) => one.activity_id === activity_id);
    expect(of(before)).toMatchObject({ outcome: "ran_before", run_id: await runOf(id, before), workflow_id: null });
    expect(of(filtered)).toMatchObject({ outcome: "filtered", reason: expect.stringContaining("tier"), run_id: null });
    expect(of(off)).toMatchObject({ outcome: "skipped", reason: "disabled" });
    expect(answers.map((_, index) => of(later, index).outcome).sort()).toEqual([
      ...["ran_before", "ran_before", "ran_before", "run"],
    ]);
    expect(await occurrencesOf(later)).toEqual([{ key: id }] as never);
    expect(await occurrencesOf(before)).toHaveLength(0);
    const run_id = answers.flatMap((_, index) =>
      of(later, index).outcome === "run" ? of(later, index).run_id : [],
    )[0];
    expect(await readRun(run_id)).toMatchObject({ rerun_of: null, event_id: id });
  });

  test("reaches one activity where one is named, by its name too, and none that waits for other events", async () => {
    const [one, other] = [await define(), await define()];
    const stranger = await storeDefinition(database);
    const [id = ""] = await publish({});
    const { body } = await replayEvent(id, { activity_id: `name:${one.name}` });
    expect(body.activities).toMatchObject([{ activity_id: one.id, outcome: "run" }]);
    expect(await occurrencesOf(other)).toHaveLength(0);
    pathsOf(await replayEvent(id, { activity_id: stranger.id }), 409, "event_not_matched");
    pathsOf(await replayEvent(id, { activity_id: "name:nobody" }), 404, "definition_not_found");
    expect(pathsOf(await replayEvent(id, { all: true }), 400, "invalid_replay")).toEqual(["/all"]);
    for (const nobody of ["nothing", "%00"]) pathsOf(await replayEvent(nobody), 404, "not_found");
  });

  test("is not there as a dead letter", async () => {
    const letter = { event_id: crypto.randomUUID(), subject: "activity.x", raw: new Uint8Array() };
    await createEventLedger(database.db).recordDeadLetters([{ ...letter, reason: "not_json", detail: "" }]);
    const answer = await replayEvent(letter.event_id);
    pathsOf(answer, 404, "not_found");
    expect(answer.body.hint).toContain("/dead-letters/");
  });

  test("waits for the gates of its activity, and passes by its dedupe key and its window", async () => {
    const gated = await define({ flow: { max_concurrent_runs: 1 } });
    const once = await define({ dedupe_key_strategy: { key: "event.payload.order" } });
    const debounced = await define({ flow: { debounce: "1h" } });
    const [first, again = ""] = await publish({ order: 7 }, { order: 7 });
    const { body } = await replayEvent(again);
    const of = ({ id }: Definition) => body.activities.find((one: { activity_id: string }) => one.activity_id === id);
    expect(of(gated)).toMatchObject({ outcome: "queued", workflow_id: expect.any(String) });
    expect(await readRun(of(gated).run_id)).toMatchObject({ status: "queued", trigger: "replay" });
    expect([of(once).outcome, of(debounced).outcome]).toEqual(["run", "run"]);
    expect(api.started.map(({ activity_id }) => activity_id).sort()).toEqual([once.id, debounced.id].sort());
    // What went into a window and what was a duplicate is not missing.
    const missing = await replayEvent(first as string, { only_missing: true });
    expect(missing.body.activities.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      ...["ran_before", "ran_before", "ran_before"],
    ]);
  });
});

describe("an activity that is run for the events that it missed", () => {
  test("runs those of the range that match now and that it never ran for, oldest first, once", async () => {
    const ids = await publish({ n: 1 }, { n: 2 }, { n: 3 });
    const definition = await define({}, { when: "event.payload.n != 2" });
    const [seen = ""] = await publish({ n: 4 });
    const told = await replayActivity(definition, { dry_run: true });
    const missed = [ids[0], ids[2]].map((event_id) => ({ event_id, run_id: null }));
    expect(told).toMatchObject({
      status: 200,
      body: { dry_run: true, looked_at: 4, ran_before: 1, not_matched: 1, runs: missed, next: null },
    });
    expect([api.started, await occurrencesOf(definition)]).toEqual([[], []] as never);

    const answers = await Promise.all([replayActivity(definition), replayActivity(definition)]);
    const runs = answers.flatMap(({ body }) => body.runs);
    expect(runs.map(({ event_id }) => event_id).sort()).toEqual([ids[0], ids[2]].sort() as string[]);
    expect(answers.map(({ body }) => body.ran_before + body.runs.length)).toEqual([3, 3]);
    expect(api.started.map(({ trigger_event }) => trigger_event)).toEqual(runs.map(({ run_id }) => ({ run_id })));
    expect((await replayActivity(definition)).body).toMatchObject({ ran_before: 3, runs: [], next: null });
    expect(await runOf(seen, definition)).toEqual(expect.any(String));
    expect(await auditOf(`definition:${definition.id}`)).toContainEqual(
      expect.objectContaining({ action: "replay", after: expect.objectContaining({ runs: 2 }) }),
    );
  });

  test("goes on where a call has stopped, also in a dry run, whatever bounds it", async () => {
    const ids = await publish(...Array.from({ length: 5 }, (_, n) => ({ n })));
    const definition = await define({}, { event_type: `${type}` });
    const first = await replayActivity(definition, { limit: 2, dry_run: true });
    const second = await replayActivity(definition, { limit: 2, dry_run: true, after: first.body.next });
    const third = await replayActivity(definition, { after: second.body.next });
    expect(
      [first, second, third].flatMap(({ body }) => body.runs.map((run: { event_id: string }) => run.event_id)),
    ).toEqual(ids);
    expect(third.body).toMatchObject({ looked_at: 1, next: null });

    const replay = bounded({ events: 3 });
    const range = { activity_id: definition.id, from: new Date(began), to: new Date(), dryRun: true, limit: 1000 };
    const part = await replay({ ...range, actor: "test" });
    expect(part).toMatchObject({ looked_at: 3, runs: [{}, {}, {}] });
    expect(await replay({ ...range, after: part.next as string, actor: "test" })).toMatchObject({
      ...{ looked_at: 2, ran_before: 1, next: null },
    });
  });

  test("finds the events of a pattern's types, within the range only", async () => {
    const prefix = type;
    type = `${prefix}.a`;
    const [a] = await publish({});
    type = `${prefix}.b.c`;
    const [b] = await publish({});
    await Bun.sleep(5);
    const end = new Date().toISOString();
    await Bun.sleep(5);
    const [late] = await publish({});
    type = `${prefix}.**`;
    const definition = await define();
    const missed = async (body: object) =>
      (await replayActivity(definition, { dry_run: true, ...body })).body.runs.map(
        (run: { event_id: string }) => run.event_id,
      );
    expect(await missed({ to: end })).toEqual([a, b]);
    expect(await missed({ from: end })).toEqual([late]);
  });

  test("owes its runs while Temporal is away (I2, I8)", async () => {
    const [event_id] = await publish({});
    const definition = await define();
    api.away.temporal = true;
    const { body } = await replayActivity(definition);
    const [{ run_id }] = body.runs;
    expect(body.runs).toMatchObject([{ event_id }]);
    const owed = await createUnfinishedLedger(database).listUnclaimed(new Date(Date.now() + 1_000), 1_000);
    expect(owed).toContainEqual(expect.objectContaining({ run_id, trigger_event: { run_id } }));
  });

  test("is refused where it waits for no events, and where the range is none", async () => {
    const scheduled = await storeDefinition(database, {
      trigger_config: { trigger_type: "interval", every: "1h" },
    });
    pathsOf(await replayActivity(scheduled), 409, "no_event_trigger");
    const definition = await define();
    const future = new Date(Date.now() + 60_000).toISOString();
    expect(pathsOf(await replayActivity(definition, { to: future, limit: 1 }), 400, "invalid_replay")).toEqual(["/to"]);
    expect(pathsOf(await replayActivity(definition, { from: future }), 400, "invalid_replay")).toEqual(["/from"]);
    expect(pathsOf(await replayActivity(definition, { limit: 1001 }), 400, "invalid_replay")).toEqual(["/limit"]);
    pathsOf(await replayActivity({ ...definition, id: crypto.randomUUID() }), 404, "definition_not_found");
  });
});

/** Replays of activities that look at so much of the past in one call. */
function bounded(limits: Partial<ReplayLimits>) {
  return createActivityReplays({
    ledger: createReplayLedger(database.db),
    history: createHistoryReader(database.db),
    definitions: api.services.definitions,
    startRuns: async () => true,
    limits,
  });
}
