/** Runs and tasks over REST: what the ledger says, newest first. */
import { type Static, Type } from "@sinclair/typebox";
import { RunView, TaskView } from "../ledger/views.ts";
import { RUN_STATUSES, RUN_TRIGGERS } from "../run/run.ts";
import { TASK_STATUSES } from "../task/task.ts";
import { filterOf, linkNext, PageQuery, type Route, readPage, requireFound, requireUuid, Since } from "./route.ts";

const Uuid = Type.String({
  pattern: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
  expected: "a UUID",
});
const literals = (values: readonly string[]) => Type.Union(values.map((value) => Type.Literal(value)));

const RunQuery = Type.Object(
  {
    ...PageQuery,
    activity_id: Type.Optional(Uuid),
    status: Type.Optional(literals(RUN_STATUSES)),
    trigger: Type.Optional(literals(RUN_TRIGGERS)),
    since: Type.Optional(Since),
  },
  { additionalProperties: false },
);
const TaskQuery = Type.Object(
  {
    ...PageQuery,
    activity_id: Type.Optional(Uuid),
    run_id: Type.Optional(Uuid),
    status: Type.Optional(literals(TASK_STATUSES)),
    since: Type.Optional(Since),
  },
  { additionalProperties: false },
);

export const LEDGER_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/runs",
    tag: "Runs",
    scope: "runs:read",
    summary: "List runs, newest first",
    query: RunQuery,
    answers: { 200: Type.Array(RunView) },
    async handle({ query, services, url }) {
      const page = readPage(query as Static<typeof RunQuery>);
      const rows = await services.ledger.listRuns(filterOf(query), page);
      return {
        body: rows,
        headers: linkNext(url, rows.length, page.limit, rows.at(-1)?.run_id),
      };
    },
  },
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
  {
    method: "GET",
    path: "/tasks",
    tag: "Tasks",
    scope: "tasks:read",
    summary: "List tasks, newest first",
    query: TaskQuery,
    answers: { 200: Type.Array(TaskView) },
    async handle({ query, services, url }) {
      const page = readPage(query as Static<typeof TaskQuery>);
      const rows = await services.ledger.listTasks(filterOf(query), page);
      return {
        body: rows,
        headers: linkNext(url, rows.length, page.limit, rows.at(-1)?.task_id),
      };
    },
  },
  {
    method: "GET",
    path: "/tasks/:task_id",
    tag: "Tasks",
    scope: "tasks:read",
    summary: "Read a task",
    params: Type.Object({ task_id: Uuid }),
    answers: { 200: TaskView },
    async handle({ params, services }) {
      const id = requireUuid(params, "task_id");
      return { body: requireFound(await services.ledger.findTask(id), `task ${id}`) };
    },
  },
];
