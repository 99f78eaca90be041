/**
 * What a task type consists of. Each type has a folder of its own, task/{type}/, whose registration is a `TaskType`, and a
 * line in the table of task/types.ts. Validation, the API's documents and the worker read the table that they are given.
 */
import type { Static, TObject } from "@sinclair/typebox";
import { type Fault, TerminalError } from "../kernel/errors.ts";
import type { Dial } from "../outbound/dial.ts";
import type { OwnEngines } from "../outbound/own-engines.ts";
import type { CommandDeps } from "./command/ports.ts";
import type { Mailer } from "./email/ports.ts";
import type { MessagePublisher } from "./nats/ports.ts";
import type { Executor, TaskWorkflow } from "./task.ts";

export interface TaskType<Params extends TObject = TObject> {
  /** The title of its template's schema. */
  readonly title: string;
  /** The schema of `params`. */
  readonly params: Params;
  /** What the schema does not say of params that conform to it; `path` is that of `params`. */
  findFaults(params: Static<Params>, path: string, engines: OwnEngines): Fault[];
  /** What of the params, as a definition has them, may not be computed or not read a secret; absent where everything may. */
  findComputedFaults?(params: Static<Params>, path: string): Fault[];
  /** Paths within `params`, such as `/shell`, of the texts that a shell reads: `${NAME}` in them is the shell's. */
  findShellTexts?(params: Static<Params>): string[];
  createExecutor(deps: ExecutorDeps): Executor<Static<Params>>;
  /** What of the params is shown to somebody who may read tasks, but not the definitions that they come from. */
  show(params: Static<Params>): unknown;
  /** Whether a try waits for something outside: only so many of these are made at once where runs are claimed. */
  readonly waits: boolean;
  /** Whether a try, which may take `timeout_ms`, is short enough to be made where the run is claimed. */
  isQuick(policy: { timeout_ms: number }): boolean;
  /** What holds for a template of the type that says nothing of it, where that differs from the usual: see docs/definitions.md. */
  readonly defaults?: TaskDefaults;
  /** The child workflow that does such a task; absent where a worker does it, in tries that the engine repeats. */
  readonly workflow?: TaskWorkflow;
}

export interface TaskDefaults {
  /** Of one try. A duration. */
  readonly timeout?: string;
  /** All tries, the first included. */
  readonly max_attempts?: number;
}

/** The task types that there are, by the `type` of a task. */
export type TaskTypes = Readonly<Record<string, TaskType>>;

/** What the tasks and the context sources of a definition are checked by. */
export interface TaskRules {
  readonly types: TaskTypes;
  readonly engines: OwnEngines;
  /** The names of the SQL connections; absent where this process does not know those of the worker. */
  readonly connections?: readonly string[];
  /** Why some types may not be used, by their names: in no definition, or in none that is written over REST. */
  readonly refused?: Readonly<Record<string, string>>;
  readonly refusedOverRest?: Readonly<Record<string, string>>;
}

/** The rules for what is written over REST. */
export function rulesOverRest(rules: TaskRules): TaskRules {
  return { ...rules, refused: { ...rules.refused, ...rules.refusedOverRest } };
}

/** What executors use of the outside. */
export interface ExecutorDeps {
  readonly dial: Dial;
  readonly commands: CommandDeps;
  readonly messages: MessagePublisher;
  readonly mailer: Mailer;
}

/** The executor of each type, by the `type` of a task. */
export function createExecutors(types: TaskTypes, deps: ExecutorDeps): Readonly<Record<string, Executor>> {
  return Object.fromEntries(Object.entries(types).map(([name, type]) => [name, type.createExecutor(deps)]));
}

/** What stands in place of a value that may be a secret. */
export const HIDDEN = "***";

/** The names of an object, each with `HIDDEN`. */
export function hideValues(object: object): Record<string, string> {
  return Object.fromEntries(Object.keys(object).map((name) => [name, HIDDEN]));
}

const QUICK_MS = 5_000;

/** `isQuick` of a type that exchanges one thing with the outside: with a longer timeout, that would keep a claim from ending. */
export function isQuickExchange({ timeout_ms }: { timeout_ms: number }): boolean {
  return timeout_ms <= QUICK_MS;
}

/** `createExecutor` of a type that a child workflow does: only a program that is not ours asks a worker for such a try. */
export function refuseTries(message: string): () => Executor {
  return () => async () => {
    throw new TerminalError("task_type_unknown", message);
  };
}

/** What is shown of a task's params (see `TaskType.show`). Nothing is shown of a type that is not in the table: another release made it. */
export function showParams(types: TaskTypes, type: string, params: unknown): unknown {
  return Object.hasOwn(types, type) ? types[type]?.show(params as Record<string, unknown>) : HIDDEN;
}
