/** What a reader of the ledger sees of a task, in the JSON form that REST answers. */
import { type Static, Type } from "@sinclair/typebox";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import { HUMAN_STATES } from "../task/human/human-state.ts";
import { TASK_STATUSES } from "../task/task.ts";

const Time = Type.String({ format: "date-time" });
const taskError = { code: Type.String(), message: Type.String() };

const summaryFields = {
  task_id: Type.String({ format: "uuid" }),
  idempotency_key: Type.String({
    format: "uuid",
    description:
      "What the outside knows the task by, such as the Idempotency-Key of an http task: the same at every try and on every ledger.",
  }),
  run_id: Type.String({ format: "uuid" }),
  activity_id: Type.String({ format: "uuid" }),
  activity_name: Type.String({ description: "As the activity was called when its run was claimed." }),
  key: Type.String(),
  instance: Nullable(
    Type.Integer({ description: "Which item of its template's `for_each` it is made for; the first one is 0." }),
  ),
  type: Type.String(),
  status: oneOf(TASK_STATUSES),
  attempts: Type.Integer({ description: "Tries that were begun, before retries by hand too." }),
  error: Nullable(Type.Object(taskError)),
  created_at: Time,
  started_at: Nullable(Time),
  finished_at: Nullable(Time),
  duration_ms: Nullable(
    Type.Integer({ description: "From the first try's beginning to the end of the last one, waits included." }),
  ),
  run_on: Nullable(Type.String({ description: "The label of the workers that do it; null: any worker does." })),
  due_at: Nullable(Time),
  assignee: Nullable(Type.String()),
  retried: Type.Integer({ description: "How often it was retried by hand, its run being opened again." }),
  cancel_requested_at: Nullable(
    Type.String({
      format: "date-time",
      description: "When somebody asked to cancel it: no try of it begins any more.",
    }),
  ),
  requested_by: Nullable(Type.String({ description: "Who last asked to retry or cancel it." })),
  taken_from: Nullable(
    Type.String({ format: "uuid", description: "The task of the repeated run whose result this one took over." }),
  ),
};

const HumanView = Type.Object(
  {
    version: Type.Integer({ description: "Counts its changes; what If-Match of a request about it has to name." }),
    state: oneOf(HUMAN_STATES),
    title: Type.String(),
    description: Nullable(Type.String()),
    form: Nullable(Type.Record(Type.String(), Type.Unknown()), { description: "JSON Schema of the answer." }),
    assignee: Nullable(Type.String()),
    group: Nullable(Type.String()),
    claimed_by: Nullable(Type.String()),
    due_at: Nullable(Time),
    next_reminder_at: Nullable(Time),
    reminders: Type.Integer({ description: "How many there were." }),
    expire_at: Nullable(Time),
    escalated_at: Nullable(Time, { description: "When it was found to be due." }),
    decided_at: Nullable(Time),
    decided_by: Nullable(Type.String()),
    answer: Type.Unknown(),
    comment: Nullable(Type.String()),
    created_at: Time,
  },
  { title: "HumanTaskState" },
);

/** As lists show it: without what it sends, and without what the outside said. */
export const TaskSummary = Type.Object(summaryFields, { title: "TaskSummary" });

export const TaskWait = Type.Object(
  {
    code: oneOf(["no_worker", "workflow", "workflow_failing"], {
      description:
        "`no_worker`: nobody polls the queue of the task or of its workflow. `workflow`: its workflow goes on. " +
        "`workflow_failing`: the steps of its workflow fail, and are tried again.",
    }),
    message: Type.String(),
  },
  { title: "TaskWait" },
);

export const TaskView = Type.Object(
  {
    ...summaryFields,
    params: Type.Unknown({
      description:
        "Without what may be a credential, such as the headers, the body and the query of an http task, unless the key may read definitions.",
    }),
    result: Type.Unknown(),
    waiting_for: Nullable(TaskWait, {
      description:
        "What an open task waits for, as the engine knows it at this moment; null also where it cannot be asked.",
    }),
    output: Nullable(
      Type.Object({
        attempt: Type.Integer({ description: "Which try wrote it." }),
        text: Type.String({ description: "The last 64 KB of stdout and stderr, in order of arrival." }),
        bytes: Type.Integer({ description: "All that it wrote." }),
        truncated: Type.Boolean({ description: "Whether it wrote more than the text has." }),
        updated_at: Time,
      }),
      { description: "What the command of a command task has written so far, also while it runs; null before." },
    ),
    human: Nullable(HumanView, {
      description: "What it asks of a person; null of other types, and until it is asked.",
    }),
    error: Nullable(
      Type.Object({
        ...taskError,
        details: Type.Optional(Type.Unknown({ description: "What the outside said: the response of an http task." })),
      }),
    ),
  },
  { title: "Task" },
);

export type TaskSummary = Static<typeof TaskSummary>;
export type TaskWait = Static<typeof TaskWait>;
export type TaskView = Static<typeof TaskView>;
/** What the ledger knows of a task. */
export type StoredTask = Omit<TaskView, "waiting_for">;
