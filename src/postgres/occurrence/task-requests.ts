/** Requests of people about single tasks: recorded before anything is done about them, the audit entry in the same transaction. */
import { eq, sql } from "drizzle-orm";
import { TerminalError } from "../../kernel/errors.ts";
import { reopenedWorkflowId } from "../../occurrence/occurrence.ts";
import type { TaskRequest, TaskRequestLedger } from "../../occurrence/task-control.ts";
import { undecide } from "../../run/reopen.ts";
import { isOpen } from "../../run/task-instance.ts";
import { writeAudit } from "../access/audit.ts";
import { type Database, inTransaction, type Transaction } from "../client.ts";
import { definitionVersions } from "../definition-tables.ts";
import { occurrences, runs } from "../ledger-tables.ts";
import { CANCELLED_BY } from "../run/cancelled.ts";
import { tasks } from "../task-tables.ts";
import { toAccepted } from "./accepted-run.ts";
import { requireKept } from "./rerun-acceptance.ts";

export function createTaskRequestLedger(db: Database): TaskRequestLedger {
  return {
    requestCancel: (request) =>
      inTransaction(db, async (tx) => {
        const task = await lockTask(tx, request);
        const { task_id, run_id } = task;
        const { actor } = request;
        if (task.finished_at !== null)
          throw new TerminalError("task_over", `task ${task_id} is ${task.status} already`);
        await tx
          .update(tasks)
          .set({ cancel_requested_at: sql`now()`, requested_by: actor })
          .where(eq(tasks.task_id, task_id));
        if (task.status === "pending")
          await tx
            .update(tasks)
            .set({ status: "cancelled", finished_at: sql`now()`, error: CANCELLED_BY })
            .where(eq(tasks.task_id, task_id));
        await audit(tx, request, "task.cancel", { run_id, key: task.key, status: task.status });
        const { activity_id, workflow_id } = await findRun(tx, task, { lock: false });
        return { task_id, activity_id, workflow_id };
      }),

    reopen: (request) =>
      inTransaction(db, async (tx) => {
        const task = await lockTask(tx, request);
        const run = await findRun(tx, task, { lock: true });
        requireRetriable(task, run);
        const { run_id, activity_id, activity_name } = run;
        await requireKept(tx, run);
        const workflow_id = reopenedWorkflowId(run.workflow_id, run.reopened + 1);
        const released = await undecideSkipped(tx, run, task.key);
        await tx
          .update(runs)
          .set({
            ...{ status: "running", reason: null, error: null, finished_at: null, workflow_id },
            ...{ reopened: run.reopened + 1, reopened_at: sql`now()` },
            ...(released && { decisions: released.decisions }),
          })
          .where(eq(runs.run_id, run_id));
        // Retention may have taken the occurrence of an old run, but never before the run itself.
        await tx.update(occurrences).set({ claimed_by: null, workflow_id }).where(eq(occurrences.run_id, run_id));
        await tx
          .update(tasks)
          .set({
            ...{ status: "pending", finished_at: null, error: null, cancel_requested_at: null },
            ...{ retried: task.retried + 1, tries_forgiven: task.attempts, requested_by: request.actor },
          })
          .where(eq(tasks.task_id, task.task_id));
        if (released && released.pending.length > 0)
          await tx.execute(sql`
            update ${tasks} set status = 'pending', finished_at = null
            where run_id = ${run_id} and status = 'skipped'
              and key in (select json_array_elements_text(${JSON.stringify(released.pending)}::json))`);
        const { status, error, key } = task;
        await audit(
          tx,
          request,
          "task.retry",
          { run_id, key, status, error },
          { reopened: run.reopened + 1, workflow_id },
        );
        return toAccepted({ activity_id, activity_name, run_id, workflow_id });
      }),
  };
}

type Task = typeof tasks.$inferSelect;
type Run = typeof runs.$inferSelect;

/** Of two requests at once, the second one sees what the first one did. @throws TerminalError `not_found` */
async function lockTask(tx: Transaction, { task_id }: TaskRequest): Promise<Task> {
  const [task] = await tx.select().from(tasks).where(eq(tasks.task_id, task_id)).for("update");
  if (task === undefined) throw new TerminalError("not_found", `task ${task_id} is not there`);
  return task;
}

/** @throws TerminalError `not_found` where the task is an orphan */
async function findRun(tx: Transaction, { run_id }: Task, { lock }: { lock: boolean }): Promise<Run> {
  const query = tx.select().from(runs).where(eq(runs.run_id, run_id));
  const [run] = await (lock ? query.for("update") : query);
  if (run === undefined) throw new TerminalError("not_found", `run ${run_id} is not there`);
  return run;
}

/** @throws TerminalError `task_not_over`, `nothing_to_retry`, `run_not_over` */
function requireRetriable({ task_id, status }: Task, run: Run): void {
  if (isOpen(status))
    throw new TerminalError("task_not_over", `task ${task_id} is ${status}: it has not failed`, {
      hint:
        status === "retrying"
          ? "It is tried again by itself; cancel it to end it now"
          : "Wait for its end, or cancel it",
    });
  if (status !== "failed" && status !== "cancelled")
    throw new TerminalError("nothing_to_retry", `task ${task_id} is ${status}: there is nothing to retry`);
  if (run.finished_at === null)
    throw new TerminalError("run_not_over", `run ${run.run_id} goes on: its other tasks are not over`, {
      hint: "Retry the task when the run is over, or cancel the run first",
    });
}

/** What the templates decide anew that the failure of `key` led to. Undefined where the run recorded no decisions. */
async function undecideSkipped(tx: Transaction, run: Run, key: string) {
  const { run_id, activity_id, version_used, decisions } = run;
  if (decisions === null) return undefined;
  const [version] = await tx
    .select({ body: definitionVersions.body })
    .from(definitionVersions)
    .where(sql`definition_id = ${activity_id} and version = ${version_used}`);
  const standing = await tx.selectDistinct({ key: tasks.key }).from(tasks).where(eq(tasks.run_id, run_id));
  const templates = version?.body.task_templates ?? [];
  const undecided = undecide(decisions.templates, templates, key, new Set(standing.map((each) => each.key)));
  return { decisions: { ...decisions, templates: undecided.templates }, pending: undecided.pending };
}

function audit(tx: Transaction, { task_id, actor }: TaskRequest, action: string, before: object, after?: object) {
  return writeAudit(tx, { actor, action, subject: `task:${task_id}`, before, ...(after && { after }) });
}
