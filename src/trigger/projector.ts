/**
 * Brings schedules up to their definitions: reads which are behind, plans, has the engine told, notes what it was told.
 *
 * One process at a time does it. The row is the truth and the note comes last, so a crash between leaves a definition
 * that is behind, and the next round repeats it. An unchanged plan causes no call: an update would discard due times
 * that the engine still holds.
 */

import type { Definition } from "../definition/schema.ts";
import { describeError, TerminalError } from "../errors.ts";
import { createBackoff, sleep } from "../lifecycle.ts";
import type { Log } from "../log.ts";
import { hashPlan, planSchedule, type SchedulePlan, scheduleId } from "./schedule-plan.ts";

/** A definition whose schedule does not stand for its current version. */
export interface StaleProjection {
  definition: Definition;
  deleted: boolean;
  /** The hash of the plan that the engine has; null: it has none. */
  plan_hash: string | null;
}

/** postgres/schedule-projections.ts is behind it. */
export interface ProjectionStore {
  /** Oldest change first, at most `limit`, without the definitions of the ids in `except`. */
  listStale(limit: number, except?: readonly string[]): Promise<StaleProjection[]>;
  markProjected(definition: Definition, planHash: string | null): Promise<void>;
  /** Runs `body` when no other process holds the lock; answers whether it ran. */
  exclusively(body: () => Promise<void>): Promise<boolean>;
  /** Calls back after a definition changed, as soon as the store tells; answers how to stop. */
  onChange(listener: () => void): Promise<() => Promise<void>>;
}

/** temporal/schedules.ts is behind it. */
export interface Scheduler {
  /**
   * Creates the schedule, or makes an existing one equal to the plan.
   * @throws TerminalError when the engine refuses this one; RetryableError when it is away
   */
  upsert(plan: SchedulePlan): Promise<void>;
  /** A schedule that is not there is a success. */
  remove(scheduleId: string): Promise<void>;
}

export interface ProjectorDeps {
  store: ProjectionStore;
  scheduler: Scheduler;
  log: Log;
}

const POLL_MS = 5_000;
const BATCH = 100;

/** Projects until `signal` aborts; never rejects. */
export async function runProjector({ store, scheduler, log }: ProjectorDeps, signal: AbortSignal): Promise<void> {
  let wake: AbortController;
  const backoff = createBackoff();
  let stopListening: (() => Promise<void>) | undefined;
  const refused: Refusals = new Map();

  while (!signal.aborted) {
    wake = new AbortController();
    let waitMs = POLL_MS;
    try {
      stopListening ??= await store.onChange(() => wake.abort());
      await store.exclusively(() => projectStale({ store, scheduler, log }, refused, signal));
      backoff.reset();
    } catch (error) {
      waitMs = backoff.next();
      log.warn({ reason: describeError(error), retry_in_ms: Math.round(waitMs) }, "schedules not brought up to date");
    }
    await sleep(waitMs, AbortSignal.any([signal, wake.signal]));
  }
  await stopListening?.().catch(() => {});
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
        await project(deps, projection);
        refused.delete(id);
      } catch (error) {
        if (!(error instanceof TerminalError)) throw error;
        behind.push(id);
        const reason = describeError(error);
        if (refused.get(id) !== reason) deps.log.error({ definition: id, name, reason }, "schedule refused");
        refused.set(id, reason);
      }
    }
    if (stale.length < BATCH) return;
  }
}

async function project(
  { store, scheduler, log }: ProjectorDeps,
  { definition, deleted, plan_hash }: StaleProjection,
): Promise<void> {
  const plan = deleted ? undefined : planSchedule(definition);
  const wanted = plan === undefined ? null : hashPlan(plan);
  if (wanted !== plan_hash) {
    await (plan === undefined ? scheduler.remove(scheduleId(definition.id)) : scheduler.upsert(plan));
    log.info(
      { definition: definition.id, name: definition.name, paused: plan?.paused },
      plan ? "schedule set" : "schedule removed",
    );
  }
  await store.markProjected(definition, wanted);
}
