import { describe, expect, test } from "bun:test";
import type { DefinitionBody } from "../../src/definition/schema.ts";
import { createWhatIf, type WhatIfLimits } from "../../src/rehearsal/what-if.ts";
import { bodyOf, envelopeOf } from "../support/ledger.ts";
import { startProcessorTime, watchStalls } from "../support/processor-time.ts";
import { historyOf, ROUND, recordedRun, writeOf } from "../support/rehearsal.ts";

const TO = new Date("2026-01-31T12:00:00Z");
const FROM = new Date("2026-01-24T12:00:00Z");
const log = (message: string, rest: object = {}) => ({ key: "note", type: "log", params: { message }, ...rest });
const never = new AbortController().signal;

/** Events of the type `x`, the newest first, one a minute. */
const eventsOf = (...payloads: readonly unknown[]) =>
  payloads.map((payload, index) => ({
    envelope: envelopeOf(`e${index}`, { payload }),
    received_at: new Date(TO.getTime() - index * 60_000),
  }));
const SEATS = eventsOf({ seats: 1 }, { seats: 2 }, { seats: 3 }, { seats: 4 });

const definition = (rest: object = {}, trigger: object = {}): DefinitionBody =>
  bodyOf("x", {
    trigger_config: { trigger_type: "event", event_type: "x", ...trigger },
    task_templates: [log("hi")],
    ...rest,
  });

async function ask(
  before: DefinitionBody | undefined,
  after: DefinitionBody | undefined,
  {
    history = historyOf(SEATS, [], { a: before?.enabled ?? true }),
    ...limits
  }: { history?: ReturnType<typeof historyOf> } & Partial<WhatIfLimits> = {},
) {
  const whatIf = createWhatIf({ history, checkParams: ROUND.checkParams, limits });
  const { definitions, ...report } = await whatIf([writeOf("a", before, after)], { from: FROM, to: TO }, never);
  return { ...report, definitions, counts: definitions[0]?.counts, examples: definitions[0]?.examples ?? [] };
}

const NONE = { same: 0, now_runs: 0, no_longer_runs: 0, decides_otherwise: 0, unknown: 0 };

describe("events", () => {
  test("on which only one version runs are counted, with the values that decided", async () => {
    const { counts, examples, events_looked_at } = await ask(
      definition({}, { when: "event.payload.seats > 2" }),
      definition({}, { when: "event.payload.seats < 4" }),
    );
    expect([events_looked_at, counts]).toEqual([4, { ...NONE, same: 1, now_runs: 2, no_longer_runs: 1 }]);
    expect(examples[2]).toEqual({
      ...{ event_id: "e3", scheduled_for: null, run_id: null, outcome: "no_longer_runs", difference: null },
      before: "runs: note",
      after: "does not run: payload.seats is 4: event.payload.seats < 4 is false",
    });
  });

  test("on which both run are compared by their tasks", async () => {
    const byParity = definition({ task_templates: [log("{{ event.payload.seats > 2 ? 'hi' : 'ho' }}")] });
    const { counts, examples } = await ask(definition(), byParity);
    expect(counts).toEqual({ ...NONE, same: 2, decides_otherwise: 2 });
    expect(examples[0]).toMatchObject({ event_id: "e0", before: "runs: note", difference: "note has other params" });
  });

  test("tell which template makes other tasks, or none, or waits for others", async () => {
    const differenceOf = async (...task_templates: object[]) =>
      (await ask(definition(), definition({ task_templates }))).examples[0]?.difference;
    expect(await differenceOf()).toBe("note is gone");
    expect(await differenceOf(log("hi"), log("ho", { key: "more" }))).toBe("more is new");
    expect(await differenceOf(log("hi", { when: "event.payload.seats > 1" }))).toBe(
      "note → note is skipped (payload.seats is 1: event.payload.seats > 1 is false)",
    );
    expect(await differenceOf(log("hi", { for_each: "[1, 2]" }))).toBe("note → note (2 tasks)");
    const chained = (rest: object) =>
      definition({ task_templates: [log("a", { key: "a" }), log("b", { key: "b", ...rest })] });
    const [example] = (await ask(chained({}), chained({ depends_on: ["a"] }))).examples;
    expect(example?.difference).toBe("b waits for all_succeeded of a in place of nothing");
  });

  test("of every type that a pattern of either version takes are looked at, and none twice", async () => {
    const others = ["y", "x.y"].map((type) => ({ envelope: envelopeOf(type, { type }), received_at: TO }));
    const { counts, events_looked_at } = await ask(definition(), definition({}, { event_type: "*" }), {
      history: historyOf([...SEATS, ...others], [], { a: true }),
    });
    expect([events_looked_at, counts]).toEqual([5, { ...NONE, same: 4, now_runs: 1 }]);
  });

  test("of a definition that is new, retired or disabled are all on one side", async () => {
    expect((await ask(undefined, definition())).counts).toEqual({ ...NONE, now_runs: 4 });
    const gone = await ask(definition(), undefined);
    expect([gone.counts, gone.examples[0]?.after]).toEqual([{ ...NONE, no_longer_runs: 4 }, null]);
    const disabled = await ask(definition(), definition({ enabled: false }));
    expect([disabled.counts, disabled.examples[0]?.after]).toEqual([
      { ...NONE, no_longer_runs: 4 },
      "does not run: the definition is disabled",
    ]);
  });

  test("are not looked at where only a retry policy, a timeout or the place of the document differs", async () => {
    const task_templates = [log("hi", { timeout: "5s", retry: { max_attempts: 2 } })];
    expect(await ask(definition(), definition({ task_templates }))).toMatchObject({
      definitions: [],
      events_looked_at: 0,
    });
  });

  test("that would wait otherwise are told with how they wait", async () => {
    const { counts, examples } = await ask(definition(), definition({ flow: { debounce: "5m" } }));
    expect(counts).toEqual({ ...NONE, decides_otherwise: 4 });
    expect(examples[0]).toMatchObject({
      before: "runs: note",
      after:
        "it waits with other events: one run when none has come for 5m, at the latest 50m after the first one; runs: note",
      difference: "when it runs, and with which other events",
    });
  });

  test("that are older than the window are left out", async () => {
    const old = { ...SEATS[0], received_at: new Date(FROM.getTime() - 1) } as (typeof SEATS)[number];
    const { counts } = await ask(undefined, definition(), { history: historyOf([...SEATS.slice(1), old]) });
    expect(counts?.now_runs).toBe(3);
  });
});

describe("context", () => {
  const account = { name: "account", type: "static", value: { active: true } };
  const reading = (rest: object = {}) =>
    definition({ context_sources: [account], when: "context.account.active", ...rest });
  const recorded = [
    recordedRun("a", "e0", { account: { active: true } }),
    recordedRun("a", "e1", { account: { active: false } }),
  ];
  const history = () => historyOf(SEATS, recorded, { a: true });

  test("is that of the run that there was; where there was none, the example says that it is needed", async () => {
    const { counts, examples } = await ask(reading(), reading({ when: "!context.account.active" }), {
      history: history(),
    });
    expect(counts).toEqual({ ...NONE, now_runs: 1, no_longer_runs: 1, unknown: 2 });
    expect(examples[0]).toMatchObject({ run_id: "run-of-e0", before: "runs: note" });
    expect(examples[2]).toMatchObject({ outcome: "unknown", after: "needs context: account" });
  });

  test("of a source that is asked otherwise now is not known", async () => {
    const changed = { ...account, value: { active: false } };
    const { counts } = await ask(
      reading(),
      reading({ context_sources: [changed], when: "context.account.active == true" }),
      { history: history() },
    );
    expect(counts).toEqual({ ...NONE, unknown: 4 });
  });

  test("does not matter where only what starts a run differs, and both versions would start", async () => {
    const { counts } = await ask(
      reading(),
      { ...reading(), trigger_config: { trigger_type: "event", event_type: "x", when: "event.payload.seats > 1" } },
      { history: history() },
    );
    expect(counts).toEqual({ ...NONE, same: 3, no_longer_runs: 1 });
  });
});

test("a template that waits for results is not known to decide alike where its rules differ", async () => {
  const chain = (message: string) =>
    definition({ task_templates: [log("a", { key: "a" }), log(message, { key: "b", depends_on: ["a"] })] });
  const { counts, examples } = await ask(chain("{{ json(tasks.a) }}"), chain("{{ json(tasks.a) }}!"));
  expect([counts, examples[0]?.difference]).toEqual([
    { ...NONE, unknown: 4 },
    "b: depends on the results of other tasks",
  ]);
});

describe("due times", () => {
  const daily = (hour: number, rest: object = {}) =>
    definition({ trigger_config: { trigger_type: "cron", cron_expression: `0 ${hour} * * *` }, ...rest });

  test("of either calendar in the window are compared", async () => {
    const { counts, examples, due_times_looked_at } = await ask(daily(3), daily(5));
    expect([due_times_looked_at, counts]).toEqual([14, { ...NONE, now_runs: 7, no_longer_runs: 7 }]);
    expect(examples[0]).toMatchObject({
      ...{ event_id: null, scheduled_for: "2026-01-31T05:00:00.000Z", outcome: "now_runs", after: "runs: note" },
      before:
        "does not run: it is not due at 2026-01-31T05:00:00.000Z: after that it is due at 2026-02-01T03:00:00.000Z",
    });
  });

  test("that both have are compared by what is decided then", async () => {
    const onMonday = "now.getDayOfWeek() == 1";
    expect((await ask(daily(3), daily(3, { when: onMonday }))).counts).toEqual({ ...NONE, same: 1, no_longer_runs: 6 });
  });

  test("of an activity that waited for events before are new, and its events are gone", async () => {
    expect((await ask(definition(), daily(3))).counts).toEqual({ ...NONE, now_runs: 7, no_longer_runs: 4 });
  });
});

describe("bounds", () => {
  test("cut what is oldest, and tell it", async () => {
    const { counts, cut, definitions } = await ask(undefined, definition(), { events: 3 });
    expect([counts?.now_runs, definitions[0]?.cut, cut]).toEqual([
      3,
      true,
      "only the newest 3 events of the type x of the window were looked at",
    ]);
    const minutely = definition({ trigger_config: { trigger_type: "interval", every: "1m" } });
    const due = await ask(undefined, minutely, { dueTimes: 100 });
    expect([due.counts?.now_runs, due.definitions[0]?.cut]).toEqual([100, true]);
    expect((await ask(undefined, minutely)).due_times_looked_at).toBe(7 * 1440);
  });

  test("end a question that takes too long", async () => {
    const { cut, definitions } = await ask(undefined, definition(), { timeMs: 0 });
    expect([cut, definitions[0]?.cut]).toEqual([expect.stringContaining("0 s"), true]);
  });

  test("hold for 10,000 events in a few seconds, in pages, while others have their turn", async () => {
    const history = historyOf(eventsOf(...Array.from({ length: 10_000 }, (_, seats) => ({ seats }))), [], { a: true });
    const above = (limit: number) =>
      definition({ when: `event.payload.seats > ${limit}`, task_templates: [log("{{ event.payload.seats }} seats")] });
    const worked = startProcessorTime();
    const stalls = watchStalls();
    const { counts } = await ask(above(100), above(200), { history });
    expect(counts).toEqual({ ...NONE, same: 9_900, no_longer_runs: 100 });
    // A first small one, and one that is empty.
    expect(history.pages).toBe(12);
    expect(worked()).toBeLessThan(10_000);
    expect(stalls.end()).toBeLessThan(250);
  }, 30_000);
});
