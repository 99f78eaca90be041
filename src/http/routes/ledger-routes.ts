/** Runs and tasks over REST: what the ledger says, newest first. */
import { Type } from "@sinclair/typebox";
import { RunView, TaskView } from "../../explain/views.ts";
import { showParams, type TaskTypes } from "../../task/task-type.ts";
import { ActivityId } from "../activity-id.ts";
import { listRoute } from "../list-route.ts";
import { listQuery, Since } from "../query.ts";
import { type Route, type RouteInput, requireFound, requireUuid } from "../route.ts";

const Uuid = Type.String({
  pattern: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
  expected: "a UUID",
});

export function ledgerRoutes(types: TaskTypes): readonly Route[] {
  /** Hides what came from the definition where the caller may not read definitions. */
  function showTask(task: TaskView, may: RouteInput["may"]): TaskView {
    return may("definitions:read") ? task : { ...task, params: showParams(types, task.type, task.params) };
  }

  return [
    listRoute({
      path: "/runs",
      tag: "Runs",
      scope: "runs:read",
      summary: "List runs, newest first",
      query: listQuery({
        activity_id: Type.Optional(ActivityId),
        status: Type.Optional(RunView.properties.status),
        trigger: Type.Optional(RunView.properties.trigger),
        since: Type.Optional(Since),
      }),
      row: RunView,
      id: "run_id",
      read: ({ ledger }, filter, page) => ledger.listRuns(filter, page),
    }),
    {
      method: "GET",
      path: "/runs/:run_id",
      tag: "Runs",
      scope: "runs:read",
      summary: "Read a run",
      params: Type.Object({ run_id: Uuid }),
      answers: { 200: RunView },
      async handle({ params, services }) {
        const id = requireUuid(params, "run_id");
        return { body: requireFound(await services.ledger.findRun(id), `run ${id}`) };
      },
    },
    listRoute({
      path: "/tasks",
      tag: "Tasks",
      scope: "tasks:read",
      summary: "List tasks, newest first",
      query: listQuery({
        activity_id: Type.Optional(ActivityId),
        run_id: Type.Optional(Uuid),
        status: Type.Optional(TaskView.properties.status),
        since: Type.Optional(Since),
      }),
      row: TaskView,
      id: "task_id",
      show: showTask,
      read: ({ ledger }, filter, page) => ledger.listTasks(filter, page),
    }),
    {
      method: "GET",
      path: "/tasks/:task_id",
      tag: "Tasks",
      scope: "tasks:read",
      summary: "Read a task",
      params: Type.Object({ task_id: Uuid }),
      answers: { 200: TaskView },
      async handle({ params, services, may }) {
        const id = requireUuid(params, "task_id");
        return { body: showTask(requireFound(await services.ledger.findTask(id), `task ${id}`), may) };
      },
    },
  ];
}
