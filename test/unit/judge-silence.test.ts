/** When an activity is overdue, and what is waited for first. Times are minutes; a success is expected within ten. */
import { describe, expect, test } from "bun:test";
import { AWAY_HOLD_MS, CHANCE_MS, judgeSilence, type SilenceFacts } from "../../src/expectation/judge-silence.ts";

const MINUTE_MS = 60_000;
const at = (minutes: number) => new Date(Math.round(minutes * MINUTE_MS));
const success = (minutes: number) => ({ run_id: "r", at: at(minutes) });
const CHANCE = CHANCE_MS / MINUTE_MS;
const AWAY_HOLD = AWAY_HOLD_MS / MINUTE_MS;

/** Counted from minute 0, without a success, nothing going, no outage, of an engine that was not asked. */
function judge(now: number, facts: Partial<SilenceFacts> = {}, lookingSince = -1000) {
  const all: SilenceFacts = {
    ...{ success_within_ms: 10 * MINUTE_MS, counts_from: at(0), overdue_since: null, last_success: null },
    ...{ seen_paused_at: null, is_going: false, owesDueTime: () => false, absence: undefined },
    ...facts,
  };
  return judgeSilence(all, at(now), at(lookingSince));
}
type Case = [what: string, now: number, facts: Partial<SilenceFacts>, expected: string, lookingSince?: number];

function tell(cases: readonly Case[]) {
  for (const [what, now, facts, expected, lookingSince] of cases)
    test(`${what} (minute ${now})`, () => {
      expect<string>(judge(now, facts, lookingSince).is).toBe(expected);
    });
}

describe("silence is counted", () => {
  tell([
    ["from when the expectation was stored", 9.9, {}, "quiet"],
    ["and is too long after so much time without any success", 10.1, {}, "overdue"],
    ["from the last success", 14.9, { last_success: success(5) }, "quiet"],
    ["and is too long after so much time since it", 15.1, { last_success: success(5) }, "overdue"],
    ["not from a success before counting began", 9.9, { last_success: success(-300) }, "quiet"],
    [
      "not from a success before counting began, and ends all the same",
      10.1,
      { last_success: success(-300) },
      "overdue",
    ],
    ["though a run is going: it has not succeeded", 10.1, { is_going: true }, "overdue"],
    ["though a due time is still to be run", 10.1, { owesDueTime: () => true }, "overdue"],
    ["from a pause that was seen in the engine", 16.9, { seen_paused_at: at(7) }, "quiet"],
    ["and is too long after so much time since that pause", 17.1, { seen_paused_at: at(7) }, "overdue"],
    ["and is forgiven while the schedule is paused in the engine", 10.1, { engine: "paused" }, "paused"],
    ["of a schedule that is not paused", 10.1, { engine: "running" }, "overdue"],
  ]);

  test("to the second in which it is looked at: a success that was in time may be recorded a moment later", () => {
    expect(judge(10)).toEqual({ is: "quiet", look_at: new Date(601_000) });
    expect(judge(10 + 1 / 60)).toMatchObject({ is: "overdue", since: at(10) });
  });
});

describe("an episode", () => {
  const overdue = { overdue_since: at(10) };
  tell([
    ["goes on without a success", 300, overdue, "still_overdue"],
    [
      "goes on over a pause and an outage",
      30,
      { ...overdue, seen_paused_at: at(20), absence: { from: at(15) } },
      "still_overdue",
    ],
    ["ends with a late success", 12, { ...overdue, last_success: success(11) }, "recovered"],
    [
      "ends with a success that was recorded too late to be seen",
      12,
      { ...overdue, last_success: success(9.9) },
      "recovered",
    ],
    [
      "does not end with the success that it was counted from",
      30,
      { overdue_since: at(15), last_success: success(5) },
      "still_overdue",
    ],
    ["ends also when the next silence is too long by now", 40, { ...overdue, last_success: success(11) }, "recovered"],
    ["is followed by another one", 40, { last_success: success(11) }, "overdue"],
  ]);
});

describe("after an outage", () => {
  const outage = { absence: { from: at(8), until: at(20) } };
  const going = { ...outage, is_going: true };
  const owed = { ...outage, owesDueTime: (until: Date) => until.getTime() === at(20).getTime() };
  tell([
    ["what it held up gets the time to begin", 20 + CHANCE - 0.1, outage, "held"],
    ["a silence in which nothing is caught up is reported then", 20 + CHANCE + 0.1, outage, "overdue"],
    ["a run on its way gets as long as the outage took", 10 + 12 + CHANCE - 0.1, going, "held"],
    ["a run that takes longer is reported", 10 + 12 + CHANCE + 0.1, going, "overdue"],
    ["a due time that is still to be run gets as long as the outage took", 10 + 12 + CHANCE - 0.1, owed, "held"],
    ["a due time that is not run by then is reported", 10 + 12 + CHANCE + 0.1, owed, "overdue"],
    ["what was caught up counts as any other success", 25, { ...going, last_success: success(21) }, "quiet"],
    [
      "an outage before the silence is no reason to wait",
      10.1,
      { absence: { from: at(-5), until: at(-1) }, is_going: true },
      "overdue",
    ],
    [
      "of a few seconds a run that hangs is not waited for long",
      10 + 0.2 + CHANCE + 0.1,
      { absence: { from: at(5), until: at(5.2) }, is_going: true },
      "overdue",
    ],
    [
      "of which a part was before the silence that part does not count",
      10 + 2 + CHANCE + 0.1,
      { absence: { from: at(-50), until: at(2) }, is_going: true },
      "overdue",
    ],
  ]);
});

describe("while an engine or every worker is away", () => {
  const ongoing = { absence: { from: at(8) } };
  tell([
    ["it is waited for", 10 + AWAY_HOLD - 0.1, ongoing, "held"],
    ["the silence is reported when it stays away", 10 + AWAY_HOLD + 0.1, ongoing, "overdue"],
    ["the wait begins when somebody looks again", 300 + AWAY_HOLD - 0.1, ongoing, "held", 300],
    ["the wait that began then ends", 300 + AWAY_HOLD + 0.1, ongoing, "overdue", 300],
    ["an engine that cannot say whether it is paused is waited for", 10 + AWAY_HOLD - 0.1, { engine: "away" }, "held"],
    ["an engine that cannot say so for long is not waited for", 10 + AWAY_HOLD + 0.1, { engine: "away" }, "overdue"],
  ]);
});
