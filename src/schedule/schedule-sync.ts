/**
 * The sync's stage of schedules: goes over all definitions, brings up what is behind, repairs what somebody did behind
 * our back, and deletes schedules of ours that nobody wants.
 *
 * A description takes the engine some milliseconds, a listing of all schedules hardly more. So the listing, which shows
 * times, pause and presence but lags a little and leaves out policies and actions, says which schedules have to be
 * looked at closely. The others are described too: all of them where they are few, and else in turn, sync after sync.
 */
import pLimit from "p-limit";
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import { type DriftKind, isTold, judgeSchedule } from "./drift.ts";
import { planSchedule, type SchedulePlan, scheduleId } from "./plan.ts";
import { bringUp, type Projection, type ProjectorDeps, type Scheduler, takeDown, unlessForeign } from "./projector.ts";

/** What somebody else did to a schedule of ours. */
export interface ScheduleDrift {
  schedule_id: string;
  activity_id: string;
  what: DriftKind;
  /** A pause is honoured; and a dry run repairs nothing. */
  repaired: boolean;
}

export interface ScheduleSyncReport {
  /** Created, updated, paused or unpaused. */
  upserted: number;
  unchanged: number;
  /** Schedules that stand paused because their definition is disabled. */
  paused: number;
  /** Schedules of ours whose definition is not there, or is deleted. */
  orphans_deleted: number;
  /** Schedules of definitions that have none any more: a one-shot that is accounted for, or another trigger. */
  removed: number;
  drift: ScheduleDrift[];
  /** Of single schedules, by their definition's name; none of them stopped the others. */
  errors: { subject: string; message: string }[];
}

/**
 * Brings the schedules of all definitions up to date; with `dryRun` it changes nothing, and answers what it would do.
 * @throws RetryableError when the schedules or the definitions cannot be listed; the reason of `signal`
 */
export type ScheduleSync = (options: { dryRun: boolean; signal: AbortSignal }) => Promise<ScheduleSyncReport>;

/** A schedule of ours, as the engine showed it a moment ago. */
export interface ListedSchedule {
  schedule_id: string;
  paused: boolean;
  /** Whether it can be the plan's, as far as a listing tells. */
  looksLike(plan: SchedulePlan): boolean;
}

/** temporal/schedules.ts is behind it. */
export interface ScheduleLister {
  /** All schedules with our id prefix and memo. The list is eventually consistent. */
  list(): Promise<ListedSchedule[]>;
}

export interface ScheduleSyncDeps extends ProjectorDeps {
  scheduler: Scheduler & ScheduleLister;
}

interface Work {
  projection: Projection;
  /** Undefined when no schedule is wanted. */
  plan: SchedulePlan | undefined;
}

const AT_ONCE = 16;
/** Of the schedules that look right, so many are described in every sync, and then as many as the time allows. */
const DESCRIBED = { always: 50, forMs: 700 } as const;
/** When so many in a row found the engine away, the others are not tried. */
const GIVE_UP_AFTER = 16;
const ID_PREFIX = scheduleId("");

export function createScheduleSync(
  deps: ScheduleSyncDeps,
  { always, forMs }: { always: number; forMs: number } = DESCRIBED,
): ScheduleSync {
  const { store, scheduler, log } = deps;
  /** Where the next sync begins among those that look right: a part of them. */
  let turn = Math.random();

  return ({ dryRun, signal }) =>
    store.inTurn(async () => {
      const listed = new Map((await scheduler.list()).map((schedule) => [schedule.schedule_id, schedule]));
      // Read after the listing, so that a listed schedule without a row is one whose row is gone.
      const projections = await store.listAll([...listed.keys()].map((id) => id.slice(ID_PREFIX.length)));
      const now = new Date();
      const work = projections.map((projection): Work => {
        const { definition, deleted, done_at } = projection;
        return { projection, plan: deleted ? undefined : planSchedule(definition, now, done_at) };
      });
      const orphans = new Set(listed.keys());
      for (const { definition } of projections) orphans.delete(scheduleId(definition.id));
      const { right = [], wrong = [] } = Object.groupBy(work, (item) => judgeListing(item, listed));

      const round = startRound(deps, dryRun, signal);
      await round.each(wrong, ({ projection }) => projection.definition.name, round.settle);
      await round.each([...orphans], (id) => id, round.deleteOrphan);

      const first = Math.round(turn * right.length);
      const until = Date.now() + forMs;
      let described = 0;
      await round.each(
        [...right.slice(first), ...right.slice(0, first)],
        ({ projection }) => projection.definition.name,
        (item) => {
          if (described >= always && Date.now() > until) return round.trust(item);
          described++;
          return round.settle(item);
        },
      );
      turn = right.length === 0 ? turn : ((first + described) / right.length) % 1;

      for (const drift of round.report.drift) log.warn({ ...drift }, "a schedule was changed behind our back");
      return round.report;
    }, signal);
}

/** What the listing says: nothing to do, as it seems; a reason to look closer; or no schedule, and none wanted. */
function judgeListing({ projection, plan }: Work, listed: ReadonlyMap<string, ListedSchedule>) {
  const { definition, told } = projection;
  const shown = listed.get(scheduleId(definition.id));
  if (plan === undefined) return told.plan_hash === null && shown === undefined ? "none" : "wrong";
  const isRight = shown !== undefined && isTold(plan, told) && shown.paused === plan.paused && shown.looksLike(plan);
  return isRight ? "right" : "wrong";
}

/** What is done with each schedule, and the report that comes of it. */
function startRound(deps: ScheduleSyncDeps, dryRun: boolean, signal: AbortSignal) {
  const { scheduler } = deps;
  const report: ScheduleSyncReport = {
    upserted: 0,
    unchanged: 0,
    paused: 0,
    orphans_deleted: 0,
    removed: 0,
    drift: [],
    errors: [],
  };
  let awayInRow = 0;

  async function isThere(id: string): Promise<boolean> {
    return (await unlessForeign(undefined, () => scheduler.describe(id))) !== undefined;
  }

  async function settle({ projection, plan }: Work): Promise<void> {
    const { definition, deleted, told } = projection;
    const id = scheduleId(definition.id);
    if (plan === undefined) {
      const was = dryRun ? await isThere(id) : await takeDown(deps, projection);
      if (was && deleted) report.orphans_deleted++;
      else if (was) report.removed++;
      return;
    }
    const { step, drift } = dryRun
      ? judgeSchedule(plan, told, await scheduler.describe(id))
      : await bringUp(deps, projection, plan);
    if (step.do === "nothing") report.unchanged++;
    else report.upserted++;
    if (plan.paused) report.paused++;
    for (const what of drift)
      report.drift.push({
        schedule_id: id,
        activity_id: definition.id,
        what,
        repaired: what !== "paused" && !dryRun,
      });
  }

  /** Counts a schedule that is not described in this sync. */
  async function trust({ plan }: Work): Promise<void> {
    report.unchanged++;
    if (plan?.paused) report.paused++;
  }

  /** The listing may be late: the engine is asked again before it goes. */
  async function deleteOrphan(id: string): Promise<void> {
    const was = dryRun ? await isThere(id) : await unlessForeign(false, () => scheduler.remove(id));
    if (was) report.orphans_deleted++;
  }

  /** Handles some items at once. What fails with one of them is reported, and does not stop the others. */
  async function each<T>(items: readonly T[], subjectOf: (item: T) => string, body: (item: T) => Promise<void>) {
    let passedOver = 0;
    let failure: { error: unknown } | undefined;
    await pLimit(AT_ONCE).map(items, async (item) => {
      if (failure !== undefined || awayInRow >= GIVE_UP_AFTER) {
        passedOver++;
        return;
      }
      try {
        signal.throwIfAborted();
        await body(item);
        awayInRow = 0;
      } catch (error) {
        if (error instanceof RetryableError) awayInRow++;
        else if (!(error instanceof TerminalError)) failure ??= { error };
        report.errors.push({ subject: subjectOf(item), message: describeError(error) });
      }
    });
    if (failure) throw failure.error;
    if (passedOver > 0) {
      const why = `the engine failed with ${GIVE_UP_AFTER} in a row; sync again when it answers`;
      report.errors.push({ subject: "schedules", message: `${passedOver} were not looked at: ${why}` });
    }
  }

  return { report, settle, trust, deleteOrphan, each };
}
