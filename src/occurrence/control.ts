/**
 * What a person does to runs: trigger, repeat, cancel.
 *
 * A request is recorded first, with its run, and started then (I8), unless it has to wait for the gates of its activity. A start that fails because the engine is away does
 * not fail the request: it stands in the ledger, and the finisher starts it.
 */

import pLimit from "p-limit";
import { compileCalendar } from "../calendar/calendar.ts";
import { timesToRun } from "../calendar/due-times.ts";
import type { Definition } from "../definition/schema.ts";
import { InvalidInputError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { orLater } from "../kernel/wait.ts";
import type { RerunFrom } from "../run/decision.ts";
import type { AcceptedRun, RunCanceller, RunStarter, RunWorkflow } from "../run/engine.ts";
import type { RunLedger } from "../run/ledger.ts";
import type { RunStatus } from "../run/run.ts";
import { dueKey } from "./occurrence.ts";

export interface ManualRequest {
  activity_id: string;
  payload: unknown;
  /** The same key gets the run that it got first. */
  requestKey?: string;
  actor: string;
}

/** About a run that is there. */
export interface RunRequest {
  run_id: string;
  actor: string;
}

export interface RerunRequest extends RunRequest {
  /** `failed`: the new run takes over what succeeded, and does the rest. */
  from: RerunFrom;
  /** The version that the old run used, or the newest one. */
  version: RerunVersion;
}

/** Which version of its definition a rerun uses. */
export const RERUN_VERSIONS = ["same", "latest"] as const;
export type RerunVersion = (typeof RERUN_VERSIONS)[number];

/** postgres/occurrence/acceptance-ledger.ts is behind it. Each call is one transaction, audited. */
export interface AcceptanceLedger {
  /** Records a manual run with its payload. @throws TerminalError `definition_not_found` */
  acceptManual(request: ManualRequest): Promise<AcceptedRun>;
  /**
   * Records a run with the input of an earlier one; from `failed` also with its context, where the context sources of the
   * version that is used are the same.
   * @throws TerminalError `not_found`, `definition_not_found`, `input_not_kept`; from `failed` also `run_not_over`, and
   *   `nothing_to_repeat` for a run that succeeded
   */
  acceptRerun(request: RerunRequest): Promise<AcceptedRun>;
  /**
   * Records a run for each due time that has none, or whose run was skipped; answers only those.
   * @throws TerminalError `definition_not_found`
   */
  acceptBackfill(
    request: Pick<BackfillRequest, "activity_id" | "actor"> & { due: readonly Date[] },
  ): Promise<(AcceptedRun & { scheduled_for: string })[]>;
  /** The keys of those due times that a run was made for, and not skipped. */
  listRun(activityId: string, due: readonly Date[]): Promise<Set<string>>;
  auditCancel(request: RunRequest): Promise<void>;
  /** Cancels a run that waits, which has no workflow to be told; false where it does not wait, or not any more. */
  cancelQueued(request: RunRequest): Promise<boolean>;
}

export interface BackfillRequest {
  activity_id: string;
  /** The range of due times, both ends included. */
  from: Date;
  to: Date;
  dryRun: boolean;
  actor: string;
}

export interface Backfill {
  dry_run: boolean;
  /** Due times of the range by the definition as it is now. */
  due: number;
  already_run: number;
  /** In the order of the due times; without ids where nothing was made. */
  runs: ({ scheduled_for: string } & Partial<StartedRun>)[];
}

/** A run as it was asked for, with the id of its workflow. */
type StartedRun = Pick<AcceptedRun, "run_id" | "workflow_id">;

/** How many due times one backfill may have. */
export const MAX_BACKFILL = 1000;
const CONCURRENT_STARTS = 16;

export interface RunControl {
  trigger(request: ManualRequest): Promise<StartedRun>;
  rerun(request: RerunRequest): Promise<StartedRun>;
  /**
   * Runs the due times of a range that did not run, one by one or all at once as the engine takes them.
   * @throws TerminalError `definition_not_found`, `no_schedule`; InvalidInputError `invalid_backfill`
   */
  backfill(request: BackfillRequest): Promise<Backfill>;
  /** Asks the run to end; it is cancelled once its workflow has closed it. @throws TerminalError `not_found`, `run_not_running` */
  cancel(request: RunRequest): Promise<void>;
}

export interface RunControlDeps {
  accepted: AcceptanceLedger;
  reader: { findRun(runId: string): Promise<(RunWorkflow & { status: RunStatus }) | undefined> };
  definitions: { find(id: string): Promise<Definition | undefined> };
  runs: RunLedger;
  /** Its methods throw RetryableError while the engine was never reached. */
  starter: RunStarter & RunCanceller;
  log: Log;
}

export function createRunControl({ accepted, reader, definitions, runs, starter, log }: RunControlDeps): RunControl {
  async function start(run: AcceptedRun): Promise<StartedRun> {
    const { run_id, workflow_id } = run;
    if (run.waits) return { run_id, workflow_id };
    const started = await orLater(
      () => starter.start(run),
      (reason) => log.warn({ run_id, reason }, "accepted run not started yet; the finisher will"),
    );
    return { run_id, workflow_id: started ?? workflow_id };
  }

  async function findDue(activityId: string, from: Date, to: Date): Promise<Date[]> {
    const definition = await definitions.find(activityId);
    if (definition === undefined)
      throw new TerminalError("definition_not_found", `definition ${activityId} is not there`);
    const trigger = definition.trigger_config;
    if (trigger.trigger_type === "event")
      throw new TerminalError("no_schedule", `${definition.name} runs on events: it has no due times`);
    const times = timesToRun(compileCalendar(trigger), new Date(from.getTime() - 1), to);
    const due = times.take(MAX_BACKFILL + 1).toArray();
    if (due.length <= MAX_BACKFILL) return due;
    const fault = { path: "/to", message: `the range has more than ${MAX_BACKFILL} due times: take a shorter one` };
    throw new InvalidInputError("the backfill is not valid", [fault], "invalid_backfill");
  }

  return {
    trigger: async (request) => start(await accepted.acceptManual(request)),
    rerun: async (request) => start(await accepted.acceptRerun(request)),
    async backfill({ activity_id, from, to, dryRun, actor }) {
      const due = await findDue(activity_id, from, to);
      const ran = await accepted.listRun(activity_id, due);
      const missing = due.filter((at) => !ran.has(dueKey(at)));
      const answer = { dry_run: dryRun, due: due.length, already_run: ran.size };
      if (dryRun) return { ...answer, runs: missing.map((at) => ({ scheduled_for: dueKey(at) })) };
      const owed = await accepted.acceptBackfill({ activity_id, due: missing, actor });
      await pLimit(CONCURRENT_STARTS).map(owed, start);
      const made = owed.map(({ scheduled_for, run_id, workflow_id }) => ({ scheduled_for, run_id, workflow_id }));
      return { ...answer, already_run: due.length - made.length, runs: made };
    },

    async cancel({ run_id, actor }) {
      const run = await reader.findRun(run_id);
      if (run === undefined) throw new TerminalError("not_found", `run ${run_id} is not there`);
      if (run.status === "queued" && (await accepted.cancelQueued({ run_id, actor }))) return;
      if (run.status !== "running" && run.status !== "queued")
        throw new TerminalError("run_not_running", `run ${run_id} is ${run.status} already`);
      await accepted.auditCancel({ run_id, actor });
      const asked = await starter.cancel({ workflow_id: run.workflow_id, activity_id: run.activity_id });
      if (!asked) await runs.close({ run_id, failures: [], interruption: { status: "cancelled" } });
    },
  };
}
