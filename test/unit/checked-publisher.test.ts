/** The door of the API: what it refuses, and what it lets through when it cannot know. */
import { describe, expect, test } from "bun:test";
import { createCheckedPublisher } from "../../src/dispatch/checked-publisher.ts";
import { contentOf, type EventContent } from "../../src/event/content.ts";
import type { BatchPublisher, EventEnvelope } from "../../src/event/envelope.ts";
import { InvalidInputError, RetryableError } from "../../src/kernel/errors.ts";

const event = (event_id: string, payload: unknown = {}): EventEnvelope => ({
  event_id,
  type: "x",
  source: "test",
  occurred_at: "2026-01-31T09:30:00Z",
  payload,
});

function setUp() {
  const published: string[] = [];
  const state = {
    revision: 1n,
    away: false,
    hangs: false,
    broken: false,
    reads: 0,
    reached: true,
    schema: '{"required": ["a"]}',
    asked: [] as string[][],
  };
  const contents = new Map<string, EventContent | null>();
  const reader = {
    async readContents(eventIds: readonly string[]) {
      state.asked.push([...eventIds]);
      return new Map([...contents].filter(([id]) => eventIds.includes(id)));
    },
    async readRevision() {
      state.reads++;
      if (state.broken) throw new Error("a bug");
      if (state.hangs) await new Promise(() => {});
      if (state.away) throw new RetryableError("postgres_unavailable", "away");
      return state.revision;
    },
    listEnforcedTypes: async () => [{ name: "x", schema: state.schema }],
  };
  const publish = async ({ event_id }: EventEnvelope) => {
    if (event_id.startsWith("away")) throw new RetryableError("nats_unavailable", "away");
    published.push(event_id);
  };
  const publisher: BatchPublisher = {
    publish,
    publishAll: (envelopes) =>
      Promise.all(
        envelopes.map((each) =>
          publish(each).then(
            () => undefined,
            (error) => error,
          ),
        ),
      ),
  };
  const checked = createCheckedPublisher(publisher, () => (state.reached ? reader : undefined));
  return { ...checked, published, state, contents };
}

const refusal = (publishing: Promise<{ duplicate: boolean }>) =>
  publishing.then(
    ({ duplicate }) => (duplicate ? "duplicate" : "published"),
    (error) => {
      if (!(error instanceof InvalidInputError)) throw error;
      return [error.code, ...error.faults.map(({ path, message }) => `${path} ${message}`)].join(" ");
    },
  );

test("an event that does not match its enforced type is refused with its faults, and not published", async () => {
  const { publish, published } = setUp();
  expect(await refusal(publish(event("bad")))).toBe("schema_mismatch /payload/a is required");
  expect(await refusal(publish(event("good", { a: 1 })))).toBe("published");
  expect(published).toEqual(["good"]);
});

test("what was changed before the event came counts (I4)", async () => {
  const { publish, state } = setUp();
  expect(await refusal(publish(event("1", { a: 1 })))).toBe("published");
  state.schema = '{"maxProperties": 0}';
  expect(await refusal(publish(event("2", { a: 1 })))).toBe("published");
  state.revision = 2n;
  expect(await refusal(publish(event("3", { a: 1 })))).toStartWith("schema_mismatch /payload ");
});

test("of events that come at once the ledger is not asked for each", async () => {
  const { publish, published, state } = setUp();
  await Promise.all(Array.from({ length: 100 }, (_, n) => publish(event(`${n}`, { a: n }))));
  expect(published).toHaveLength(100);
  expect(state.reads).toBeLessThanOrEqual(2);
});

describe("an event whose id the ledger knows", () => {
  test("is a duplicate where it says the same, also where its type refuses such payloads by now, and not published", async () => {
    const { publish, published, contents } = setUp();
    contents.set("1", contentOf(event("1")));
    expect(await refusal(publish(event("1")))).toBe("duplicate");
    expect(published).toEqual([]);
  });

  test("is a duplicate where only its id is still kept", async () => {
    const { publish, published, contents } = setUp();
    contents.set("1", null);
    expect(await refusal(publish(event("1")))).toBe("duplicate");
    expect(published).toEqual([]);
  });

  test("is refused where it says something else, and hears in which fields", async () => {
    const { publish, published, contents } = setUp();
    contents.set("1", contentOf({ ...event("1", { secret: "of others" }), source: "another" }));
    expect(await refusal(publish(event("1", { a: 1 })))).toBe(
      "event_differs /source differs from the event that was recorded under this id " +
        "/payload differs from the event that was recorded under this id",
    );
    expect(published).toEqual([]);
  });

  test("is asked for together with those that come at the same time", async () => {
    const { publish, published, contents, state } = setUp();
    contents.set("3", null);
    const results = await Promise.all(Array.from({ length: 6 }, (_, n) => refusal(publish(event(`${n}`, { a: n })))));
    expect(results).toEqual(results.map((_, n) => (n === 3 ? "duplicate" : "published")));
    expect(published).toEqual(["0", "1", "2", "4", "5"]);
    expect(state.asked).toEqual([["0", "1", "2", "3", "4", "5"]]);
  });
});

describe("the router decides, and the event goes into the stream,", () => {
  test("while the ledger is away; afterwards it is asked again", async () => {
    const { publish, published, state } = setUp();
    expect(await refusal(publish(event("1")))).toStartWith("schema_mismatch");
    state.away = true;
    expect(await refusal(publish(event("2")))).toBe("published");
    state.away = false;
    expect(await refusal(publish(event("3")))).toStartWith("schema_mismatch");
    expect(published).toEqual(["2"]);
  });

  test("where the ledger does not answer within a second", async () => {
    const { publish, published, state } = setUp();
    state.hangs = true;
    const begun = performance.now();
    expect(await refusal(publish(event("1")))).toBe("published");
    expect([Math.round((performance.now() - begun) / 1000), published]).toEqual([1, ["1"]]);
  });

  test("but not where the ledger fails in a way that nobody knows", async () => {
    const { publish, published, state } = setUp();
    state.broken = true;
    await expect(publish(event("1", { a: 1 }))).rejects.toThrow("a bug");
    expect(published).toEqual([]);
  });

  test("as long as the ledger was never reached", async () => {
    const { publish, published, state } = setUp();
    state.reached = false;
    await publish(event("1"));
    expect(published).toEqual(["1"]);
  });
});

describe("of several events at once", () => {
  test("each is answered in its place, and the ledger is asked once", async () => {
    const { publishAll, published, contents, state } = setUp();
    contents.set("known", contentOf(event("known", { a: 1 })));
    contents.set("other", contentOf(event("other", { a: 2 })));
    const answers = await publishAll([
      event("new", { a: 1 }),
      event("known", { a: 1 }),
      event("other", { a: 1 }),
      event("bad"),
      event("new", { a: 1 }),
      event("new", { a: 2 }),
      event("bad"),
      event("away", { a: 1 }),
    ]);
    expect(answers.map((answer) => (answer instanceof Error ? answer.code : answer.duplicate))).toEqual([
      ...[false, true, "event_differs", "schema_mismatch"],
      ...[true, "event_differs", "schema_mismatch", "nats_unavailable"],
    ]);
    expect(published).toEqual(["new"]);
    expect(state.asked).toEqual([["new", "known", "other", "bad", "away"]]);
  });

  test("a fault that nobody knows is of the whole", async () => {
    const { publishAll, state } = setUp();
    state.broken = true;
    await expect(publishAll([event("1", { a: 1 })])).rejects.toThrow("a bug");
  });
});
