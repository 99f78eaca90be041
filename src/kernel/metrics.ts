/**
 * actcore's own metrics. Names are `actcore_*`, in base units (seconds); roles count into one instance, and the
 * scrape joins it with the Temporal SDK's (http/monitor.ts).
 */
import { Counter, collectDefaultMetrics, Gauge, type GaugeConfiguration, Histogram, Registry } from "prom-client";

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    events: new Counter({
      name: "actcore_events_total",
      help: "Events that this router settled: unmatched, dispatched, dead_lettered, or duplicate for one that came again.",
      labelNames: ["outcome"] as const,
      registers,
    }),
    consumerLag: createGaugeOfUnknown({
      name: "actcore_consumer_pending",
      help: "Messages in the stream that the router's consumer has not been given yet; left out while that is not known.",
      registers,
    }),
    consumerUnacked: createGaugeOfUnknown({
      name: "actcore_consumer_ack_pending",
      help: "Messages given to routers and not acknowledged yet.",
      registers,
    }),
    startLatency: new Histogram({
      name: "actcore_run_start_latency_seconds",
      help: "From the time an event was received, or a due time, to the claim of its run.",
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    }),
    runs: new Counter({
      name: "actcore_runs_total",
      help: "Runs that this worker closed, by status.",
      labelNames: ["status"] as const,
      registers,
    }),
    dueTimes: new Counter({
      name: "actcore_due_times_total",
      help: "Due times that the engine did not start, by what became of them; `reason` of the skipped ones.",
      labelNames: ["outcome", "reason"] as const,
      registers,
    }),
    scheduleChanges: new Counter({
      name: "actcore_schedule_changes_total",
      help: "Times that this process told the engine of a schedule: create, update, pause, unpause, delete.",
      labelNames: ["change"] as const,
      registers,
    }),
    finished: new Counter({
      name: "actcore_finished_total",
      help: "What a crash had left half done and this worker finished, by what it was.",
      labelNames: ["what"] as const,
      registers,
    }),
    swept: new Counter({
      name: "actcore_swept_rows_total",
      help: "Rows that this worker removed because their retention had passed, by table.",
      labelNames: ["table"] as const,
      registers,
    }),
    choreRounds: new Counter({
      name: "actcore_chore_rounds_total",
      help: "Rounds of this process' background chores: done, failed, or elsewhere where another process was at it.",
      labelNames: ["chore", "outcome"] as const,
      registers,
    }),
    syncs: new Counter({
      name: "actcore_syncs_total",
      help: "Syncs of files and schedules that this process ran, by how they ended: ok, errors or failed.",
      labelNames: ["outcome"] as const,
      registers,
    }),
    syncErrors: new Gauge({
      name: "actcore_sync_errors",
      help: "Errors of this process' last sync.",
      registers,
    }),
    syncHeldTrees: new Gauge({
      name: "actcore_sync_held_trees",
      help: "Directories that a rollback holds, as this process' last sync, rollback or release found them.",
      registers,
    }),
    syncDuration: new Histogram({
      name: "actcore_sync_duration_seconds",
      help: "How long syncs took, without waiting for their turn.",
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
      registers,
    }),
    syncLastSuccess: new Gauge({
      name: "actcore_sync_last_success_timestamp_seconds",
      help: "When a sync of this process last ended without an error.",
      registers,
    }),
    tasks: new Counter({
      name: "actcore_task_attempts_total",
      help: "Tries of tasks that this worker made, by type and by the task's status after it.",
      labelNames: ["type", "status"] as const,
      registers,
    }),
    tasksInFlight: new Gauge({
      name: "actcore_tasks_in_flight",
      help: "Tries that run now in this worker.",
      registers,
    }),
    runsInFlight: createGaugeOfUnknown({
      name: "actcore_runs_in_flight",
      help: "Runs of the ledger that are not closed, all workers together.",
      registers,
    }),
  };
}

/** A gauge of a value that may not be known. It is left out until it is `set`, and again after `remove`. */
function createGaugeOfUnknown(configuration: GaugeConfiguration<never>): Gauge<never> {
  const gauge = new Gauge(configuration);
  gauge.remove();
  return gauge;
}

export type Metrics = ReturnType<typeof createMetrics>;
