/** What the executor of commands uses of the worker. */
import type { CommandRule } from "../../kernel/setting-values.ts";
import type { Processes } from "../../processes/process-group.ts";
import type { Output } from "./output.ts";

/** The end of what a try has written so far; postgres/run/task-outputs.ts is behind it. */
export interface TaskOutputs {
  /** What an attempt before the one that is kept says changes nothing. */
  keep(taskId: string, attempt: number, output: Output): Promise<void>;
}

export interface CommandDeps {
  readonly rule: CommandRule;
  readonly processes: Processes;
  readonly outputs: TaskOutputs;
  /** Masks secrets in a text. */
  mask(text: string): string;
  /** Whether the definition of this activity comes from a file. */
  isFromFile(activityId: string): Promise<boolean>;
}
