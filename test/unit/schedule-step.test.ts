import { expect, test } from "bun:test";
import {
  type DriftKind,
  judgeSchedule,
  type ScheduleStep,
  type StandingSchedule,
  type ToldSchedule,
} from "../../src/schedule/drift.ts";
import { hashPlan, type SchedulePlan } from "../../src/schedule/plan.ts";

const running: SchedulePlan = {
  schedule_id: "activity-schedule-1",
  activity_id: "1",
  activity_name: "heartbeat",
  timezone: "UTC",
  calendars: [],
  excluded: [],
  intervals: [{ every_ms: 60_000, offset_ms: 0 }],
  jitter_ms: 0,
  overlap: "skip",
  catchup_window_ms: 10_000,
  paused: false,
};
const paused: SchedulePlan = { ...running, paused: true };
const edited: SchedulePlan = { ...running, activity_name: "pulse" };
const editedAndPaused: SchedulePlan = { ...edited, paused: true };

const toldRunning: ToldSchedule = { version: 1, plan_hash: hashPlan(running), paused: false, engine_hash: "e" };
const toldPaused: ToldSchedule = { ...toldRunning, paused: true };
const toldNothing: ToldSchedule = { version: null, plan_hash: null, paused: false, engine_hash: null };

const standing: StandingSchedule = { schedule_id: running.schedule_id, paused: false, engine_hash: "e", mark: 1 };
const stopped = { ...standing, paused: true };
const altered = { ...standing, engine_hash: "f" };

const step = (what: ScheduleStep["do"], paused?: boolean) => ({ do: what, ...(paused !== undefined && { paused }) });

test.each<
  [
    what: string,
    plan: SchedulePlan,
    told: ToldSchedule,
    standing: StandingSchedule | undefined,
    step: object,
    drift: DriftKind[],
  ]
>([
  ["what is as it was told stays", running, toldRunning, standing, step("nothing"), []],
  ["what is paused as it was told stays", paused, toldPaused, stopped, step("nothing"), []],
  ["a new one is created", running, toldNothing, undefined, step("create"), []],
  ["one that was created and not noted is made equal", running, toldNothing, altered, step("update", false), []],
  ["also its pause, since nobody can say whose it is", running, toldNothing, stopped, step("update", false), []],
  ["an edit updates", edited, toldRunning, standing, step("update", false), []],
  ["a disabled one is paused, without an update", paused, toldRunning, standing, step("pause"), []],
  ["an enabled one goes on, without an update", running, toldPaused, stopped, step("unpause"), []],
  ["edited and disabled is one update", editedAndPaused, toldRunning, standing, step("update", true), []],

  ["somebody's pause stays", running, toldRunning, stopped, step("nothing"), ["paused"]],
  ["somebody's pause stays over an edit", edited, toldRunning, stopped, step("update", true), ["paused"]],
  ["somebody's pause becomes ours by disabling", paused, toldRunning, stopped, step("nothing"), []],
  ["somebody's end of our pause is undone", paused, toldPaused, standing, step("pause"), ["unpaused"]],
  [
    "somebody who ended the pause was only earlier than the enabling",
    running,
    toldPaused,
    standing,
    step("nothing"),
    [],
  ],
  ["what somebody changed is updated", running, toldRunning, altered, step("update", false), ["changed"]],
  [
    "changed and paused by somebody",
    running,
    toldRunning,
    { ...altered, paused: true },
    step("update", true),
    ["changed", "paused"],
  ],
  ["what somebody deleted is created", running, toldRunning, undefined, step("create"), ["deleted"]],
  [
    "what was told by a release that noted no description is told again",
    running,
    { ...toldRunning, engine_hash: null },
    standing,
    step("update", false),
    [],
  ],
])("%s", (_, plan, told, found, step, drift) => {
  expect(judgeSchedule(plan, told, found)).toEqual({ step, drift } as never);
});
