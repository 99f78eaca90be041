/**
 * The shape of an ActivityDefinition, as JSON and as YAML: what to react to, and which tasks to make.
 *
 * These schemas validate REST bodies and files, type the code, and make the OpenAPI document. Unknown fields are
 * refused everywhere. `expected` is what an error says in place of TypeBox's wording (faults.ts).
 */
import { type Static, Type } from "@sinclair/typebox";
import { DurationSchema } from "./duration.ts";
import { TimeSchema } from "./time.ts";

const closed = { additionalProperties: false } as const;
/** Text without NUL, which Postgres cannot store. */
const PLAIN = "^[^\\u0000]*$";

const NameSchema = Type.String({
  minLength: 1,
  maxLength: 200,
  pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
  description: "Unique among live definitions.",
  expected: "1 to 200 characters without control characters",
});

const EventTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("event"),
    event_type: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: PLAIN,
      description: "Equals the envelope's `type`.",
    }),
    filters: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "Every key and value must equal the payload's.",
        maxProperties: 50,
        expected: "an object of at most 50 keys",
      }),
    ),
  },
  { ...closed, title: "EventTrigger" },
);

/** What becomes of a due time that did not run when it was due (docs/schedules.md). */
const misfireFields = {
  misfire_policy: Type.Optional(
    Type.Union([Type.Literal("skip"), Type.Literal("catchup"), Type.Literal("compress")], {
      default: "skip",
      description: "Of due times that were missed: run none, every one, or the latest.",
      expected: "skip, catchup or compress",
    }),
  ),
  misfire_grace: Type.Optional(
    DurationSchema({ description: "How late a due time may still be run under `skip`, 60s when absent." }),
  ),
  catchup_window: Type.Optional(
    DurationSchema({ description: "How late a due time may still be run under `catchup`, 24h when absent." }),
  ),
  jitter: Type.Optional(DurationSchema({ description: "A start is delayed by a random time up to this." })),
};

const CronTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("cron"),
    cron_expression: Type.String({
      minLength: 1,
      maxLength: 200,
      description: "Five fields: minute, hour, day of month, month, day of week; or a nickname such as @daily.",
      examples: ["*/5 * * * *"],
    }),
    timezone: Type.Optional(
      Type.String({ maxLength: 100, description: "IANA name, UTC when absent.", examples: ["Europe/Berlin"] }),
    ),
    dst_gap: Type.Optional(
      Type.Union([Type.Literal("run"), Type.Literal("skip")], {
        default: "run",
        description:
          "Of a time that a clock change removes, where neither minute nor hour begins with `*`: run it right after, or not at all.",
        expected: "run or skip",
      }),
    ),
    ...misfireFields,
  },
  { ...closed, title: "CronTrigger" },
);

const IntervalTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("interval"),
    every: DurationSchema({ description: "Whole seconds, counted from 1970-01-01T00:00:00Z.", examples: ["90s"] }),
    offset: Type.Optional(DurationSchema({ description: "Shifts every due time; shorter than `every`." })),
    ...misfireFields,
  },
  { ...closed, title: "IntervalTrigger" },
);

const ScheduledTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("scheduled"),
    run_at: TimeSchema("runs once, then. In whole seconds."),
  },
  { ...closed, title: "ScheduledTrigger" },
);

/** By `trigger_type`. */
export const TRIGGER_SCHEMAS = {
  event: EventTriggerSchema,
  cron: CronTriggerSchema,
  interval: IntervalTriggerSchema,
  scheduled: ScheduledTriggerSchema,
} as const;
export const TRIGGER_TYPES = Object.keys(TRIGGER_SCHEMAS) as TriggerType[];
const TriggerTypeSchema = Type.Union(
  Object.values(TRIGGER_SCHEMAS).map(({ properties }) => properties.trigger_type),
  { description: "May repeat trigger_config.trigger_type.", expected: "event, cron, interval or scheduled" },
);
const TriggerConfigSchema = Type.Union(Object.values(TRIGGER_SCHEMAS), { expected: "a trigger" });

const RetrySchema = Type.Object(
  {
    max_attempts: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 5, description: "All tries, the first included." }),
    ),
    initial_interval: Type.Optional(DurationSchema({ description: "Wait before the second try, 1s when absent." })),
    backoff_coefficient: Type.Optional(Type.Number({ minimum: 1, maximum: 100, default: 2 })),
    max_interval: Type.Optional(DurationSchema({ description: "Longest wait between tries, 5m when absent." })),
  },
  { ...closed, title: "Retry" },
);

const taskFields = {
  key: Type.String({
    minLength: 1,
    maxLength: 100,
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    description: "Names the task within its definition; a part of its id.",
    expected: "1 to 100 letters, digits, '.', '_' or '-', unique within the definition",
  }),
  retry: Type.Optional(RetrySchema),
  timeout: Type.Optional(DurationSchema({ description: "Of one try, 30s when absent.", examples: ["30s"] })),
};

const LogTaskSchema = Type.Object(
  {
    ...taskFields,
    type: Type.Literal("log"),
    params: Type.Object(
      {
        message: Type.String({ maxLength: 10_000, description: "Written to actcore's own log." }),
        level: Type.Optional(
          Type.Union([Type.Literal("debug"), Type.Literal("info"), Type.Literal("warn"), Type.Literal("error")], {
            default: "info",
            expected: "debug, info, warn or error",
          }),
        ),
      },
      closed,
    ),
  },
  { ...closed, title: "LogTask" },
);

const HTTP_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] as const;

const HttpTaskSchema = Type.Object(
  {
    ...taskFields,
    type: Type.Literal("http"),
    params: Type.Object(
      {
        method: Type.Optional(
          Type.Union(
            HTTP_METHODS.map((method) => Type.Literal(method)),
            {
              default: "POST",
              expected: `one of ${HTTP_METHODS.join(", ")}`,
            },
          ),
        ),
        url: Type.String({ maxLength: 4000, pattern: "^https?://", expected: "an http:// or https:// URL" }),
        headers: Type.Optional(
          Type.Record(Type.String(), Type.String(), { maxProperties: 50, expected: "an object of strings" }),
        ),
        body: Type.Optional(
          Type.Unknown({
            description:
              "A string is sent as it is, anything else as JSON. When absent, a POST, PUT or PATCH sends the task's own input: {run, event}.",
          }),
        ),
      },
      closed,
    ),
  },
  { ...closed, title: "HttpTask" },
);

/** By task `type`. */
export const TASK_SCHEMAS = { log: LogTaskSchema, http: HttpTaskSchema } as const;
export const TASK_TYPES = Object.keys(TASK_SCHEMAS) as TaskType[];
const TaskTemplateSchema = Type.Union(Object.values(TASK_SCHEMAS), { expected: "a task template" });

/** What a user sends: everything but `name` and `trigger_config` has a default. */
export const DefinitionInputSchema = Type.Object(
  {
    name: NameSchema,
    enabled: Type.Optional(Type.Boolean({ default: true })),
    trigger_type: Type.Optional(TriggerTypeSchema),
    trigger_config: TriggerConfigSchema,
    context_sources: Type.Optional(
      Type.Array(Type.Never(), {
        maxItems: 0,
        description: "None is supported yet.",
        expected: "an empty list: this version resolves no context sources yet",
      }),
    ),
    task_templates: Type.Optional(
      Type.Array(TaskTemplateSchema, { maxItems: 100, default: [], expected: "a list of at most 100 task templates" }),
    ),
    dedupe_key_strategy: Type.Optional(
      Type.Literal("event_id", { default: "event_id", expected: "event_id: this version knows no other strategy yet" }),
    ),
  },
  { ...closed, title: "ActivityDefinitionInput" },
);

/** What is stored and answered. */
export const DefinitionSchema = Type.Object(
  {
    id: Type.String({ format: "uuid" }),
    name: NameSchema,
    enabled: Type.Boolean(),
    trigger_type: TriggerTypeSchema,
    trigger_config: TriggerConfigSchema,
    context_sources: Type.Array(Type.Unknown()),
    task_templates: Type.Array(TaskTemplateSchema),
    dedupe_key_strategy: Type.String(),
    version: Type.Integer({ minimum: 1, description: "Every change adds one; a run names the version that it used." }),
    enabled_override: Type.Union([Type.Boolean(), Type.Null()], {
      description: "Of a definition that a file made: what REST said last, until it is lifted with `enabled: null`.",
    }),
    source: Type.String({ description: "`rest`, or the file that made it." }),
    retired_at: Type.Union([Type.String({ format: "date-time" }), Type.Null()], {
      description: "Since when its document is gone from the files: until it returns, the definition is disabled.",
    }),
    created_at: Type.String({ format: "date-time" }),
    updated_at: Type.String({ format: "date-time" }),
  },
  { ...closed, title: "ActivityDefinition" },
);

export type TriggerType = keyof typeof TRIGGER_SCHEMAS;
export type TaskType = keyof typeof TASK_SCHEMAS;
export type EventTrigger = Static<typeof EventTriggerSchema>;
export type CronTrigger = Static<typeof CronTriggerSchema>;
export type IntervalTrigger = Static<typeof IntervalTriggerSchema>;
export type ScheduledTrigger = Static<typeof ScheduledTriggerSchema>;
/** A trigger that has due times. */
export type ScheduleTrigger = CronTrigger | IntervalTrigger | ScheduledTrigger;
export type LogTemplate = Static<typeof LogTaskSchema>;
export type HttpTemplate = Static<typeof HttpTaskSchema>;
export type TaskTemplate = LogTemplate | HttpTemplate;
export type Definition = Static<typeof DefinitionSchema>;
/** A definition without what the store adds: the part that a version keeps. */
export type DefinitionBody = Omit<
  Definition,
  "id" | "enabled_override" | "version" | "source" | "retired_at" | "created_at" | "updated_at"
>;
