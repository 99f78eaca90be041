import { describe, expect, test } from "bun:test";
import { judgeOccasion, occasionOfDueTime, occasionOfEvent, occasionOfRun } from "../../src/rehearsal/occasion.ts";
import { valuesOf } from "../../src/rehearsal/values.ts";
import { bodyOf, envelopeOf } from "../support/ledger.ts";
import { activityOfBody, recordedRun } from "../support/rehearsal.ts";

const AT = new Date("2026-01-31T09:30:00Z");
const onEvents = (trigger: object = {}) =>
  activityOfBody(bodyOf("x", { trigger_config: { trigger_type: "event", event_type: "user.*", ...trigger } }));
const atNine = activityOfBody(
  bodyOf("y", {
    trigger_config: { trigger_type: "cron", cron_expression: "0 9 * * *", timezone: "Europe/Berlin", dst_gap: "skip" },
  }),
);
const ofEvent = (type: string, payload: unknown = {}) => occasionOfEvent(envelopeOf("e", { type, payload }), AT);

describe("an event", () => {
  test("of a type that the pattern takes makes a run", () => {
    expect(judgeOccasion(ofEvent("user.created"), onEvents())).toEqual({ do: "run" });
  });

  test("of another type is told by both types", () => {
    expect(judgeOccasion(ofEvent("order.created"), onEvents())).toEqual({
      do: "skip",
      reason: "other_type",
      detail: "it waits for user.*, and the event's type is order.created",
    });
  });

  test("that a filter or the trigger's condition refuses is told with the values that decided", () => {
    const filtered = judgeOccasion(ofEvent("user.created", { seats: 2 }), onEvents({ filters: { seats: 3 } }));
    expect(filtered).toMatchObject({ reason: "filtered", detail: "payload.seats is 2, the filter wants 3" });
    const refused = judgeOccasion(ofEvent("user.created", { seats: 2 }), onEvents({ when: "event.payload.seats > 3" }));
    expect(refused).toMatchObject({
      reason: "filtered",
      detail: "payload.seats is 2: event.payload.seats > 3 is false",
    });
  });

  test("does not reach an activity that has due times", () => {
    expect(judgeOccasion(ofEvent("user.created"), atNine)).toMatchObject({ reason: "waits_for_no_events" });
  });
});

describe("a due time", () => {
  test("that the calendar has makes a run", () => {
    expect(judgeOccasion(occasionOfDueTime(new Date("2026-01-31T08:00:00Z")), atNine)).toEqual({ do: "run" });
  });

  test("that it does not have is told with the next one", () => {
    expect(judgeOccasion(occasionOfDueTime(new Date("2026-01-31T08:00:01Z")), atNine)).toEqual({
      do: "skip",
      reason: "not_due",
      detail: "it is not due at 2026-01-31T08:00:01.000Z: after that it is due at 2026-02-01T08:00:00.000Z",
    });
  });

  test("whose wall time a clock change removes is skipped where the trigger says so", () => {
    const atHalfPastTwo = activityOfBody(
      bodyOf("z", {
        trigger_config: {
          trigger_type: "cron",
          cron_expression: "30 2 * * *",
          timezone: "Europe/Berlin",
          dst_gap: "skip",
        },
      }),
    );
    expect(judgeOccasion(occasionOfDueTime(new Date("2026-03-29T01:00:00Z")), atHalfPastTwo)).toMatchObject({
      reason: "dst_gap",
    });
  });

  test("does not reach an activity that waits for events", () => {
    expect(judgeOccasion(occasionOfDueTime(AT), onEvents())).toMatchObject({ reason: "no_due_times" });
  });
});

describe("an event of an activity with a flow", () => {
  const withFlow = (rest: object) =>
    activityOfBody(bodyOf("x", { trigger_config: { trigger_type: "event", event_type: "user.*" }, ...rest }));
  const placed = (rest: object) => judgeOccasion(ofEvent("user.created", { n: 1 }), withFlow(rest));

  test.each<[rest: object, outcome: string, detail: string]>([
    [
      { flow: { debounce: { quiet: "5m", key: "event.payload.n" } } },
      "collected",
      "it waits with other events of the key 1: one run when none has come for 5m, at the latest 50m after the first one",
    ],
    [
      { flow: { batch: { size: 10, within: "1h" }, max_concurrent_runs: 1 } },
      "collected",
      "it waits with other events: one run for 10 of them, at the latest 1h after the first one; its run waits while 1 run goes",
    ],
    [
      { flow: { max_concurrent_runs: 2, rate_limit: { count: 5, per: "1m" } } },
      "queued",
      "its run waits while 2 runs go or 5 runs have begun in the last 1m",
    ],
    [
      { dedupe_key_strategy: { key: "event.payload.n", window: "1h" } },
      "run",
      "where another event has the dedupe key 1 for 1h, it is a duplicate",
    ],
  ])("%j is told how it would wait", (rest, outcome, detail) => {
    expect(placed(rest)).toMatchObject({ do: "run", placed: { outcome, detail } });
  });

  test("is told that its key fails", () => {
    const verdict = placed({ flow: { debounce: { quiet: "5m", key: "event.payload.gone" } } });
    expect(verdict).toMatchObject({ do: "skip", reason: "failed_expression" });
  });
});

describe("a past run", () => {
  const run = recordedRun("a", "e", {});

  test("of an event is judged by the filters as they are now", () => {
    const occasion = occasionOfRun(run, envelopeOf("e", { type: "user.created", payload: { seats: 2 } }));
    expect(judgeOccasion(occasion, onEvents({ filters: { seats: 3 } }))).toMatchObject({ reason: "filtered" });
  });

  test("of a window is asked no filter, since each of its events was", () => {
    const [first, last] = [envelopeOf("d", { type: "user.created" }), envelopeOf("e", { type: "user.created" })];
    const occasion = occasionOfRun({ ...run, window_id: "w" }, last, [first, last]);
    expect(judgeOccasion(occasion, onEvents({ filters: { seats: 3 } }))).toEqual({ do: "run" });
    expect(valuesOf(occasion, onEvents())).toMatchObject({
      events: [{ event_id: "d" }, { event_id: "e" }],
      event: { event_id: "e" },
    });
  });

  test("that somebody asked for is asked no filter, and runs a disabled activity", () => {
    const occasion = occasionOfRun({ ...run, trigger: "manual" }, envelopeOf("e", { type: "actcore.manual" }));
    expect(judgeOccasion(occasion, { ...onEvents({ filters: { seats: 3 } }), enabled: false })).toEqual({ do: "run" });
  });
});
