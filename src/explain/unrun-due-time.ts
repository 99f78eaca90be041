/** Why a due time has no run, in words: a part of a sentence for each reason that it may be skipped for. Pure. */
import type { Calendar } from "../calendar/calendar.ts";
import { compileCalendar } from "../calendar/calendar.ts";
import { timesToRun } from "../calendar/due-times.ts";
import { formatDuration } from "../calendar/duration.ts";
import { SKIP_REASONS, type SkipReason } from "../calendar/misfire.ts";
import { formatLocal } from "../calendar/time-zone.ts";
import type { DueTimeFacts } from "./due-time-explanation.ts";
import { currentVersion, versionAt } from "./explained-activity.ts";
import type { ExplainedRun, Told } from "./explained-run.ts";

export function isSkipReason(reason: string | null): reason is SkipReason {
  return SKIP_REASONS.some((known) => known === reason);
}

/** What follows after "NAME did not run at TIME, ". @param calendar of the version that counted then */
export function tellUnrun(reason: SkipReason, calendar: Calendar, facts: DueTimeFacts): Told {
  const { history, at, run, holder, absence, seenPausedAt } = facts;
  const { policy, graceMs, catchupWindowMs } = calendar.misfire;
  const again = tellHowToRun(facts);
  switch (reason) {
    case "missed":
      return {
        said: `because nothing started it when it was due${tellAbsence(absence, at)}, and misfire_policy ${policy} runs nothing that is more than ${formatDuration(graceMs)} late or that a later due time has followed`,
        todo: `${again}, and misfire_policy catchup or compress would make up for such times by itself`,
      };
    case "overlap":
      return { said: `because ${tellHolder(holder)} was still going`, todo: again };
    case "compressed":
      return { said: tellCompressed(run), todo: "misfire_policy catchup would run each of them" };
    case "outside_catchup_window":
      return {
        said: `because nothing started it within its catchup_window of ${formatDuration(catchupWindowMs)}`,
        todo: again,
      };
    case "paused":
      return {
        said: `because somebody had paused its schedule in Temporal${seenPausedAt === null ? "" : `, which was seen last at ${seenPausedAt.toISOString()}`}`,
        todo: `${again}; the pause ends in Temporal's Web UI`,
      };
    case "disabled":
      return { said: tellDisabled(facts), todo: tellHowToEnable(facts, again) };
    case "dst_gap":
      return {
        said: "because clocks were put forward then, and the definition leaves out what that removes (dst_gap: skip)",
        todo: "dst_gap: run would run it at the end of the gap",
      };
    case "excepted":
      return {
        said: `because the definition leaves out the date ${formatLocal(at, calendar.zone).slice(0, 10)} (except)`,
        todo: `POST /activity-definitions/${history.activity_id}/trigger runs it by hand`,
      };
  }
}

/** A backfill runs what the current version names; anything else is triggered by hand. */
function tellHowToRun({ history, at }: DueTimeFacts): string {
  const { activity_id } = history;
  const trigger = currentVersion(history)?.body.trigger_config;
  if (trigger === undefined) return "the definition is deleted, so it cannot be run any more";
  const before = new Date(at.getTime() - 1);
  const isDueNow = trigger.trigger_type !== "event" && !timesToRun(compileCalendar(trigger), before, at).next().done;
  const time = at.toISOString();
  if (isDueNow)
    return `POST /activity-definitions/${activity_id}/backfill with {"from": "${time}", "to": "${time}"} runs it now`;
  return `POST /activity-definitions/${activity_id}/trigger runs the activity now`;
}

function tellHowToEnable({ history }: DueTimeFacts, again: string): string {
  if (currentVersion(history)?.body.enabled !== false) return again;
  if (history.retired_at !== null) return "the file that made the definition is gone: put it back, and sync";
  return `PATCH /activity-definitions/${history.activity_id} with {"enabled": true} enables it, and what is due from then on runs`;
}

function tellDisabled({ history, at }: DueTimeFacts): string {
  const version = versionAt(history, new Date(at.getTime() - 1));
  if (version?.body.enabled !== false) return "because the definition was disabled before it was run";
  return `because the definition was disabled then (version ${version.version}, of ${version.written_at.toISOString()})`;
}

function tellAbsence(absence: DueTimeFacts["absence"], at: Date): string {
  if (absence === undefined || at <= absence.from || (absence.until !== undefined && at > absence.until)) return "";
  const until = absence.until === undefined ? "" : ` until ${absence.until.toISOString()}`;
  return ` (no worker looked at due times from ${absence.from.toISOString()}${until})`;
}

function tellHolder(holder: ExplainedRun | undefined): string {
  if (holder === undefined) return "the run before it";
  const { run_id, fired_at, finished_at } = holder;
  return `the run before it, ${run_id}, ${finished_at === null ? `which has been running since ${fired_at},` : `which ran from ${fired_at} to ${finished_at},`}`;
}

function tellCompressed(run: ExplainedRun | undefined): string {
  if (run === undefined || run.status === "skipped")
    return "because a later due time stands for it and the others of its gap (misfire_policy compress)";
  return `because run ${run.run_id}, of ${run.scheduled_for}, stands for it and the others of its gap (misfire_policy compress)`;
}
