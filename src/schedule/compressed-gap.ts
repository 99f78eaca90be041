/**
 * The gap of `compress`: due times that did not run, and for all of which one run is to stand. Pure.
 *
 * That is a run that is there already, where one came because of the gap; else the gap's latest due time is run.
 */

import { timesToRun } from "../calendar/due-times.ts";
import { PUNCTUAL_MS, type SkippedStretch } from "../calendar/misfire.ts";
import { type DueFacts, type DueRun, mayStillCome, type Segment, wasGoing } from "../occurrence/due-facts.ts";

/** A due time that comes so soon stands for a gap that a long run made. */
const SOON_MS = 60_000;
/** A gap of so many is closed although it may go on: the engine may never start them. */
const LONG = 100;

/** A due time to be run now. */
export interface RunToMake {
  due: Date;
  /** The others of its gap, which go into it. */
  compressed?: SkippedStretch;
}

/** How a gap ends: not yet; in a run that is there; or in one that is to be made. */
type GapEnd = { waitFor: Date } | { into: SkippedStretch } | { run: RunToMake };

export function createCompressedGap({ segments, runs }: Pick<DueFacts, "segments" | "runs">, now: Date) {
  let unrun: Date[] = [];
  let claimed: Date[] = [];

  /** Whether the run behind it stands for it: it came because of it, is what a claim gave way to, or follows a long run. */
  function isCoveredBy(run: DueRun): boolean {
    const latest = unrun.at(-1);
    const gaveWay = claimed.some((due) => latest === undefined || due > latest);
    return gaveWay || isLate(run, segments) || isOfLongRun();
  }

  /** Whether all of it was due while a run before it was going. */
  function isOfLongRun(): boolean {
    return unrun.every((due) => wasGoing(runs, due));
  }

  return {
    /** Its first and its latest due time without a run; undefined when there is none. */
    first: () => unrun[0],
    latest: () => unrun.at(-1),
    /** Adds a due time without a run. */
    add: (due: Date) => void unrun.push(due),
    /** Adds a due time whose run came so late that its claim gave way to a later one. */
    addClaimed: (due: Date) => void claimed.push(due),
    isCoveredBy,

    /** Ends in `run`, which is there; another gap may begin. Answers the stretch that goes into the run, if there is one. */
    endIn({ run_id }: DueRun): SkippedStretch[] {
      const due = [...unrun, ...claimed];
      [unrun, claimed] = [[], []];
      return due.length === 0 ? [] : [{ ...stretchOf(due), into_run: run_id }];
    },

    /** Whether a due time behind it has come that is too young to tell: it may be a part of the gap, or stand for it. */
    mayGoOn(): boolean {
      const { calendar, from } = segments.at(-1) ?? {};
      const latest = unrun.at(-1);
      if (calendar === undefined || from === undefined || latest === undefined || unrun.length >= LONG) return false;
      const soonMs = isOfLongRun() ? SOON_MS : 0;
      const until = new Date(now.getTime() - calendar.misfire.jitterMs + soonMs);
      const ran = new Set(runs.map(({ due }) => due.getTime()));
      const after = new Date(Math.max(latest.getTime(), from.getTime()));
      return timesToRun(calendar, after, until).some((at) => !ran.has(at.getTime()));
    },

    /** For a gap that has due times and does not go on. */
    end(): GapEnd {
      const [first, latest] = [unrun[0] as Date, unrun.at(-1) as Date];
      if (mayStillCome(runs, latest, now)) return { waitFor: first };
      const next = runs.find((run) => run.due > latest && !run.skipped);
      if (next !== undefined && isCoveredBy(next))
        return { into: { ...stretchOf([...unrun, ...claimed]), into_run: next.run_id } };
      const others = [...unrun.slice(0, -1), ...claimed];
      return { run: { due: latest, ...(others.length > 0 && { compressed: stretchOf(others) }) } };
    },
  };
}

/** What the run that stands for a gap is told of it. */
export function describeGap({ first_due, last_due, count }: SkippedStretch): object {
  return { compressed: { count, first_due: first_due.toISOString(), last_due: last_due.toISOString() } };
}

/** Whether a run came late, beyond its jitter, by the version that was in force when it was due. */
function isLate({ due, firedAt }: DueRun, segments: readonly Segment[]): boolean {
  const jitterMs = segments.findLast(({ from }) => from < due)?.calendar?.misfire.jitterMs ?? 0;
  return firedAt.getTime() - due.getTime() - jitterMs > PUNCTUAL_MS;
}

function stretchOf(compressed: readonly Date[]): SkippedStretch {
  const due = compressed.toSorted((a, b) => a.getTime() - b.getTime());
  return { first_due: due[0] as Date, last_due: due.at(-1) as Date, count: due.length, reason: "compressed" };
}
