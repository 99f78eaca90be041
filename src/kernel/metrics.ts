/**
 * actcore's own metrics. Names are `actcore_*`, in base units (seconds); roles count into one instance, and the
 * scrape joins it with the Temporal SDK's (http/monitor.ts).
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/**
 * JavaScriptCore has no heap spaces. Bun answers the question for them by a walk over the whole heap, which holds up everything
 * else for tens of milliseconds, at every scrape.
 */
const HEAP_SPACES = ["total", "used", "available"].map((what) => `nodejs_heap_space_size_${what}_bytes`);

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of HEAP_SPACES) registry.removeSingleMetric(name);
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  /** A gauge of a value that may not be known. It is left out until it is `set`, and again after `remove`. */
  const gaugeOfUnknown = (name: string, help: string) => {
    const made = gauge(name, help);
    made.remove();
    return made;
  };
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers });
  return {
    registry,
    events: counter(
      "actcore_events_total",
      "Events that this router settled: unmatched, dispatched, dead_lettered, or duplicate for one that came again.",
      "outcome",
    ),
    eventOutcomes: counter(
      "actcore_event_outcomes_total",
      "Activities that new events reached, by what came of it: run, filtered, failed_expression or skipped.",
      "outcome",
    ),
    hookRequests: counter(
      "actcore_hook_requests_total",
      "Requests to hooks, by hook (none where there is no such hook) and outcome: accepted, challenge, or the code of the refusal.",
      "hook",
      "outcome",
    ),
    consumerLag: gaugeOfUnknown(
      "actcore_consumer_pending",
      "Messages in the stream that the router's consumer has not been given yet; left out while that is not known.",
    ),
    consumerUnacked: gaugeOfUnknown(
      "actcore_consumer_ack_pending",
      "Messages given to routers and not acknowledged yet.",
    ),
    startLatency: histogram(
      "actcore_run_start_latency_seconds",
      "From the time an event was received, or a due time, to the claim of its run.",
      [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    ),
    runs: counter("actcore_runs_total", "Runs that this worker closed, by status.", "status"),
    dueTimes: counter(
      "actcore_due_times_total",
      "Due times that the engine did not start, by what became of them; `reason` of the skipped ones.",
      "outcome",
      "reason",
    ),
    scheduleChanges: counter(
      "actcore_schedule_changes_total",
      "Times that this process told the engine of a schedule: create, update, pause, unpause, delete.",
      "change",
    ),
    windows: counter(
      "actcore_windows_closed_total",
      "Windows of events (debounce, batch) that this worker closed: running or queued by how their run began, else why they made none.",
      "outcome",
    ),
    finished: counter(
      "actcore_finished_total",
      "What a crash had left half done and this worker finished, by what it was.",
      "what",
    ),
    swept: counter(
      "actcore_swept_rows_total",
      "Rows that this worker removed because their retention had passed, by table.",
      "table",
    ),
    choreRounds: counter(
      "actcore_chore_rounds_total",
      "Rounds of this process' background chores: done, failed, or elsewhere where another process was at it.",
      "chore",
      "outcome",
    ),
    syncs: counter(
      "actcore_syncs_total",
      "Syncs of files and schedules that this process ran, by how they ended: ok, errors or failed.",
      "outcome",
    ),
    syncErrors: gauge("actcore_sync_errors", "Errors of this process' last sync."),
    syncHeldTrees: gauge(
      "actcore_sync_held_trees",
      "Directories that a rollback holds, as this process' last sync, rollback or release found them.",
    ),
    syncDuration: histogram(
      "actcore_sync_duration_seconds",
      "How long syncs took, without waiting for their turn.",
      [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
    ),
    syncLastSuccess: gauge(
      "actcore_sync_last_success_timestamp_seconds",
      "When a sync of this process last ended without an error.",
    ),
    tasks: counter(
      "actcore_task_attempts_total",
      "Tries of tasks that this worker made, by type and by the task's status after it.",
      "type",
      "status",
    ),
    tasksInFlight: gauge("actcore_tasks_in_flight", "Tries that run now in this worker."),
    activitiesOverdue: gaugeOfUnknown(
      "actcore_activities_overdue",
      "Activities of which no run has succeeded for as long as their definition expects, as the ledger says.",
    ),
    runsInFlight: gaugeOfUnknown(
      "actcore_runs_in_flight",
      "Runs of the ledger that have begun and are not closed, all workers together.",
    ),
    runsQueued: gaugeOfUnknown(
      "actcore_runs_queued",
      "Runs of the ledger that wait for the gates of their activities, all workers together.",
    ),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
