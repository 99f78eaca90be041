/** A task: one thing to do for a run, recorded before it is done (I8). The port to its ledger, and what an executor is. */
import type { TemplateSource } from "../expression/template.ts";
import type { Log } from "../kernel/log.ts";

/**
 * `waiting`: for a person. `skipped`: it was recorded, and is not to be done: a template that its own depends on did not end as it
 * must, or its run is a shadow.
 */
export const TASK_STATUSES = [
  "pending",
  "running",
  "retrying",
  "waiting",
  "succeeded",
  "failed",
  "cancelled",
  "skipped",
] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

/** What a task is about; sent as the body of an http task that names none. */
export interface TaskInput {
  run: { run_id: string; activity_id: string; activity_name: string; trigger: string; scheduled_for: string | null };
  event: {
    event_id: string;
    type: string;
    source: string;
    occurred_at: string;
    subject: string | null;
    /** Of a CloudEvent: those that have no field here. Empty where there are none. */
    attributes: Readonly<Record<string, string | number | boolean>>;
    payload: unknown;
  } | null;
}

/** The child workflows that do tasks of some types (workflows/): each is given the id of its task. */
export const TASK_WORKFLOWS = ["HumanTaskWorkflow", "CalledWorkflow"] as const;
export type TaskWorkflow = (typeof TASK_WORKFLOWS)[number];

/** By JSON pointer into the params of a task. */
export type TemplateSources = Readonly<Record<string, TemplateSource>>;

/** One try of a recorded task, with the params of its type. */
export interface TaskAttempt<Params = unknown> {
  task_id: string;
  /** What the outside knows the task by; the same at every try (I8). */
  idempotency_key: string;
  key: string;
  type: string;
  params: Params;
  /** The params that have expressions. Absent where none has. */
  sources?: TemplateSources;
  /** Which try it is; the first one is 1. */
  attempt: number;
  trace_id: string;
  /** How long this try may take. */
  timeout_ms: number;
  input: TaskInput;
}

export interface TaskLedger {
  /**
   * Marks the task as running, and counts the attempt: an engine that forgot earlier ones (a reset workflow) begins
   * again at one, the ledger does not. Undefined when the task is finished already, or is cancelled now because somebody asked for it.
   * @throws TerminalError `task_not_found`
   */
  begin(taskId: string): Promise<TaskAttempt | undefined>;
  /**
   * The next three are ignored when the task is finished or a later attempt has begun. Where somebody has asked to cancel the task,
   * the latter two end it as cancelled.
   */
  succeed(taskId: string, attempt: number, result: unknown): Promise<void>;
  retry(taskId: string, attempt: number, error: TaskError): Promise<void>;
  fail(taskId: string, attempt: number, error: TaskError): Promise<void>;
}

/** Why a try failed, as it is stored on the task and shown to the user. */
export interface TaskError {
  code: string;
  message: string;
  /** What the outside said, bounded: the response of an http task. */
  details?: Record<string, unknown>;
}

/**
 * Does one try. Resolves with a small JSON result; when `signal` aborts, rejects with its reason. Written as a method, so
 * that TypeScript takes the executor of one type's params for one of unknown params.
 * @throws TerminalError when trying again cannot help; RetryableError, or anything else, when it may.
 */
export type Executor<Params = unknown> = {
  execute(attempt: TaskAttempt<Params>, context: { signal: AbortSignal; log: Log }): Promise<unknown>;
}["execute"];
