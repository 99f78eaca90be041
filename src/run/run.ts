/**
 * A run: one occurrence of an activity, from the claim to its close. This file has types and names only: workflow code
 * imports it, and must stay the same function of its history (I9).
 */

import type { TaskWorkflow } from "../task/task.ts";

/** Workflow type and task queues. Programs in other languages start them by these names, so they never change. */
export const RUN_ACTIVITY_WORKFLOW = "RunActivityWorkflow";
export const ORCHESTRATOR_QUEUE = "orchestrator-tq";
export const TASK_QUEUE = "task-execution-tq";
/** The queue of the workers that have a label. */
export const labelQueue = (label: string): string => `${TASK_QUEUE}.${label}`;
/** The id of the child workflow that does a task. */
export const taskWorkflowId = (taskId: string): string => `task-${taskId}`;

/** The signal, with a task's id, that cuts what the workflow does of that task: the ledger has recorded that it is to be cancelled. */
export const CANCEL_TASK = "cancelTask";

/** Milliseconds of silence after which a worker that has a task counts as lost; it beats several times in between. */
export const HEARTBEAT_TIMEOUT_MS = 15_000;
export const BEAT_EVERY_MS = HEARTBEAT_TIMEOUT_MS / 5;

/** How long the expressions of one round of a run may take, milliseconds: longer, and the run fails. */
export const DECIDING_MS = 20_000;

/** How long the end of a try waits to be recorded while the ledger is away, milliseconds. */
export const RECORDING_MS = 15 * 60_000;

/** What the error of a task says whose last try was lost with its worker. */
export const WORKER_LOST =
  `its worker was lost: killed, crashed or cut off, and not heard of for ${HEARTBEAT_TIMEOUT_MS / 1000} s; ` +
  "what it had begun may have taken effect";

/** Registered by actcore, both of type Keyword: found by equality, also from the Web UI. */
export const SEARCH_ATTRIBUTES = ["ActivityId", "ActivityName"] as const;

export const RUN_TRIGGERS = [
  "cron",
  "interval",
  "event",
  "manual",
  "scheduled",
  "backfill",
  "rerun",
  "replay",
] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];
/** `queued`: it is recorded, and has no workflow until the flow of its activity lets it begin. */
export const RUN_STATUSES = ["queued", "running", "succeeded", "failed", "skipped", "cancelled"] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

/** `{event_id}` from the router, `{}` from a schedule, anything else a foreign envelope or payload. */
export type StartArgument = Record<string, unknown>;

/** What the workflow knows of itself, for the claim. */
export interface ClaimRequest {
  activity_id: string;
  trigger_event: StartArgument;
  /** The same as JSON, in place of it, where it has numbers that the way to the step would change. */
  trigger_event_json?: string;
  workflow_id: string;
  /** Names the chain of the workflow: a retry or reset keeps it, a second start has another. */
  first_execution_run_id: string;
  /** RFC 3339; only when a schedule started the workflow. */
  scheduled_for?: string;
}

export type Claim =
  /** `rules` are those of an activity that has more than tasks to do at once; `reopened` counts how often the run was opened again. */
  | ({ outcome: "claimed"; run_id: string; activity_name: string; rules?: RunRules; reopened?: number } & ClaimProgress)
  | { outcome: "skipped"; run_id: string; activity_name: string; reason: string }
  /** The run waits for others. It gets a workflow of its own when it begins. */
  | { outcome: "queued"; run_id: string; activity_name: string }
  /** Another workflow has the occurrence. */
  | { outcome: "duplicate"; run_id: string };

/**
 * Where the run could be decided with the claim, `steps` or `groups` are the tasks that are left to do, or `closed` is how the run
 * ended: its tasks were quick and have been done, or it was skipped.
 */
export type ClaimProgress = { steps?: TaskStep[]; groups?: TaskGroup[]; closed?: RunResult };

/** What the workflow has to know of an activity. */
export interface RunRules {
  /** Milliseconds until the run's timeout. */
  timeout_ms?: number;
  /** Milliseconds that its context may take; absent where it has none. */
  context_ms?: number;
  /** How many tasks are done at once. */
  max_parallel: number;
}

/** Tasks of one template that may be done. */
export interface TaskGroup extends TaskStepPolicy {
  key: string;
  /** Those that have not been tried. */
  task_ids: string[];
  /** What is left of those that have been. */
  steps?: TaskStep[];
  max_parallel?: number;
  /** Set where another template depends on it: the run decides on when all its tasks are over. */
  leads_on?: true;
}

/** How a round of a run ended. */
export type RunProgress = { groups: TaskGroup[] } | { closed: RunResult };

/** A recorded task, as much of it as the workflow needs to execute it. */
export interface TaskStep extends TaskStepPolicy {
  task_id: string;
  /** Milliseconds until the next try, where one was made with the claim and failed. */
  delay_ms?: number;
}

export interface TaskStepPolicy {
  timeout_ms: number;
  /** The tries that are left. */
  max_attempts: number;
  initial_interval_ms: number;
  backoff_coefficient: number;
  max_interval_ms: number;
  /** The label of the workers that do it; any worker does when absent. */
  run_on?: string;
  /** The child workflow that does it; absent where a worker does. */
  workflow?: TaskWorkflow;
}

/** What the workflow knows of a task that failed. */
export interface TaskFailure {
  task_id: string;
  /** Set where only the engine saw the last try fail; absent where the try itself did, and may have recorded why. */
  code?: "worker_lost" | "not_recorded";
  message: string;
}

export interface RunClose {
  run_id: string;
  failures: TaskFailure[];
  /** How often the run had been opened again when it was claimed; one that was opened since is not closed. Absent: it is, anyway. */
  reopened?: number;
  /** Why the run ended before its tasks did. */
  interruption?: { status: "cancelled" } | { status: "failed"; reason?: string | undefined; message: string };
}

export interface RunResult {
  run_id: string;
  status: RunStatus | "duplicate";
  reason?: string;
}

/** The steps of a run that the orchestrator does as local activities; each may be repeated (activities/run-steps.ts). */
export interface RunSteps {
  claimRun(request: ClaimRequest): Promise<Claim>;
  /** Decides what can be decided; `failures` are of tasks that ended since the round before. */
  decideRun(runId: string, failures?: TaskFailure[]): Promise<RunProgress>;
  /** Records that tasks are over whose last try only the engine saw end, where they are not finished. */
  failTasks(runId: string, failures: TaskFailure[]): Promise<void>;
  closeRun(request: RunClose): Promise<RunResult>;
}

/** The steps on the task queue, which wait for the outside. */
export interface TaskSteps {
  /** Resolves the context of a run, and records it (activities/resolve-context.ts). */
  resolveContext(runId: string): Promise<void>;
  /** Does one task (activities/execute-task.ts). */
  executeTask(taskId: string): Promise<void>;
}
