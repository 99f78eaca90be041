/** What became of a due time, or why there is none, as one sentence with its facts. Pure. */
import { formatDuration } from "../calendar/duration.ts";
import type { SkipReason } from "../calendar/misfire.ts";
import { findNotDue, type NotDue } from "../calendar/not-due.ts";
import { formatLocal } from "../calendar/time-zone.ts";
import { SETTLE_AFTER_MS } from "../occurrence/due-facts.ts";
import { dueKey } from "../occurrence/occurrence.ts";
import {
  type DueTimeExplanation,
  type DueTimeFacts,
  type ExplainedDueTime,
  viewPolicy,
} from "./due-time-explanation.ts";
import { currentVersion, describeTrigger, versionAt, viewActivity } from "./explained-activity.ts";
import { tellWait } from "./explained-flow.ts";
import { formatElapsed, type Told, tellRun, toSentence, withRepeat } from "./explained-run.ts";
import { isSkipReason, tellUnrun } from "./unrun-due-time.ts";

/** The facts, and what follows from them. */
interface Asked extends DueTimeFacts {
  /** As the clocks of the trigger's zone show it. */
  local: string;
  due: ExplainedDueTime | null;
  notDue: NotDue | undefined;
  before: ExplainedDueTime | null;
  after: ExplainedDueTime | null;
  now: Date;
  runRetentionMs: number;
}

type Outcome = DueTimeExplanation["outcome"];

/** @param runRetentionMs how long runs, and the reasons of what did not run, are kept */
export function explainDueTime(facts: DueTimeFacts, now: Date, runRetentionMs: number): DueTimeExplanation {
  const { history, at, around, run, holder, seenPausedAt, events } = facts;
  const calendar = around.segment?.calendar;
  const localOf = (time: Date) => (calendar ? formatLocal(time, calendar.zone) : dueKey(time));
  const viewOf = (time: Date | undefined) => {
    const view = time && facts.views.find(({ scheduled_for }) => scheduled_for === dueKey(time));
    return view === undefined ? null : { ...view, local: localOf(new Date(view.scheduled_for)) };
  };
  const [before, after] = [viewOf(around.previous), viewOf(around.next)];
  const due = withSkip(viewOf(at), around.due?.skipped);
  const notDue = calendar && findNotDue(calendar, at);
  const { outcome, ...told } = tell({ ...facts, local: localOf(at), due, notDue, before, after, now, runRetentionMs });
  return {
    about: "due_time",
    summary: toSentence(told),
    outcome,
    at: dueKey(at),
    activity: viewActivity(history, new Date(at.getTime() - 1)),
    due_time: due,
    not_due: notDue === undefined ? null : { field: notDue.field, explanation: notDue.words },
    ...{ previous: before, next: after, run: run ?? null, holder: holder ?? null, repeated_by: [...facts.repeats] },
    waits_for: facts.waitsFor ?? null,
    policy: calendar === undefined ? null : viewPolicy(calendar, seenPausedAt),
    events: [...events],
  };
}

/** What is left out is known beforehand, and is never to come. */
function withSkip(due: ExplainedDueTime | null, skipped: SkipReason | undefined): ExplainedDueTime | null {
  if (due?.outcome !== "upcoming" || skipped === undefined) return due;
  return { ...due, outcome: "skipped", reason: skipped };
}

function tell(asked: Asked): Told & { outcome: Outcome } {
  const { history, at, due, notDue, now } = asked;
  if (due !== null) return { outcome: due.outcome, ...withRepeat(tellDue(asked, due), asked.repeats) };
  const name = history.activity_name;
  const version = versionAt(history, new Date(at.getTime() - 1));
  if (version === undefined) return { outcome: "not_there", said: tellNotThere(asked) };
  if (notDue === undefined)
    return {
      outcome: "no_due_times",
      said: `${name} ${describeTrigger(version)}: it has no due times`,
      ...tellEvents(asked),
    };
  const neighbours = tellNeighbours(asked);
  // Who asks without a time asks how the activity stands, and not what is wrong with the present second.
  const isOfNow = at.getTime() === now.getTime() && neighbours !== "";
  const why = isOfNow
    ? `${name} is not due at this moment`
    : `${name} ${at > now ? "is" : "was"} not due at ${asked.local}: ${notDue.words}`;
  return { outcome: "not_due", said: `${why}${neighbours}` };
}

function tellNotThere({ history, at }: Asked): string {
  const { activity_name, created_at, deleted_at } = history;
  if (deleted_at !== null && deleted_at < at)
    return `${activity_name} had no due time then: it was deleted at ${deleted_at.toISOString()}`;
  return `${activity_name} had no due time then: it was created later, at ${created_at.toISOString()}`;
}

function tellEvents({ events, history, at }: Asked): Pick<Told, "todo"> {
  const [last] = events.filter(({ received_at }) => Date.parse(received_at) <= at.getTime()).slice(-1);
  const ask = (id: string) => `GET /explain?event_id=${encodeURIComponent(id)}&activity_id=${history.activity_id}`;
  return last === undefined ? {} : { todo: `${ask(last.event_id)} says what came of the last event before` };
}

function tellNeighbours({ before, after, now }: Asked): string {
  const parts: string[] = [];
  if (before !== null) parts.push(`the due time before is ${before.local}, which ${WORDS[before.outcome](before)}`);
  if (after !== null) {
    const isToCome = Date.parse(after.scheduled_for) > now.getTime();
    parts.push(`the next one is ${after.local}${isToCome ? "" : `, which ${WORDS[after.outcome](after)}`}`);
  }
  return parts.map((part) => `; ${part}`).join("");
}

/** What became of a due time, in short: what follows after "which". */
const WORDS: Readonly<Record<ExplainedDueTime["outcome"], (due: ExplainedDueTime) => string>> = {
  run: tellBrieflyOfRun,
  late: tellBrieflyOfRun,
  skipped: ({ reason }) => `was skipped (${reason})`,
  expired: () => "is not kept any more",
  pending: () => "is not accounted for yet",
  upcoming: () => "is to come",
};

function tellBrieflyOfRun({ outcome, run_status, delay_ms }: ExplainedDueTime): string {
  if (run_status === "queued") return "has a run that waits to begin (queued)";
  const late = outcome === "late" ? ` ${formatElapsed(delay_ms ?? 0)} late` : "";
  return run_status === "running" ? `began${late} and still runs` : `ran${late} (${run_status})`;
}

function tellDue(asked: Asked, due: ExplainedDueTime): Told {
  switch (due.outcome) {
    case "run":
    case "late":
      return tellRan(asked, due);
    case "skipped":
      return tellSkipped(asked, due);
    case "expired":
      return tellExpired(asked);
    case "pending":
      return tellPending(asked);
    case "upcoming":
      return tellUpcoming(asked);
  }
}

function tellRan({ history, run, local, waitsFor }: Asked, { delay_ms, outcome, run_id }: ExplainedDueTime): Told {
  const began = `${formatElapsed(delay_ms ?? 0)} after it was due${outcome === "late" ? ", which is late" : ""}`;
  const said = `${history.activity_name} ran for ${local}: run ${run_id} began ${began}`;
  if (run === undefined) return { said };
  const ended = tellRun(run, waitsFor && tellWait(waitsFor));
  if (run.status === "queued")
    return {
      ...ended,
      said: `${history.activity_name} has the run ${run_id} for ${local}, which ${ended.said}`,
    };
  return { ...ended, said: `${said}, and ${ended.said}` };
}

function tellSkipped(asked: Asked, { reason, run_id, run_status, delay_ms }: ExplainedDueTime): Told {
  const { history, local, run, around, at, now } = asked;
  const calendar = around.segment?.calendar;
  const head = `${history.activity_name} did not run at ${local}`;
  if (calendar !== undefined && isSkipReason(reason)) {
    const told = tellUnrun(reason, calendar, asked);
    const subject = `${history.activity_name} ${at > now ? "will" : "did"} not run at ${local}`;
    const late =
      run_status === null
        ? ""
        : ` (its run ${run_id} began ${formatElapsed(delay_ms ?? 0)} after that, and did nothing)`;
    return { ...told, said: `${subject}, ${told.said}${late}` };
  }
  if (run === undefined) return { said: `${head}: it was skipped (${reason})` };
  const ended = tellRun(run);
  return { ...ended, said: `${head}: its run ${run.run_id} ${ended.said}` };
}

function tellExpired({ history, local, sweptRun, runRetentionMs }: Asked): Told {
  const kept = `runs, and the reasons of what did not run, are kept for ${formatDuration(runRetentionMs)}`;
  if (sweptRun !== undefined)
    return {
      said: `${history.activity_name} had the run ${sweptRun} for ${local}, and how that ended is not known any more: ${kept}`,
    };
  return { said: `What became of ${history.activity_name} at ${local} is not known any more: ${kept}` };
}

function tellPending({ history, local, at, now, around, absence, holder }: Asked): Told {
  const { policy = "skip", jitterMs = 0 } = around.segment?.calendar?.misfire ?? {};
  const head = `${history.activity_name} was due at ${local}, ${formatElapsed(now.getTime() - at.getTime())} ago, and is not started yet`;
  if (absence !== undefined && absence.until === undefined)
    return {
      said: `${head}: no worker has looked at due times since ${absence.from.toISOString()}`,
      todo: "/readyz of the workers says what they wait for",
    };
  if (now.getTime() - at.getTime() < SETTLE_AFTER_MS + jitterMs)
    return {
      said: `${head}: Temporal has ${formatDuration(SETTLE_AFTER_MS + jitterMs)} to start it, and after that a worker runs it or records a reason`,
    };
  if (holder !== undefined && holder.finished_at === null)
    return { said: `${head}: it waits for run ${holder.run_id}, which has been running since ${holder.fired_at}` };
  if (policy === "compress")
    return { said: `${head}: under misfire_policy compress one run is made when the gap that it belongs to is over` };
  return {
    said: `${head}: a worker accounts for it within seconds`,
    todo: "if it stays so, the log of the workers says why",
  };
}

function tellUpcoming({ history, local, at, now }: Asked): Told {
  const { activity_name, activity_id } = history;
  const head = `at ${local}, in ${formatElapsed(at.getTime() - now.getTime())}`;
  if (currentVersion(history)?.body.enabled === false)
    return {
      said: `${activity_name} would be due ${head}, and will not run, because the definition is disabled`,
      todo: `PATCH /activity-definitions/${activity_id} with {"enabled": true} enables it`,
    };
  return { said: `${activity_name} is due ${head}` };
}
