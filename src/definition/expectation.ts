/** What a definition expects of its runs (`expect`): what may be written, and whether it is watched. Pure. */
import { compileCalendar } from "../calendar/calendar.ts";
import { timesToRun } from "../calendar/due-times.ts";
import { findDurationFaults, parseDuration } from "../calendar/duration.ts";
import { DAY_MS } from "../calendar/wall-times.ts";
import type { Fault } from "../kernel/errors.ts";
import type { DefinitionBody, DefinitionInput } from "./schema.ts";

/** A due time that the engine missed is run some twenty seconds later: to expect more would say nothing. */
const MIN_SUCCESS_WITHIN_MS = 30_000;
const PATH = "/expect/success_within";
/** So many due times, or those of so long, are looked at for the shortest time between two. */
const SAMPLED = 100;
const SAMPLED_DAYS = 800;

/** Milliseconds of silence after which the activity is overdue; undefined where it is not watched. */
export function watchedWithinMs({
  enabled,
  deleted_at,
  body,
}: {
  /** As it counts. */
  enabled: boolean;
  deleted_at: Date | null;
  body: DefinitionBody;
}): number | undefined {
  // The runs of a shadow do nothing, so none of them succeeds.
  if (!enabled || deleted_at !== null || body.shadow || body.expect === undefined) return undefined;
  return parseDuration(body.expect.success_within);
}

/** What is wrong with the expectation of a definition whose shape and trigger are right. */
export function findExpectationFaults({ expect, trigger_config }: DefinitionInput, now = new Date()): Fault[] {
  if (expect === undefined) return [];
  const { success_within } = expect;
  const faults = findDurationFaults(success_within, PATH, MIN_SUCCESS_WITHIN_MS);
  if (faults.length > 0 || trigger_config.trigger_type === "event") return faults;
  const period = shortestPeriod(trigger_config, now);
  if (period === undefined || parseDuration(success_within) >= period) return [];
  const minutes = Math.round(period / 6_000) / 10;
  const message = `is shorter than the time between any two due times, which is ${minutes} minutes at least: the activity would be overdue each time`;
  return [{ path: PATH, message }];
}

/** Milliseconds between two due times of the next ones; undefined where there are no two. */
function shortestPeriod(
  trigger: Exclude<DefinitionBody["trigger_config"], { trigger_type: "event" }>,
  now: Date,
): number | undefined {
  const until = new Date(now.getTime() + SAMPLED_DAYS * DAY_MS);
  const times = timesToRun(compileCalendar(trigger), now, until).take(SAMPLED).toArray();
  const periods = times.slice(1).map((time, index) => time.getTime() - (times[index] as Date).getTime());
  return periods.length === 0 ? undefined : Math.min(...periods);
}
