/** The port through which people's tasks are kept; postgres/run/human-ledger.ts is behind it. */
import type { HumanRequest } from "../task/human/human-state.ts";
import type { HumanOutlook } from "./human.ts";

/** What somebody asks of a task, as it was when they saw it. */
export interface HumanRequestOf {
  task_id: string;
  /** The version of the task that was seen. */
  version: number;
  request: HumanRequest;
  /** Who asks, for the audit log: the API's caller, who may act for somebody else. */
  actor: string;
}

export interface HumanLedger {
  /** One transaction, by the ledger's clock. May be called again. @throws TerminalError `task_not_found`, `task_type_unknown` */
  look(taskId: string): Promise<HumanOutlook>;
  /**
   * One transaction: of two requests about the same version one is stored. A decision ends the task in it.
   * @throws TerminalError `not_found`, `task_not_human`, `task_not_waiting`, `task_changed`, and what `applyRequest` throws;
   *   InvalidInputError `answer_invalid`, with the faults of an answer that does not fit the form
   */
  request(request: HumanRequestOf): Promise<void>;
  /** Tasks that were decided some seconds ago, in runs that go on, and whose workflow has not seen it. */
  listUntold(limit: number): Promise<string[]>;
}

/** temporal/human-caller.ts is behind it. */
export interface HumanCaller {
  /** Lets the workflow of the task look at the ledger; false: there is none. @throws RetryableError `temporal_unavailable` */
  lookAgain(taskId: string): Promise<boolean>;
}
