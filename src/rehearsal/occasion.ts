/** An occasion: what a rehearsal asks about, which is an event, a due time, or a run of the past. Pure. */
import { dueTimes, nextTimesToRun } from "../calendar/due-times.ts";
import type { Activity } from "../definition/activity.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import { createTriggerCheck } from "../event/match.ts";
import type { ActivityOutcome } from "../event/outcome.ts";
import { describePlacement } from "../flow/describe-placement.ts";
import { createPlacing } from "../flow/placement.ts";
import { matchesType } from "../match/type-pattern.ts";
import { judge, type TriggerEvent, type Verdict } from "../occurrence/judge.ts";
import { dueKey } from "../occurrence/occurrence.ts";
import type { RecordedRun } from "./history.ts";

export interface Occasion {
  /** What is judged. */
  event: TriggerEvent;
  envelope: EventEnvelope | undefined;
  /** All events of a window, of which `envelope` is the last one. Absent: there is one event, or none. */
  gathered?: readonly EventEnvelope[];
  due: Date | undefined;
  /** The run's `now`. */
  firedAt: Date;
  /** The run that there was. */
  run: RecordedRun | undefined;
}

/** Whether an occasion makes a run; if not, why: a short name, and words with the values that decided. */
export type OccasionVerdict =
  | ({ do: "run" } & Placed)
  | {
      do: "skip";
      reason:
        | Extract<Verdict, { do: "skip" }>["reason"]
        | "other_type"
        | "no_due_times"
        | "waits_for_no_events"
        | "not_due";
      detail: string;
    };

/** How the flow of its activity would treat an event: what is rehearsed then is the run of this one event alone. */
export interface Placed {
  /** Absent where the event would run at once, whatever else comes. */
  placed?: { outcome: Extract<ActivityOutcome, "run" | "collected" | "queued">; detail: string };
}

/** Of an event that comes by the stream. */
export function occasionOfEvent(envelope: EventEnvelope, firedAt: Date, run?: RecordedRun): Occasion {
  const { event_id } = envelope;
  const findRefusal = createTriggerCheck(envelope);
  const event: TriggerEvent = { kind: "event", key: event_id, trigger: "event", event_id, findRefusal };
  return { event, envelope, due: undefined, firedAt, run };
}

/** Of a due time at which the run starts on time. */
export function occasionOfDueTime(due: Date, run?: RecordedRun): Occasion {
  const event: TriggerEvent = { kind: "due", key: dueKey(due), trigger: "cron" };
  return { event, envelope: undefined, due, firedAt: run?.fired_at ?? due, run };
}

/** Of what a past run was made for; `envelope` is its event, and `gathered` are all those of its window. */
export function occasionOfRun(
  run: RecordedRun,
  envelope: EventEnvelope | undefined,
  gathered?: readonly EventEnvelope[],
): Occasion {
  const { trigger, fired_at: firedAt, scheduled_for, run_id, window_id } = run;
  if (trigger === "event" && window_id === null && envelope !== undefined)
    return occasionOfEvent(envelope, firedAt, run);
  if (scheduled_for !== null && trigger !== "rerun" && trigger !== "replay") {
    const occasion = occasionOfDueTime(scheduled_for, run);
    return { ...occasion, event: { ...occasion.event, trigger } };
  }
  // Somebody named the activity: no filter is asked.
  const kind =
    trigger === "rerun" || trigger === "replay"
      ? trigger
      : window_id !== null && trigger === "event"
        ? "window"
        : "manual";
  const event = { kind, key: window_id ?? run_id, trigger } as const;
  return { event, envelope, ...(gathered && { gathered }), due: scheduled_for ?? undefined, firedAt, run };
}

/** As the router and the claim judge it, and whether it would come to them at all. A due time is not judged as late. */
export function judgeOccasion({ event, envelope, due }: Occasion, activity: Activity): OccasionVerdict {
  const { trigger } = activity;
  if (event.kind === "event" && envelope !== undefined) {
    if (trigger.type !== "event") return skip("waits_for_no_events", "it runs at due times, and waits for no events");
    const { event_type } = trigger;
    if (!matchesType(event_type, envelope.type))
      return skip("other_type", `it waits for ${event_type.text}, and the event's type is ${envelope.type}`);
  }
  if (event.kind === "due" && due !== undefined) {
    if (trigger.type === "event")
      return skip("no_due_times", `it waits for events of the type ${trigger.event_type.text}, and has no due times`);
    const refusal = findNotDue(trigger.calendar, due);
    if (refusal !== undefined) return refusal;
  }
  const verdict = judge(event, activity);
  if (verdict.do === "skip") return { detail: `the definition is ${verdict.reason}`, ...verdict };
  return event.kind === "event" && envelope !== undefined ? placeEvent(envelope, activity) : verdict;
}

function placeEvent(envelope: EventEnvelope, activity: Activity): OccasionVerdict {
  const placement = createPlacing(envelope)(activity);
  const { outcome, reason = "" } = placement;
  if (outcome === "failed_expression") return skip(outcome, reason);
  const detail = describePlacement(placement, activity.flow);
  if (detail === undefined) return { do: "run" };
  return { do: "run", placed: { outcome: outcome === "collected" || outcome === "queued" ? outcome : "run", detail } };
}

const LEFT_OUT = {
  dst_gap: "stands for a wall time that a clock change removes",
  excepted: "lies on a date that the trigger leaves out",
} as const;

function findNotDue(calendar: Parameters<typeof dueTimes>[0], due: Date): OccasionVerdict | undefined {
  const at = due.toISOString();
  const [found] = dueTimes(calendar, new Date(due.getTime() - 1), due);
  if (found?.skipped) return { do: "skip", reason: found.skipped, detail: `${at} ${LEFT_OUT[found.skipped]}` };
  if (found !== undefined) return undefined;
  const [next] = nextTimesToRun(calendar, due, 1);
  return skip(
    "not_due",
    `it is not due at ${at}: after that it is ${next ? `due at ${next.toISOString()}` : "never due"}`,
  );
}

function skip(reason: Extract<OccasionVerdict, { do: "skip" }>["reason"], detail: string): OccasionVerdict {
  return { do: "skip", reason, detail };
}
