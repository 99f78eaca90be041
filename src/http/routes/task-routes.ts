/** Tasks over REST: what the ledger says of them, newest first; cancelling and retrying one. */
import { Type } from "@sinclair/typebox";
import { type StoredTask, TaskSummary, TaskView, type TaskWait } from "../../explain/task-view.ts";
import { findTaskWait } from "../../explain/task-wait.ts";
import { RetryableError } from "../../kernel/errors.ts";
import { inTime } from "../../kernel/wait.ts";
import { showParams, type TaskTypes } from "../../task/task-type.ts";
import { ActivityId, Uuid } from "../ids.ts";
import { byId, listRoute } from "../list-route.ts";
import { invalidQuery, QueryTime, Since } from "../query.ts";
import { type Input, type Route, requireFound, route } from "../route.ts";
import type { Services } from "../services.ts";
import { withTag } from "../version.ts";

/** The id of a run in a query, which is checked by its schema alone. */
const RunId = Type.String({
  pattern: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
  expected: "a UUID",
});

/** How long the engine may take to say what a task waits for: the rest of the task is known without it. */
const WAIT_WITHIN_MS = 2_000;

async function findWait(task: StoredTask, services: Services): Promise<TaskWait | null> {
  const late = () => new RetryableError("temporal_unavailable", `Temporal: no answer within ${WAIT_WITHIN_MS} ms`);
  try {
    return await inTime(findTaskWait(task, services.queues), WAIT_WITHIN_MS, late);
  } catch (error) {
    if (error instanceof RetryableError) return null;
    throw error;
  }
}

export function taskRoutes(types: TaskTypes): readonly Route[] {
  /** Hides what came from the definition where the caller may not read definitions. */
  function showTask(task: TaskView, may: Input["may"]): TaskView {
    return may("definitions:read") ? task : { ...task, params: showParams(types, task.type, task.params) };
  }

  return [
    listRoute({
      path: "/tasks",
      scope: "tasks:read",
      summary: "List tasks, newest first, without what they sent and got",
      filters: {
        activity_id: Type.Optional(ActivityId),
        run_id: Type.Optional(RunId),
        key: Type.Optional(
          Type.String({ maxLength: 100, description: "Of their template; asked together with run_id or activity_id." }),
        ),
        status: Type.Optional(TaskSummary.properties.status),
        assignee: Type.Optional(Type.String({ maxLength: 200, description: "Whose tasks wait." })),
        group: Type.Optional(Type.String({ maxLength: 200, description: "The group whose tasks wait." })),
        due_before: Type.Optional(QueryTime("tasks that wait for a person and are due by then.")),
        since: Type.Optional(Since),
      },
      row: TaskSummary,
      cursor: byId("task_id"),
      async read({ services }, filter, page) {
        const { key, run_id, activity_id } = filter;
        // A key alone would be looked for in every task there is.
        if (key !== undefined && run_id === undefined && activity_id === undefined)
          throw invalidQuery([{ path: "?key", message: "needs run_id or activity_id beside it" }]);
        return services.ledger.listTasks(filter, page);
      },
    }),
    route({
      method: "GET",
      path: "/tasks/:task_id",
      scope: "tasks:read",
      summary: "Read a task",
      params: Type.Object({ task_id: Uuid }),
      answers: { 200: TaskView },
      async handle({ params, services, may }) {
        const id = params.task_id;
        const task = requireFound(await services.ledger.findTask(id), `task ${id}`);
        return withTag(
          showTask({ ...task, waiting_for: await findWait(task, services) }, may),
          {},
          task.human?.version,
        );
      },
    }),
    route({
      method: "POST",
      path: "/tasks/:task_id/cancel",
      scope: "trigger",
      summary: "Ask an open task to end as cancelled; the run goes on with its other tasks",
      params: Type.Object({ task_id: Uuid }),
      answers: { 202: Type.Object({ task_id: Type.String({ format: "uuid" }) }) },
      async handle({ params, services, actor }) {
        const { task_id } = params;
        await services.taskControl.cancel({ task_id, actor });
        return { status: 202, body: { task_id }, headers: { location: `/tasks/${task_id}` } };
      },
    }),
    route({
      method: "POST",
      path: "/tasks/:task_id/retry",
      scope: "trigger",
      summary: "Do a failed or cancelled task again: its run, which is over, is opened again, and goes on from there",
      params: Type.Object({ task_id: Uuid }),
      answers: {
        202: Type.Object({
          task_id: Type.String({ format: "uuid" }),
          run_id: Type.String({ format: "uuid" }),
          workflow_id: Type.String({ description: "Of the run, from now on." }),
        }),
      },
      async handle({ params, services, actor }) {
        const { task_id } = params;
        const run = await services.taskControl.retry({ task_id, actor });
        return { status: 202, body: { task_id, ...run }, headers: { location: `/runs/${run.run_id}` } };
      },
    }),
  ];
}
