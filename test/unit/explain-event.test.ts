/** The sentence about an event, for each thing that may have become of it. */
import { describe, expect, test } from "bun:test";
import type { EventFacts, EventRow, Reached } from "../../src/explain/event-explanation.ts";
import { explainEvent } from "../../src/explain/explain-event.ts";
import type { ActivityHistory, Version } from "../../src/explain/explained-activity.ts";
import { bodyOf, envelopeOf } from "../support/ledger.ts";

const DAY_MS = 86_400_000;
const RETENTION = {
  ...{ eventRetentionMs: 30 * DAY_MS, runRetentionMs: 90 * DAY_MS },
  ...{ keyRetentionMs: 400 * DAY_MS, auditRetentionMs: 400 * DAY_MS },
};
const RECORDED = "2026-01-31T09:00:00.000Z";

function version(number: number, written_at: string, trigger: object = {}, rest: object = {}): Version {
  const trigger_config = { trigger_type: "event", event_type: "order.created", ...trigger };
  return { version: number, written_at: new Date(written_at), body: bodyOf("mail", { trigger_config, ...rest }) };
}

function historyOf(versions: Version[], rest: Partial<ActivityHistory> = {}): ActivityHistory {
  const [first] = versions as [Version];
  return {
    ...{ activity_id: "id", activity_name: "mail", created_at: first.written_at },
    ...{ retired_at: null, deleted_at: null, versions, ...rest },
  };
}

const row = (rest: Partial<EventRow> = {}): EventRow => ({
  ...{ event_id: "e-1", outcome: "dispatched", reason: null, detail: null, type: "order.created", source: "test" },
  ...{
    subject: null,
    received_at: RECORDED,
    carried_id: null,
    refused: [],
    provisional: false,
    matchedAt: new Date(RECORDED),
  },
  ...{ settled_as: null, settled_at: null, settled_by: null, replayed_as: null },
  ...{ envelope: envelopeOf("e-1", { type: "order.created", payload: { tier: "free" } }), ...rest },
});

const reached = (outcome: Reached["outcome"], rest: Partial<Reached> = {}): Reached => ({
  ...{ activity_id: "id", activity_name: "mail", outcome, reason: null, run_id: null },
  ...{ run: undefined, claimed: undefined, ...rest },
});

const explain = (facts: Partial<EventFacts>) =>
  explainEvent(
    {
      ...{ event_id: "e-1", event: row(), recordedAt: undefined, unpublished: undefined, idsBeside: [], counts: {} },
      ...{ reached: [], history: undefined, duplicateOf: undefined, window: undefined, waitsFor: undefined },
      ...{ run: undefined, repeats: [], listened: [], ...facts },
    },
    new Date("2026-02-01T00:00:00Z"),
    RETENTION,
  );
const tell = (facts: Partial<EventFacts>) => explain(facts).summary;

describe("an event that did not pass a trigger", () => {
  const wantsPro = version(1, "2026-01-01T00:00:00Z", { filters: { tier: "pro" } });
  const filtered = reached("filtered", { reason: 'payload.tier is "free", the filter wants "pro"' });

  test("is told with the version that decided, also where the router knew only the one before", () => {
    const later = version(2, "2026-01-31T08:59:59.900Z", { filters: { tier: "team" } });
    const { trigger } = explain({ history: historyOf([wantsPro, later]), reached: [filtered] });
    expect(trigger).toEqual({
      version: 1,
      filters: [{ path: "tier", wanted: '"pro"', actual: '"free"', holds: false }],
      condition: null,
    });
  });

  test("is told by its record alone where no version says the same", () => {
    const other = version(1, "2026-01-01T00:00:00Z", { filters: { tier: "team" } });
    const { trigger, summary } = explain({ history: historyOf([other]), reached: [filtered] });
    expect(trigger).toBeNull();
    expect(summary).toStartWith(
      'mail did not run on the event e-1, because payload.tier is "free", the filter wants "pro"; ',
    );
  });

  test.each<[string, Version | undefined, Partial<ActivityHistory>, string]>([
    [
      "would pass",
      version(2, "2026-01-31T10:00:00Z", { filters: { tier: "free" } }),
      {},
      '; its version of now, 2, would take it: POST /events/e-1/replay with {"activity_id": "id"} runs it.',
    ],
    [
      "would not pass either",
      undefined,
      {},
      '; if it should run, mend the trigger of the definition, and POST /events/e-1/replay with {"activity_id": "id"} runs it.',
    ],
    [
      "is disabled",
      version(2, "2026-01-31T10:00:00Z", {}, { enabled: false }),
      {},
      ' with {"enabled": true} enables it; then POST /events/e-1/replay with {"activity_id": "id"} runs it.',
    ],
    ["is deleted", undefined, { deleted_at: new Date("2026-01-31T11:00:00Z") }, "; the definition is deleted since."],
  ])("is told what to do where the definition of now %s", (_, later, rest, words) => {
    const history = historyOf([wantsPro, ...(later ? [later] : [])], rest);
    expect(tell({ history, reached: [filtered] })).toEndWith(words);
  });
});

test.each<[string, Partial<EventFacts>, string]>([
  [
    "a run that is owed",
    { reached: [reached("run", { run_id: "run-1", claimed: false })] },
    "The event e-1 made run run-1 of mail, which is not started yet; it is started as soon as Temporal and a worker are there: " +
      "/readyz says what is away.",
  ],
  [
    "a run that is not kept any more",
    { reached: [reached("run", { run_id: "run-1", claimed: true })] },
    "The event e-1 made run run-1 of mail, and how that ended is not known any more: runs are kept for 90d.",
  ],
  [
    "a key that fails",
    {
      history: historyOf([
        version(
          1,
          "2026-01-01T00:00:00Z",
          {},
          { flow: { max_concurrent_runs: { count: 1, key: "event.payload.order" } } },
        ),
      ]),
      reached: [reached("failed_expression", { reason: 'event.payload has no key "order"' })],
    },
    'mail did not run on the event e-1, because an expression of its trigger or its flow failed: event.payload has no key "order"; if it ' +
      'should run, mend the trigger of the definition, and POST /events/e-1/replay with {"activity_id": "id"} runs it.',
  ],
  [
    "a batch that is open",
    {
      reached: [reached("collected")],
      window: {
        ...{ window_id: "w", kind: "batch", events: 3, max_events: 10, opened_at: RECORDED },
        ...{ closes_at: "2026-01-31T10:00:00.000Z", closed_at: null },
      },
    },
    "The event e-1 is gathered for a run of mail, with 2 others (batch): the run is made when 10 have come, and at the latest at " +
      "2026-01-31T10:00:00.000Z.",
  ],
  [
    "a duplicate whose key another event has by now",
    { reached: [reached("duplicate", { reason: "event e-0 has the dedupe key 7" })] },
    "mail did not run on the event e-1, because another one is the same occasion: event e-0 has the dedupe key 7.",
  ],
])("%s is told", (_, facts, sentence) => {
  expect(tell({ history: historyOf([version(1, "2026-01-01T00:00:00Z")]), ...facts })).toBe(sentence);
});

describe("an event that did not reach an activity", () => {
  const since = version(2, "2026-01-31T10:00:00Z");

  test.each<[string, ActivityHistory, Partial<EventRow>, string, string]>([
    [
      "which waited for due times",
      historyOf([
        {
          ...version(1, "2026-01-01T00:00:00Z"),
          body: bodyOf("mail", { trigger_config: { trigger_type: "interval", every: "1h" } }),
        },
        since,
      ]),
      {},
      "no_events",
      "because mail runs at due times (interval), and waits for no events (so its version 1, of 2026-01-01T00:00:00.000Z, which counted " +
        'then); its version of now, 2, would take it: POST /events/e-1/replay with {"activity_id": "id"} runs it.',
    ],
    [
      "which waited for another type",
      historyOf([version(1, "2026-01-01T00:00:00Z", { event_type: "order.paid" })]),
      {},
      "other_type",
      "because its type is order.created, and mail waits for events of the type order.paid; if it should run, mend the type that the " +
        "sender writes, or the event_type of the definition.",
    ],
    [
      "which was changed in that moment",
      historyOf([version(1, "2026-01-31T08:59:59.900Z")]),
      {},
      "not_reached",
      "because version 1 of the definition was written at 2026-01-31T08:59:59.900Z, and the router that recorded the event at " +
        `${RECORDED} did not know it yet.`,
    ],
    [
      "which a foreign start did not name",
      historyOf([version(1, "2026-01-01T00:00:00Z")]),
      { provisional: true },
      "not_reached",
      "because only a workflow that somebody started with a Temporal client has brought the event, for another activity; published " +
        "as an event, under the same id, it reaches this one too.",
    ],
    [
      "of which nothing is recorded",
      historyOf([version(1, "2026-01-01T00:00:00Z")]),
      {},
      "not_reached",
      "although its type fits: nothing is recorded of it, or what was recorded is not kept any more.",
    ],
  ])("%s says so", (_, history, event, outcome, words) => {
    const told = explain({ history, event: row(event) });
    expect([told.outcome, told.summary]).toEqual([outcome as never, `The event e-1 did not reach mail, ${words}`]);
  });
});

describe("a dead letter", () => {
  const letter = (reason: string, rest: Partial<EventRow> = {}) =>
    row({ outcome: "dead_lettered", reason, detail: "why", envelope: undefined, ...rest });

  test.each([
    [
      "not_json",
      'it is no JSON (why); POST /dead-letters/e-1/replay with {"envelope": …} makes the mended event of it.',
    ],
    [
      "schema_mismatch",
      "its payload does not match the schema of its type order.created, which is enforced (why); POST /dead-letters/e-1/replay with " +
        '{"payload": …} makes the mended event of it.',
    ],
    ["too_large", "it is larger than an event may be (why); let its sender publish less, or a link to the rest."],
  ])("%s says what is wrong with it, and what to do", (reason, words) => {
    expect(tell({ event: letter(reason) })).toBe(
      `The message e-1 of ${RECORDED} is a dead letter and reached nothing, because ${words}`,
    );
  });

  test("that somebody saw to says when, and what it became", () => {
    const settled = { settled_at: "2026-01-31T10:00:00.000Z", settled_by: "key:ops" };
    expect(tell({ event: letter("not_json", { ...settled, settled_as: "discarded" }) })).toEndWith(
      "(why); it was discarded at 2026-01-31T10:00:00.000Z by key:ops.",
    );
    expect(tell({ event: letter("not_json", { ...settled, settled_as: "replayed", replayed_as: "e-2" }) })).toEndWith(
      "it was replayed at 2026-01-31T10:00:00.000Z by key:ops as the event e-2, which GET /explain tells of.",
    );
  });
});

describe("an event that is not in the ledger", () => {
  const nowhere: Partial<EventFacts> = { event: undefined };

  test("is unknown, and ids that look like it are named", () => {
    const told = explain({ ...nowhere, event_id: "order-1O", idsBeside: ["order-09", "order-10", "zebra"] });
    expect([told.outcome, told.near_ids]).toEqual(["unknown", ["order-10", "order-09"]]);
    expect(told.summary).toContain("it never arrived, was refused where it was sent, waits in the stream");
    expect(told.summary).toContain("similar ids are recorded: order-10, order-09; /readyz");
  });

  test("was made by actcore and cut, or is not published yet", () => {
    const created_at = new Date(RECORDED);
    expect(tell({ ...nowhere, unpublished: { created_at, cut_reason: "chain_too_long" } })).toBe(
      `actcore made the event e-1 at ${RECORDED}, and does not publish it: events of its own led to it 15 times in a row.`,
    );
    expect(tell({ ...nowhere, unpublished: { created_at, cut_reason: null } })).toEndWith(
      "and has not published it yet; /readyz says whether NATS is away.",
    );
  });

  test("is not kept any more, and says how long events are", () => {
    expect(tell({ ...nowhere, recordedAt: new Date(RECORDED) })).toBe(
      `The event e-1 was recorded at ${RECORDED}, and is not kept any more: events are kept for 30d.`,
    );
  });
});

test("control characters and long texts of others are made harmless in a sentence", () => {
  const evil = reached("filtered", { reason: `payload.a is "\u001b[31m${"x".repeat(1_000)}"` });
  const summary = tell({ history: historyOf([version(1, "2026-01-01T00:00:00Z")]), reached: [evil] });
  expect(summary).not.toMatch(/\p{Cc}/u);
  expect(summary.length).toBeLessThan(600);
});
