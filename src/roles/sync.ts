/**
 * The sync role: files and schedules brought up to date at an interval. The worker does it once at its start, the API when
 * it is asked, the command line by itself: all of them with what is made here.
 */

import { readTree } from "../document/tree.ts";
import { type Chore, runChore } from "../kernel/chore.ts";
import type { Config } from "../kernel/config.ts";
import { describeError } from "../kernel/errors.ts";
import type { Role } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { once } from "../kernel/once.ts";
import type { Readiness } from "../kernel/readiness.ts";
import type { Postgres } from "../postgres/client.ts";
import { createProjectionStore } from "../postgres/schedule/projection-store.ts";
import { createSyncStore } from "../postgres/sync/sync-store.ts";
import { createScheduleSync } from "../schedule/schedule-sync.ts";
import { createSyncService, type SyncDeps, type SyncService } from "../sync/service.ts";
import type { TaskRules } from "../task/task-type.ts";
import type { Temporal } from "../temporal/connection.ts";
import { createScheduler } from "../temporal/schedules.ts";
import { createLateParts } from "./late-parts.ts";
import { findTaskRules } from "./own-engines.ts";
import { createRole, type RoleDeps } from "./role.ts";

/** Without an interval of its own, a sync role looks this often. */
const DEFAULT_INTERVAL_MS = 60_000;
/** The share of the interval that a wait may be shorter or longer: many processes do not come at once. */
const JITTER = 0.1;

interface SyncParts {
  config: Config;
  postgres: Postgres;
  /** What the tasks of files are checked by. */
  rules: TaskRules;
  /** Throws why it is not there: the stage of schedules is then an error, and the others go on. */
  temporal(): Temporal;
  metrics: Metrics;
  /** Absent in a command, which nobody asks how ready it is. */
  readiness?: Readiness;
  log: Log;
}

export function createSync({ config, rules, postgres, temporal, metrics, readiness, log }: SyncParts): SyncService {
  // Kept from one sync to the next, because each goes on where the last one ended.
  const scheduleSync = once(() =>
    createScheduleSync({
      store: createProjectionStore(postgres),
      scheduler: createScheduler(temporal(), metrics),
      log,
    }),
  );
  return createSyncService({
    directories: config.definitionsDirs,
    readTree: (directory) => readTree(directory, rules),
    store: createSyncStore(postgres),
    schedules: async (options) => scheduleSync()(options),
    onEnd: createObserver(metrics, readiness),
    log,
  });
}

function createObserver(metrics: Metrics, readiness: Readiness | undefined): SyncDeps["onEnd"] {
  return (end) => {
    if ("error" in end) {
      metrics.syncs.inc({ outcome: "failed" });
      readiness?.synced({ error: describeError(end.error) });
      return;
    }
    metrics.syncHeldTrees.set("held" in end ? end.held : end.report.held.length);
    if ("held" in end) return;
    const { errors_total, errors, duration_ms: durationMs } = end.report;
    metrics.syncs.inc({ outcome: errors_total === 0 ? "ok" : "errors" });
    metrics.syncErrors.set(errors_total);
    metrics.syncDuration.observe(durationMs / 1000);
    if (errors_total === 0) metrics.syncLastSuccess.setToCurrentTime();
    const [first] = errors;
    const more = errors_total > 1 ? ` and ${errors_total - 1} more` : "";
    // Health is told to everybody: what a message quotes of a file is not.
    const error = first && `${first.subject}${more}: not synced, the log and the answer of a sync say why`;
    readiness?.synced({ durationMs, ...(error !== undefined && { error }) });
  };
}

/** A chore that syncs definitions, event types, hooks and schedules: at an interval, or without `everyMs` once, at a start. */
export function createSyncChore(service: SyncService, times: Pick<Chore, "everyMs" | "firstAfterMs"> = {}): Chore {
  const actor = times.everyMs === undefined ? "start" : "interval";
  const stages = { definitions: true, event_types: true, hooks: true, schedules: true };
  return {
    ...times,
    name: "sync",
    jitter: JITTER,
    failed: "files and schedules not synced",
    async round(signal) {
      await service.sync({ ...stages, dryRun: false, force: false, actor }, signal);
    },
  };
}

export function startSync(deps: RoleDeps): Role {
  const { config, connections, endpoints, taskTypes, readiness, metrics } = deps;
  const log = deps.log.child({ role: "sync" });
  return createRole("sync", { readiness, log }, async (signal, running) => {
    const { parts, reach } = createLateParts<{ temporal: Temporal }>({ temporal: "temporal" }, readiness);
    const postgres = await connections.postgres();
    if (signal.aborted) return;
    running();
    void connections.temporal().then(
      (temporal) => reach({ temporal }),
      (error) => log.warn({ reason: describeError(error) }, "schedules are not synced"),
    );
    const rules = findTaskRules(taskTypes, config, await endpoints);
    const service = createSync({ config, rules, postgres, temporal: () => parts.temporal, metrics, readiness, log });
    const everyMs = config.syncIntervalMs || DEFAULT_INTERVAL_MS;
    // A worker in this process has just done it.
    const firstAfterMs = config.roles.includes("worker") ? everyMs : 0;
    await runChore(createSyncChore(service, { everyMs, firstAfterMs }), { metrics, log }, signal);
  });
}
