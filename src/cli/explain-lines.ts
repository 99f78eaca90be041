/** An explanation as a person reads it: the sentence, and the facts behind it. Pure. */
import type { DueTimeExplanation, ExplainedDueTime } from "../explain/due-time-explanation.ts";
import type { EventExplanation, TriggerFindings } from "../explain/event-explanation.ts";
import type { ExplainedActivity } from "../explain/explained-activity.ts";
import type { ExplainedRun } from "../explain/explained-run.ts";
import { formatTable } from "./table.ts";

type Row = readonly string[];

export function toLines(explanation: EventExplanation | DueTimeExplanation): string[] {
  const rows = explanation.about === "event" ? rowsOfEvent(explanation) : rowsOfDueTime(explanation);
  return [explanation.summary, ...formatTable(rows.map((row) => [`  ${row[0]}`, ...row.slice(1)]))];
}

function rowsOfEvent({ summary: said, event, activity, trigger, run, nearest, activities }: EventExplanation): Row[] {
  return [
    ...(event === null ? [] : [["event", `${event.type ?? "no type"}, ${event.outcome}, ${event.received_at}`]]),
    ...rowsOfActivity(activity),
    ...(trigger === null ? [] : rowsOfTrigger(trigger)),
    ...rowsOfRun("run", run),
    ...(nearest === null ? [] : [["nearest", `${nearest.event_type}, of ${nearest.activity_name}`]]),
    ...activities.map(({ activity_name, outcome, summary }) => [
      activity_name,
      // The sentence of the only activity is that of the event, and stands above already.
      summary === said ? outcome : `${outcome}: ${summary}`,
    ]),
  ];
}

function rowsOfDueTime({ activity, due_time, previous, next, policy, run, holder, events }: DueTimeExplanation): Row[] {
  return [
    ...rowsOfDue("due", due_time),
    ...rowsOfActivity(activity),
    ...(policy === null ? [] : [["policy", `${policy.misfire_policy}, ${policy.timezone}`]]),
    ...rowsOfRun("run", run),
    ...rowsOfRun("holder", holder),
    ...rowsOfDue("before", previous),
    ...rowsOfDue("after", next),
    ...events.map(({ event_id, type, outcome, received_at }) => [
      "event",
      `${event_id}, ${type}, ${outcome}, ${received_at}`,
    ]),
  ];
}

function rowsOfActivity(activity: ExplainedActivity | null): Row[] {
  if (activity === null) return [];
  const { activity_name, activity_id, current, in_force } = activity;
  const describe = (version: ExplainedActivity["current"]) =>
    version === null
      ? "none"
      : `${version.version}, ${version.enabled ? "enabled" : "disabled"}, ${version.event_type ?? version.trigger_type}, of ${version.written_at}`;
  return [
    ["activity", `${activity_name}, ${activity_id}`],
    ["version now", describe(current)],
    ...(in_force?.version === current?.version ? [] : [["version then", describe(in_force)]]),
  ];
}

function rowsOfTrigger({ filters, condition }: TriggerFindings): Row[] {
  return [
    ...filters.map(({ path, wanted, actual, holds }) => [
      "filter",
      `${path}: wants ${wanted}, is ${actual ?? "missing"}${holds ? "" : "  <- does not hold"}`,
    ]),
    ...(condition === null ? [] : [["condition", condition.explanation]]),
  ];
}

function rowsOfRun(title: string, run: ExplainedRun | null): Row[] {
  if (run === null) return [];
  const { run_id, status, fired_at, version_used } = run;
  const since = `${status === "queued" ? "waits since" : "began"} ${fired_at}`;
  return [[title, `${run_id}, ${status}, ${since}, version ${version_used}`]];
}

function rowsOfDue(title: string, due: ExplainedDueTime | null): Row[] {
  if (due === null) return [];
  const { local, outcome, reason } = due;
  return [[title, `${local}, ${outcome}${reason === null ? "" : ` (${reason})`}`]];
}
