/** People's tasks in Postgres: asked once, decided once. The row of the task is locked by whoever changes either. */
import { and, eq, isNotNull, isNull, lt, sql } from "drizzle-orm";
import { type Cause, makeOwnEvent, type OwnEvent } from "../../event/own-event.ts";
import { atPath, compileCheck } from "../../json/json-schema.ts";
import { InvalidInputError, TerminalError } from "../../kernel/errors.ts";
import type { Log } from "../../kernel/log.ts";
import type { HumanOutlook } from "../../run/human.ts";
import type { HumanLedger, HumanRequestOf } from "../../run/human-ledger.ts";
import {
  applyRequest,
  askedBy,
  type HumanChange,
  type HumanNews,
  msUntilNext,
  passTime,
} from "../../task/human/human-state.ts";
import type { HumanParams } from "../../task/human/params.ts";
import type { TaskError } from "../../task/task.ts";
import { writeAudit } from "../access/audit.ts";
import { type Database, guarded, inTransaction, storableText, type Transaction } from "../client.ts";
import { insertOwnEvents } from "../event/own-event-outbox.ts";
import { eventKeys, events, runs } from "../ledger-tables.ts";
import { humanTasks, tasks } from "../task-tables.ts";
import { storable } from "./task-ledger.ts";

type HumanRow = typeof humanTasks.$inferSelect;
type Locked = NonNullable<Awaited<ReturnType<typeof lockTask>>>;

/** A decision is told at once; what is not told after so long was lost on the way. */
const UNTOLD_AFTER = sql`now() - interval '5 seconds'`;

export function createHumanLedger(db: Database, log: Log): HumanLedger {
  async function tell(tx: Transaction, locked: Locked, human: HumanRow, news: readonly HumanNews[]): Promise<void> {
    const told = news.map((each) => describeNews(locked, human, each));
    const { task_id, run_id } = locked.task;
    for (const { type, cut_reason: reason } of told)
      if (reason !== undefined) log.warn({ task_id, run_id, type, reason }, "event not published");
    await insertOwnEvents(tx, told);
  }

  return {
    look: (taskId) =>
      inTransaction(db, async (tx) => {
        const locked = await lockTask(tx, taskId);
        if (locked === undefined) throw new TerminalError("task_not_found", `task ${taskId} is not in the ledger`);
        const { task, human, now } = locked;
        if (task.type !== "human") throw new TerminalError("task_type_unknown", `task ${taskId} is no human task`);
        if (task.finished_at !== null) {
          if (human !== null && human.told_at === null) await change(tx, taskId, { told_at: now });
          return outlookOf(task.status, task.error);
        }
        if (human === null || task.status === "pending") {
          const asked = await ask(tx, locked);
          await tell(tx, locked, asked, ["waiting"]);
          return outlookOfOpen(asked, now);
        }
        const { change: changes, news } = passTime(human, now);
        if (news.length === 0) return outlookOfOpen(human, now);
        const changed = { ...human, ...changes };
        const isSeen = "state" in changes || "escalated_at" in changes;
        // Who looks is the workflow, so it knows of an expiry already.
        const told = changes.decided_at != null && { told_at: now };
        await change(tx, taskId, { ...changes, ...told, ...(isSeen && { version: human.version + 1 }) });
        await tell(tx, locked, changed, news);
        if (changed.decided_at === null) {
          if ("assignee" in changes) await updateTask(tx, taskId, { assignee: changed.assignee });
          return outlookOfOpen(changed, now);
        }
        const error = expiryOf(changed);
        await updateTask(tx, taskId, { status: "failed", finished_at: now, error });
        return outlookOf("failed", error);
      }),

    request: ({ task_id, version, request, actor }: HumanRequestOf) =>
      inTransaction(db, async (tx) => {
        const locked = await lockTask(tx, task_id);
        if (locked === undefined) throw new TerminalError("not_found", `task ${task_id} is not there`);
        const { task, human, now } = locked;
        if (task.type !== "human")
          throw new TerminalError("task_not_human", `task ${task_id} is a ${task.type} task: no person does it`);
        const isDecided = human !== null && human.decided_at !== null;
        const isAsked = human !== null && task.status !== "pending";
        if (!isAsked || (task.finished_at !== null && !isDecided))
          throw new TerminalError(
            "task_not_waiting",
            `task ${task_id} is ${task.status}: it does not wait for anybody`,
          );
        const changes = applyRequest(human, request, now);
        if (human.version !== version)
          throw new TerminalError("task_changed", `the task has version ${human.version} by now, and not ${version}`, {
            hint: "Read it again, and decide by what it says",
          });
        if (request.action === "complete" && human.form !== null) requireFit(human.form, request.answer);
        const changed = { ...human, ...storableChange(changes) };
        await change(tx, task_id, { ...storableChange(changes), version: version + 1 });
        if (changed.decided_at !== null) await updateTask(tx, task_id, endOf(changed, changed.decided_at));
        else if (changed.assignee !== human.assignee) await updateTask(tx, task_id, { assignee: changed.assignee });
        const subject = `task:${task_id}`;
        const [before, after] = [auditedOf(human), auditedOf(changed)];
        await writeAudit(tx, { actor, action: `task.${request.action}`, subject, before, after });
      }),

    async listUntold(limit) {
      const rows = await guarded(
        db
          .select({ task_id: humanTasks.task_id })
          .from(humanTasks)
          .innerJoin(runs, eq(runs.run_id, humanTasks.run_id))
          .where(
            and(
              isNotNull(humanTasks.decided_at),
              lt(humanTasks.decided_at, UNTOLD_AFTER),
              isNull(humanTasks.told_at),
              isNull(runs.finished_at),
            ),
          )
          .limit(limit),
      );
      return rows.map(({ task_id }) => task_id);
    },
  };
}

/** The task with what it asks of a person, the run that it belongs to and the ledger's time. */
async function lockTask(tx: Transaction, taskId: string) {
  const ofTask = eq(tasks.task_id, taskId);
  await tx.select({ task_id: tasks.task_id }).from(tasks).where(ofTask).for("update");
  const [row] = await tx
    .select({
      task: tasks,
      activity_name: runs.activity_name,
      human: humanTasks,
      source: events.source,
      payload: events.payload,
      now: sql<string>`now()`,
    })
    .from(tasks)
    .innerJoin(runs, eq(runs.run_id, tasks.run_id))
    .leftJoin(humanTasks, eq(humanTasks.task_id, tasks.task_id))
    .leftJoin(eventKeys, eq(eventKeys.event_id, runs.event_id))
    .leftJoin(events, eq(events.row_id, eventKeys.row_id))
    .where(ofTask);
  if (row === undefined) return undefined;
  const cause: Cause = row.source === null ? null : { source: row.source, payload: row.payload };
  return { ...row, cause, now: new Date(row.now) };
}

/** A task that is retried is asked anew, under a version that nobody has seen: a decision about the last asking is none about this. */
async function ask(tx: Transaction, { task, human, now }: Locked): Promise<HumanRow> {
  const { task_id, run_id, activity_id } = task;
  const version = (human?.version ?? 0) + 1;
  await tx.delete(humanTasks).where(eq(humanTasks.task_id, task_id));
  const asked = askedBy(task.params as HumanParams, now);
  const [row] = await tx
    .insert(humanTasks)
    .values({ task_id, run_id, activity_id, version, state: "open", created_at: now, ...asked })
    .returning();
  const { due_at, assignee } = row as HumanRow;
  const attempts = sql`${tasks.attempts} + 1`;
  await updateTask(tx, task_id, { status: "waiting", attempts, started_at: now, due_at, assignee });
  return row as HumanRow;
}

async function change(tx: Transaction, taskId: string, changes: Partial<HumanRow>): Promise<void> {
  await tx.update(humanTasks).set(changes).where(eq(humanTasks.task_id, taskId));
}

type TaskChange = Parameters<ReturnType<Transaction["update"]>["set"]>[0];

async function updateTask(tx: Transaction, taskId: string, changes: TaskChange): Promise<void> {
  await tx.update(tasks).set(changes).where(eq(tasks.task_id, taskId));
}

/** Each is told once: a reminder has its number. */
function describeNews({ task, activity_name, cause }: Locked, human: HumanRow, news: HumanNews): OwnEvent {
  const { task_id, run_id, activity_id, key } = task;
  const { title, assignee, group, due_at, expire_at, reminders } = human;
  const payload = {
    ...{ task_id, run_id, activity_id, activity_name, key, title, assignee, group, reminder: reminders },
    ...{
      due_at: due_at?.toISOString() ?? null,
      expire_at: expire_at?.toISOString() ?? null,
      path: `/tasks/${task_id}`,
    },
  };
  const occasion = news === "waiting" ? `${task.retried}.${reminders}` : String(task.retried);
  return makeOwnEvent({ type: `actcore.task.${news}`, subject: task_id, occasion, cause, run_id, payload });
}

function requireFit(form: Record<string, unknown>, answer: unknown): void {
  const faults = atPath("/answer", compileCheck(form)(answer));
  if (faults.length > 0) throw new InvalidInputError("the answer does not fit the form", faults, "answer_invalid");
}

function auditedOf({ state, assignee, group, claimed_by, decided_by, comment }: HumanRow & HumanChange) {
  return { state, assignee, group, claimed_by, decided_by, comment };
}

function storableChange({ comment, ...changes }: HumanChange): HumanChange {
  return { ...changes, ...(comment !== undefined && { comment: comment && storableText(comment) }) };
}

/** How a decision of a person ends the task. */
function endOf(human: HumanRow & HumanChange, at: Date): TaskChange {
  const { state, decided_by: by, comment = null } = human;
  const decision = { decision: state, by, at: at.toISOString(), comment };
  if (state === "completed")
    return { status: "succeeded", finished_at: at, result: { ...decision, answer: human.answer ?? null }, error: null };
  const message = `${by} rejected it${comment === null ? "" : `: ${comment}`}`;
  const error = storable({ code: "human_rejected", message, details: decision });
  return { status: "failed", finished_at: at, error };
}

function expiryOf({ on_expiry, expire_at }: HumanRow): TaskError {
  const at = expire_at?.toISOString();
  if (on_expiry === "reject")
    return { code: "human_rejected", message: `nobody decided by ${at}, which counts as a rejection` };
  return { code: "human_expired", message: `nobody decided by ${at}` };
}

function outlookOf(status: string, error: TaskError | null): HumanOutlook {
  if (status === "succeeded") return { over: true };
  const { code = status, message = `the task is ${status}` } = error ?? {};
  return { over: true, failure: { code, message } };
}

function outlookOfOpen(human: HumanRow, now: Date): HumanOutlook {
  const wake_in_ms = msUntilNext(human, now);
  return { over: false, ...(wake_in_ms !== undefined && { wake_in_ms }) };
}
