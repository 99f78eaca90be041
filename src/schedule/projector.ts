/**
 * Brings schedules up to their definitions: reads which are behind, plans, has the engine told, notes what it was told.
 *
 * One process at a time does it. The row is the truth and the note comes last, so a crash between leaves a definition
 * that is behind, and the next round repeats it. An unchanged plan causes no call: an update would discard due times
 * that the engine still holds.
 */
import type { Definition } from "../definition/schema.ts";
import type { Chore } from "../kernel/chore.ts";
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { createBackoff } from "../kernel/wait.ts";
import {
  isTold,
  judgeSchedule,
  type ScheduleJudgement,
  type StandingSchedule,
  TOLD_NOTHING,
  type ToldSchedule,
} from "./drift.ts";
import { hashPlan, planSchedule, type SchedulePlan, scheduleId } from "./plan.ts";

/** A definition, and what the engine was told of it. */
export interface Projection {
  definition: Definition;
  deleted: boolean;
  /** When the due time of a one-shot was accounted for. */
  done_at: Date | null;
  told: ToldSchedule;
}

/** postgres/schedule/projection-store.ts is behind it. */
export interface ProjectionStore {
  /**
   * Those that are not told of their definition's version, or have a one-shot's schedule that is not needed any more:
   * oldest change first, at most `limit`, without the definitions of the ids in `except`.
   */
  listStale(limit: number, except?: readonly string[]): Promise<Projection[]>;
  /** Of every definition that has a schedule or may still have one, and of the definitions with these ids; by id. */
  listAll(ids: readonly string[]): Promise<Projection[]>;
  markProjected(definitionId: string, told: ToldSchedule): Promise<void>;
  /** For a sync: runs `body` as soon as nobody holds the lock. @throws the reason of `signal`, while it waits */
  inTurn<T>(body: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Calls back soon after a definition changed; answers how to stop that. */
  onChange(listener: () => void): Promise<() => Promise<void>>;
}

/**
 * temporal/schedules.ts is behind it. What stands under our id and is not ours is left alone (I6).
 * @throws TerminalError `schedule_foreign`, `schedule_refused`; RetryableError `temporal_unavailable`, and
 *   `schedule_conflict` when somebody changed the schedule at the same time: look again
 */
export interface Scheduler {
  /** Undefined when it is not there. */
  describe(scheduleId: string): Promise<StandingSchedule | undefined>;
  create(plan: SchedulePlan): Promise<StandingSchedule>;
  /** Makes it equal to the plan, but for the pause. */
  update(plan: SchedulePlan, paused: boolean, standing: StandingSchedule): Promise<StandingSchedule>;
  setPaused(standing: StandingSchedule, paused: boolean): Promise<StandingSchedule>;
  /** False when it was not there. */
  remove(scheduleId: string): Promise<boolean>;
}

export interface ProjectorDeps {
  store: ProjectionStore;
  scheduler: Scheduler;
  log: Log;
}

const POLL_MS = 5_000;
/** Another process was at it, or a sync: what changed meanwhile may have been missed by it. */
const ASK_AGAIN_MS = 500;
const BATCH = 100;
const CONFLICTS = 3;

/** One process at a time, and not beside a sync: what a sync changed, it tells the engine itself, and its answer counts it. */
export function createProjectorChore(deps: ProjectorDeps): Chore {
  const refused: Refusals = new Map();
  return {
    name: "projector",
    everyMs: POLL_MS,
    elsewhereMs: ASK_AGAIN_MS,
    backoff: createBackoff(),
    listen: deps.store.onChange,
    failed: "schedules not brought up to date",
    round: (signal) => projectStale(deps, refused, signal),
  };
}

/** Why the engine refused a definition's schedule, by definition id: each reason is logged once. */
type Refusals = Map<string, string>;

/** One round. A schedule that the engine refuses stays behind, and holds up no other: the next round asks again. */
async function projectStale(deps: ProjectorDeps, refused: Refusals, signal: AbortSignal): Promise<void> {
  const behind: string[] = [];
  for (;;) {
    const stale = await deps.store.listStale(BATCH, behind);
    for (const projection of stale) {
      if (signal.aborted) return;
      const { id, name } = projection.definition;
      try {
        await project(deps, projection, new Date());
        refused.delete(id);
      } catch (error) {
        if (!(error instanceof TerminalError)) throw error;
        behind.push(id);
        const reason = describeError(error);
        if (refused.get(id) !== reason)
          deps.log.error({ activity_id: id, activity_name: name, reason }, "schedule refused");
        refused.set(id, reason);
      }
    }
    if (stale.length < BATCH) return;
  }
}

async function project(deps: ProjectorDeps, projection: Projection, now: Date): Promise<void> {
  const { definition, deleted, done_at, told } = projection;
  const { id, version } = definition;
  const plan = deleted ? undefined : planSchedule(definition, now, done_at);
  if (plan === undefined ? told.plan_hash === null : isTold(plan, told))
    await deps.store.markProjected(id, { ...told, version });
  else if (plan === undefined) await takeDown(deps, projection);
  else await bringUp(deps, projection, plan);
}

/** Sees to it that there is no schedule; answers whether there was one. */
export async function takeDown({ store, scheduler, log }: ProjectorDeps, { definition }: Projection): Promise<boolean> {
  const { id, name, version } = definition;
  const removed = await unlessForeign(false, () => scheduler.remove(scheduleId(id)));
  if (removed) log.info({ activity_id: id, activity_name: name }, "schedule removed");
  await store.markProjected(id, { ...TOLD_NOTHING, version });
  return removed;
}

/** `none` where a schedule stands that is not ours: whoever wants ours to be gone, or to know of it, finds that it is. */
export async function unlessForeign<T>(none: T, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (error instanceof TerminalError && error.code === "schedule_foreign") return none;
    throw error;
  }
}

/** Makes the schedule what the plan says, and notes it; answers what it took. */
export async function bringUp(
  { store, scheduler, log }: ProjectorDeps,
  { definition, told }: Projection,
  plan: SchedulePlan,
): Promise<ScheduleJudgement> {
  for (let conflicts = 0; ; conflicts++) {
    try {
      const standing = await scheduler.describe(plan.schedule_id);
      const judgement = judgeSchedule(plan, told, standing);
      // That a pause is ours is noted first. Otherwise, after a crash, it would count as somebody else's, and would stay when the
      // definition is enabled.
      if (plan.paused && !told.paused && told.plan_hash !== null)
        await store.markProjected(definition.id, { ...told, paused: true, engine_hash: null });
      const { engine_hash, paused } = await carryOut(scheduler, plan, judgement, standing);
      const { step, drift } = judgement;
      const { id, name, version } = definition;
      if (step.do !== "nothing")
        log.info(
          { activity_id: id, activity_name: name, change: step.do, paused, ...(drift.length > 0 && { drift }) },
          "schedule set",
        );
      const now: ToldSchedule = { version, plan_hash: hashPlan(plan), paused: plan.paused, engine_hash };
      if (!Bun.deepEquals(now, told)) await store.markProjected(id, now);
      return judgement;
    } catch (error) {
      const again = error instanceof RetryableError && error.code === "schedule_conflict" && conflicts < CONFLICTS;
      if (!again) throw error;
    }
  }
}

async function carryOut(
  scheduler: Scheduler,
  plan: SchedulePlan,
  { step }: ScheduleJudgement,
  standing: StandingSchedule | undefined,
): Promise<StandingSchedule> {
  if (standing === undefined || step.do === "create") return scheduler.create(plan);
  if (step.do === "nothing") return standing;
  if (step.do === "update") return scheduler.update(plan, step.paused, standing);
  return scheduler.setPaused(standing, step.do === "pause");
}
