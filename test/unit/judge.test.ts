/** Every reason why something that asks for an occurrence makes no run; how late is too late is in judge-due-time.test.ts. */
import { describe, expect, test } from "bun:test";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import { type ActivityRow, compileActivity } from "../../src/definition/activity.ts";
import type { Refusal } from "../../src/event/match.ts";
import type { Segment } from "../../src/occurrence/due-facts.ts";
import { judge, type TriggerEvent } from "../../src/occurrence/judge.ts";

const now = new Date("2026-01-31T09:30:00Z");
const due = new Date("2026-01-31T09:29:00Z");
const hourly = compileCalendar({ trigger_type: "interval", every: "1h", offset: "29m" });
const RUN = { do: "run" } as const;
const skip = (reason: string) => ({ do: "skip", reason });

function activity(rest: Partial<ActivityRow> = {}) {
  const body = { trigger_config: { trigger_type: "event", event_type: "x" } as const, task_templates: [] };
  return compileActivity({
    ...{ id: "a", name: "a", version: 1, enabled: true, deleted: false, since: new Date(0), body, ...rest },
  });
}
const disabled = activity({ enabled: false });
const deleted = activity({ enabled: false, deleted: true });

const event = { kind: "event", key: "e", trigger: "event", event_id: "e" } as const;
const atDue = { kind: "due", key: due.toISOString(), trigger: "interval", due } as const;
const STARTS: [what: string, event: TriggerEvent, isAskedFor: boolean][] = [
  ["an event", event, false],
  ["a foreign start", { kind: "foreign", key: "wf", trigger: "manual" }, false],
  ["a due time", { kind: "due", key: due.toISOString(), trigger: "cron" }, false],
  ["a due time of a backfill", { kind: "due", key: due.toISOString(), trigger: "backfill" }, true],
  ["a manual trigger", { kind: "manual", key: "r", trigger: "manual" }, true],
  ["a rerun", { kind: "rerun", key: "wf:rerun-1", trigger: "rerun" }, true],
];

describe.each(STARTS)("%s", (_, start, isAskedFor) => {
  test("runs an activity that is enabled", () => {
    expect(judge(start, activity())).toEqual(RUN);
  });

  test("runs a disabled activity only where somebody asks for it by hand", () => {
    expect(judge(start, disabled)).toEqual(isAskedFor ? RUN : (skip("disabled") as never));
  });

  test("never runs a deleted activity", () => {
    expect(judge(start, deleted)).toEqual(skip("deleted") as never);
  });
});

describe("an event from the router", () => {
  const routed = (refusal?: Refusal): TriggerEvent => ({ ...event, findRefusal: () => refusal });

  test.each(["filtered", "failed_expression"] as const)(
    "is refused (%s) by the trigger before it is asked whether the activity is disabled",
    (reason) => {
      for (const one of [activity(), disabled])
        expect(judge(routed({ reason, detail: "why" }), one)).toEqual({ do: "skip", reason, detail: "why" });
    },
  );

  test("that passes the trigger runs an activity that is enabled", () => {
    expect(judge(routed(), disabled)).toEqual(skip("disabled") as never);
    expect(judge(routed(), activity())).toEqual(RUN);
  });
});

describe("a start by the engine's schedule", () => {
  const segment = (rest: Partial<Segment> = {}): Segment => ({
    ...{ from: new Date(0), until: now, calendar: hourly, enabled: true, ...rest },
  });
  const late = new Date("2026-01-31T09:30:00.001Z");
  const judgeAt = (at: Date, segments: Segment[], one = activity()) => judge(atDue, one, { segments, now: at });

  test("runs within its grace, and is missed when it comes later", () => {
    expect(judgeAt(now, [segment()])).toEqual(RUN);
    expect(judgeAt(late, [segment()])).toEqual(skip("missed") as never);
  });

  test("is refused where the version was disabled when it was due, whatever a later one says", () => {
    expect(judgeAt(now, [segment({ enabled: false }), segment()])).toEqual(skip("disabled") as never);
  });

  test("is not judged late where no version had a schedule then", () => {
    expect(judgeAt(late, [])).toEqual(RUN);
    expect(judgeAt(late, [segment({ calendar: undefined }), segment()])).toEqual(RUN);
  });

  test("is refused as disabled or deleted before it is asked how late it is", () => {
    expect(judgeAt(late, [segment()], disabled)).toEqual(skip("disabled") as never);
    expect(judgeAt(late, [segment()], deleted)).toEqual(skip("deleted") as never);
  });
});
