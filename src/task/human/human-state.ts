/**
 * A human task as the ledger keeps it, and what becomes of it: by a person who decides, or by time. Pure; the ledger stores what is
 * answered here where the task has not changed meanwhile.
 */
import { parseDuration } from "../../calendar/duration.ts";
import { TerminalError } from "../../kernel/errors.ts";
import type { HumanParams } from "./params.ts";

/** How a task stands that a person has to do. The first two are open; each of the others is final. */
export const HUMAN_STATES = ["open", "claimed", "completed", "rejected", "expired", "cancelled"] as const;
export type HumanState = (typeof HUMAN_STATES)[number];

export interface HumanTask {
  state: HumanState;
  title: string;
  assignee: string | null;
  group: string | null;
  claimed_by: string | null;
  due_at: Date | null;
  remind_every_ms: number | null;
  next_reminder_at: Date | null;
  reminders: number;
  expire_at: Date | null;
  on_expiry: "fail" | "reject";
  escalate_to: { assignee?: string; group?: string } | null;
  escalated_at: Date | null;
  decided_at: Date | null;
  decided_by: string | null;
}

/** The task that the params ask of a person at `now`; their strings are rendered. */
export function askedBy(params: HumanParams, now: Date) {
  const { title, description = null, form = null, assignee = null, group = null } = params;
  const { due_in, remind_every, escalate_to = null, expire_in, on_expiry = "fail" } = params;
  const after = (duration: string | number | undefined) =>
    duration === undefined ? null : new Date(now.getTime() + parseDuration(duration));
  return {
    ...{ title, description, form, assignee, group, escalate_to, on_expiry },
    due_at: after(due_in),
    remind_every_ms: remind_every === undefined ? null : parseDuration(remind_every),
    next_reminder_at: after(remind_every),
    expire_at: after(expire_in),
  };
}

/** What somebody asks for. `by` is who that is. */
export type HumanRequest = { by: string } & (
  | { action: "claim" | "release" }
  | { action: "complete"; answer: unknown; comment?: string | undefined }
  | { action: "reject"; comment?: string | undefined }
  | { action: "reassign"; assignee?: string | null | undefined; group?: string | null | undefined }
);
export const HUMAN_ACTIONS = ["claim", "release", "complete", "reject", "reassign"] as const;
export type HumanAction = (typeof HUMAN_ACTIONS)[number];

/** What of the task is to be changed. */
export type HumanChange = Partial<HumanTask> & { answer?: unknown; comment?: string | null };

/**
 * What a request changes. That the answer fits the form was checked before.
 * @throws TerminalError `task_decided`, `task_expired`, `task_claimed`, `task_not_claimed`, `task_assigned`
 */
export function applyRequest(task: HumanTask, request: HumanRequest, now: Date): HumanChange {
  const { action, by } = request;
  if (task.decided_at !== null)
    throw new TerminalError(
      "task_decided",
      `the task was ${task.state} ${task.decided_by === null ? "" : `by ${task.decided_by} `}at ${task.decided_at.toISOString()}: the first decision stands`,
    );
  // What time does to a task is stored when its workflow looks, which is later where the engine or its workers are away.
  if (task.expire_at !== null && task.expire_at <= now)
    throw new TerminalError("task_expired", `nobody decided by ${task.expire_at.toISOString()}: nobody may any more`);
  switch (action) {
    case "claim":
      requireMayDo(task, by);
      return { state: "claimed", claimed_by: by };
    case "release":
      if (task.claimed_by !== by)
        throw new TerminalError("task_not_claimed", `${by} has not claimed the task${describeClaim(task)}`);
      return { state: "open", claimed_by: null };
    case "complete":
    case "reject": {
      requireMayDo(task, by);
      const state = action === "complete" ? "completed" : "rejected";
      const answer = request.action === "complete" ? { answer: request.answer } : {};
      return { state, decided_at: now, decided_by: by, comment: request.comment ?? null, ...answer };
    }
    case "reassign": {
      const { assignee = task.assignee, group = task.group } = request;
      return { state: "open", claimed_by: null, assignee, group };
    }
  }
}

function requireMayDo(task: HumanTask, by: string): void {
  if (task.claimed_by !== null && task.claimed_by !== by)
    throw new TerminalError("task_claimed", `the task is claimed by ${task.claimed_by}`, {
      hint: "Let it be released or reassigned first",
    });
  if (task.assignee !== null && task.assignee !== by)
    throw new TerminalError("task_assigned", `the task is ${task.assignee}'s, and ${by} asked`, {
      hint: "Reassign it first, or say who acts by `as`",
    });
}

function describeClaim({ claimed_by }: HumanTask): string {
  return claimed_by === null ? ": nobody has" : `: ${claimed_by} has`;
}

/** What is told of a task: `waiting` when it is asked and at each reminder. */
export type HumanNews = "waiting" | "due" | "escalated" | "expired";

/** What time has done to an open task. Nothing that is late changes a decision: of a decided one this is never asked. */
export function passTime(task: HumanTask, now: Date): { change: HumanChange; news: HumanNews[] } {
  const isOver = (time: Date | null): time is Date => time !== null && time <= now;
  if (isOver(task.expire_at))
    return { change: { state: "expired", decided_at: now, decided_by: null }, news: ["expired"] };
  const change: HumanChange = {};
  const news: HumanNews[] = [];
  if (isOver(task.due_at) && task.escalated_at === null) {
    change.escalated_at = now;
    news.push("due");
    const { escalate_to } = task;
    if (escalate_to !== null) {
      const { assignee = null, group = null } = escalate_to;
      Object.assign(change, { state: "open", claimed_by: null, assignee, group });
      news.push("escalated");
    }
  }
  const { next_reminder_at, remind_every_ms, reminders } = task;
  if (isOver(next_reminder_at) && remind_every_ms !== null) {
    // What was missed while nobody looked is one reminder.
    const missed = Math.floor((now.getTime() - next_reminder_at.getTime()) / remind_every_ms);
    change.next_reminder_at = new Date(next_reminder_at.getTime() + (missed + 1) * remind_every_ms);
    change.reminders = reminders + 1;
    news.push("waiting");
  }
  return { change, news };
}

/** Milliseconds until time does something to an open task next; undefined: it only waits. */
export function msUntilNext({ expire_at, due_at, escalated_at, next_reminder_at }: HumanTask, now: Date) {
  const times = [expire_at, escalated_at === null ? due_at : null, next_reminder_at].filter((time) => time !== null);
  if (times.length === 0) return undefined;
  return Math.max(0, Math.min(...times.map((time) => time.getTime())) - now.getTime());
}
