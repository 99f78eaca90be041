/**
 * The one sync: at start-up, at an interval, over REST and from the command line.
 *
 *   lock → read the trees → plan → one transaction → schedules → history
 *
 * One sync at a time, anywhere; others wait. A stage that fails is an error of the answer, and the next one runs.
 */
import { ActcoreError, describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { inTime } from "../kernel/wait.ts";
import type { ScheduleSync } from "../schedule/schedule-sync.ts";
import type { ConfiguredTree } from "./cut-files.ts";
import { DOCUMENT_STAGES, type DocumentStage, type Write } from "./document-row.ts";
import { type Plan, planSync } from "./plan.ts";
import { addErrors, addPlan, addWrites, beginReport, noteHeld, noteNotAsked, type SyncReport } from "./report.ts";
import { planRollback, treesOf } from "./rollback.ts";
import type { SyncStore } from "./store.ts";
import type { Stage } from "./sync-error.ts";

export interface SyncRequest {
  definitions: boolean;
  event_types: boolean;
  hooks: boolean;
  schedules: boolean;
  /** Answers the plan and changes nothing. */
  dryRun: boolean;
  /** Retires however much has vanished. */
  force: boolean;
  /** `start`, `interval`, `cli`, `key:{name}` or `anonymous`. */
  actor: string;
  /** Hears what is planned to be written, each time that it is planned. */
  onPlan?(writes: readonly Write[]): void;
}

export interface SyncService extends Pick<SyncStore, "list" | "find"> {
  /** @throws RetryableError `postgres_unavailable`; the reason of `signal` */
  sync(request: SyncRequest, signal: AbortSignal): Promise<SyncReport>;
  /**
   * Puts back what a sync changed, and holds its trees until `release`.
   * @throws TerminalError `not_found`, `sync_not_newest`, `sync_changed_nothing`, `name_taken`; RetryableError
   *   `sync_conflict`, `postgres_unavailable`; the reason of `signal`
   */
  rollback(syncId: string, actor: string, signal: AbortSignal): Promise<SyncReport>;
  /** The trees that are free now. @throws TerminalError `not_found` when the sync holds none */
  release(syncId: string, actor: string): Promise<string[]>;
}

export interface SyncDeps {
  /** Absolute paths. */
  directories: readonly string[];
  readTree(directory: string): Promise<Omit<ConfiguredTree, "tree">>;
  /** Milliseconds. */
  readWithinMs?: number;
  store: SyncStore;
  /** Rejects while the engine is away. */
  schedules: ScheduleSync;
  /** Hears how each sync ended that was no dry run; of a release, how many trees are still held. */
  onEnd(end: { report: SyncReport } | { error: unknown; actor: string } | { held: number }): void;
  log: Log;
}

/** A row that changes under the plan is planned anew; so often at most. */
const ATTEMPTS = 5;
/** For the largest tree it takes less. A mount that hangs must not keep the lock, which every projector waits for. */
const READ_WITHIN_MS = 120_000;

export function createSyncService(deps: SyncDeps): SyncService {
  const { directories, readTree, readWithinMs = READ_WITHIN_MS, store, schedules, onEnd, log } = deps;
  const trees = [...new Set(directories)];
  let loggedTrees = "";
  let loggedErrors = new Set<string>();

  async function syncNow(request: SyncRequest, signal: AbortSignal): Promise<SyncReport> {
    const report = beginReport(request.actor, request.dryRun);
    const startedMs = performance.now();
    const stages = DOCUMENT_STAGES.filter((stage) => request[stage]);
    if (stages.length > 0)
      await runStage(report, stages[0] as DocumentStage, signal, () => syncDocuments(report, request, stages));
    if (request.schedules) await runStage(report, "schedules", signal, () => syncSchedules(report, signal));
    return finish(report, startedMs);
  }

  async function syncDocuments(report: SyncReport, request: SyncRequest, stages: DocumentStage[]) {
    const { force, actor } = request;
    const read = await Promise.all(trees.map(async (tree) => ({ tree, ...(await readInTime(tree)) })));
    const names = read.flatMap(({ documents }) => documents.map(({ body }) => body.name));
    noteHeld(report, await store.listHeld());
    const { held } = report;
    for (let attempt = 1; ; attempt++) {
      const stored = await store.listRows(DOCUMENT_STAGES, names);
      const facts = { trees: read, stored, held, now: new Date() };
      const plan = planSync({ ...facts, stages, force });
      request.onPlan?.(plan.writes);
      const planned = structuredClone(report);
      addPlan(planned, plan, stages);
      for (const stage of DOCUMENT_STAGES.filter((each) => !stages.includes(each)))
        noteNotAsked(planned, stage, planSync({ ...facts, stages: [stage], force: true }).writes);
      try {
        if (!report.dry_run && plan.writes.length > 0) await store.apply(plan.writes, { actor, report: planned });
      } catch (error) {
        if (attempt < ATTEMPTS && isConflict(error)) continue;
        throw error;
      }
      logTrees(
        plan,
        stored.map(({ tree }) => tree),
      );
      Object.assign(report, planned);
      return;
    }
  }

  /** Of one that hangs nothing is known: nothing of it is touched. */
  function readInTime(tree: string): ReturnType<SyncDeps["readTree"]> {
    const late = new RetryableError("tree_hangs", `could not be read within ${readWithinMs / 1000} s`);
    return inTime(readTree(tree), readWithinMs, () => late).catch((error) => {
      if (error !== late) throw error;
      return { documents: [], faults: [{ source: "file:", subject: tree, message: late.message }] };
    });
  }

  async function syncSchedules(report: SyncReport, signal: AbortSignal): Promise<void> {
    const { upserted, unchanged, paused, orphans_deleted, removed, drift, errors } = await schedules({
      dryRun: report.dry_run,
      signal,
    });
    report.schedules = { upserted, unchanged, paused, orphans_deleted };
    report.schedules_removed = removed;
    report.drift = drift;
    addErrors(
      report,
      errors.map((error) => ({ stage: "schedules" as const, ...error })),
    );
  }

  async function runStage(report: SyncReport, stage: Stage, signal: AbortSignal, run: () => Promise<void>) {
    try {
      await run();
    } catch (error) {
      if (error instanceof RetryableError && error.code === "postgres_unavailable") throw error;
      signal.throwIfAborted();
      if (!(error instanceof ActcoreError)) log.error({ error, stage }, "a stage of the sync failed unexpectedly");
      addErrors(report, [{ stage, subject: stage, message: describeError(error) }]);
    }
  }

  async function finish(report: SyncReport, startedMs: number): Promise<SyncReport> {
    report.duration_ms = Math.round(performance.now() - startedMs);
    if (report.dry_run) return report;
    if (report.changes_total > 0 || report.errors_total > 0) await store.record(report);
    logReport(report);
    onEnd({ report });
    return report;
  }

  /** Changed directories explain what is retired or adopted. */
  function logTrees({ unconfigured }: Plan, stored: readonly (string | null)[]): void {
    const fresh = trees.filter((tree) => !stored.includes(tree));
    const text = JSON.stringify([unconfigured, fresh]);
    if (text !== loggedTrees && unconfigured.length > 0)
      log.info({ no_longer_configured: unconfigured, new: fresh }, "the directories of definitions were changed");
    loggedTrees = text;
  }

  function logReport({ sync_id, actor, duration_ms, ...report }: SyncReport): void {
    const { definitions, event_types, hooks, schedules, errors, held, changes_total } = report;
    const lines = errors.map((error) => [JSON.stringify(error), error] as const);
    for (const [text, error] of lines) if (!loggedErrors.has(text)) log.warn(error, "not synced");
    loggedErrors = new Set(lines.map(([text]) => text));
    const changed = changes_total + schedules.upserted + schedules.orphans_deleted > 0;
    log[changed ? "info" : "debug"](
      { sync_id, actor, duration_ms, definitions, event_types, hooks, schedules, errors: report.errors_total, held },
      "synced",
    );
  }

  async function rollbackNow(syncId: string, actor: string, signal: AbortSignal): Promise<SyncReport> {
    const startedMs = performance.now();
    const past = await store.find(syncId);
    if (past === undefined) throw new TerminalError("not_found", `sync ${syncId} is not there`);
    if (past.summary.rolled_back !== null)
      throw new TerminalError("sync_not_newest", `sync ${syncId} is a rollback itself`, {
        hint: "release its trees and sync: the files then count again",
      });
    if (past.writes.length === 0)
      throw new TerminalError("sync_changed_nothing", `sync ${syncId} changed nothing that could be put back`);
    const hold = treesOf(past.writes);
    const later = await store.findLaterChange(syncId, hold);
    if (later !== undefined)
      throw new TerminalError("sync_not_newest", `sync ${later} changed the same files after sync ${syncId}`, {
        hint: "only the newest sync of a tree can be rolled back",
      });
    const report = { ...beginReport(actor, false), rolled_back: syncId };
    const { writes, errors } = planRollback(past.writes, await store.findRows(past.writes.map(({ id }) => id)));
    addErrors(report, errors);
    addWrites(report, writes);
    const others = (await store.listHeld()).filter(({ tree }) => !hold.includes(tree));
    noteHeld(report, [...others, ...hold.map((tree) => ({ tree, sync_id: syncId }))]);
    await store.apply(writes, { actor, report, hold });
    await runStage(report, "schedules", signal, () => syncSchedules(report, signal));
    return finish(report, startedMs);
  }

  return {
    async sync(request, signal) {
      try {
        return await store.exclusively(() => syncNow(request, signal), signal);
      } catch (error) {
        if (!request.dryRun && !signal.aborted) onEnd({ error, actor: request.actor });
        throw error;
      }
    },
    rollback: (syncId, actor, signal) => store.exclusively(() => rollbackNow(syncId, actor, signal), signal),
    async release(syncId, actor) {
      const released = await store.release(syncId, actor);
      if (released.length === 0) throw new TerminalError("not_found", `sync ${syncId} holds no tree`);
      onEnd({ held: (await store.listHeld()).length });
      return released;
    },
    list: store.list,
    find: store.find,
  };
}

/** Somebody changed what was planned on: another plan says what becomes of it. */
function isConflict(error: unknown): boolean {
  return error instanceof ActcoreError && (error.code === "sync_conflict" || error.code === "name_taken");
}
