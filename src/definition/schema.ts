/**
 * The shape of an ActivityDefinition, as JSON and as YAML: what to react to, and which tasks to make.
 *
 * These schemas validate REST bodies and files, type the code, and make the OpenAPI document. Unknown fields are
 * refused everywhere. `expected` is what an error says in place of TypeBox's wording (faults.ts).
 */
import { type Static, Type } from "@sinclair/typebox";
import { DurationSchema } from "../calendar/duration.ts";
import { CronTriggerSchema, IntervalTriggerSchema, ScheduledTriggerSchema } from "../calendar/trigger.ts";
import { contextSourceSchema } from "../context/sources.ts";
import { Nullable } from "../json/schema-parts.ts";
import type { TaskTypes } from "../task/task-type.ts";
import { ExpressionSchema, MaxParallelSchema, templateSchema } from "../task/template.ts";
import type { TaskTemplate } from "../task/types.ts";
import { DedupeSchema, FlowSchema } from "./flow.ts";

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
      description: "The envelope's `type`: exact, or with `*` for one segment between dots and `**` for the rest.",
    }),
    filters: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description:
          "By key or path (`account.country`) of the payload, the value that it must have, or a list of them.",
        maxProperties: 50,
        expected: "an object of at most 50 keys",
      }),
    ),
    when: Type.Optional(
      ExpressionSchema("Asked of `event` when the filters hold: where it is false, the event starts no run.", [
        "event.payload.seats > 3",
      ]),
    ),
  },
  { ...closed, title: "EventTrigger" },
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

function taskTemplateSchema(types: TaskTypes) {
  const templates = Object.entries(types).map(([name, type]) => templateSchema(name, type));
  return Type.Unsafe<TaskTemplate>(Type.Union(templates, { expected: "a task template" }));
}

/** What a definition may say of its runs as a whole. */
const runFields = {
  when: Type.Optional(
    ExpressionSchema("Asked when the context is there: where it is false, the run is skipped.", [
      "context.account.active",
    ]),
  ),
  timeout: Type.Optional(
    DurationSchema({ description: "Of a whole run, no limit when absent: then it fails.", examples: ["2h"] }),
  ),
  max_parallel: Type.Optional(MaxParallelSchema("How many tasks of a run are done at once, 50 when absent.")),
  shadow: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        "Its runs are decided and recorded, and nothing is done: to compare it with what does the work today.",
    }),
  ),
  expect: Type.Optional(
    Type.Object(
      {
        success_within: DurationSchema({
          description: "The activity is overdue when no run of it has succeeded for so long.",
          examples: ["26h"],
        }),
      },
      { ...closed, title: "Expectation" },
    ),
  ),
  flow: Type.Optional(FlowSchema),
  publish_outcome: Type.Optional(
    Type.Boolean({
      description:
        "Whether the end of each run is published as an event of actcore's own; as ACTCORE_PUBLISH_OUTCOME says when absent.",
    }),
  ),
};

/** What a user sends, with tasks of these types: everything but `name` and `trigger_config` has a default. */
export const definitionInputSchema = (types: TaskTypes) =>
  Type.Object(
    {
      name: NameSchema,
      enabled: Type.Optional(Type.Boolean({ default: true })),
      trigger_type: Type.Optional(TriggerTypeSchema),
      trigger_config: TriggerConfigSchema,
      context_sources: Type.Optional(
        Type.Array(contextSourceSchema(), {
          maxItems: 20,
          default: [],
          description: "What a run looks at before it decides.",
          expected: "a list of at most 20 context sources",
        }),
      ),
      ...runFields,
      task_templates: Type.Optional(
        Type.Array(taskTemplateSchema(types), {
          maxItems: 100,
          default: [],
          expected: "a list of at most 100 task templates",
        }),
      ),
      dedupe_key_strategy: Type.Optional(DedupeSchema),
    },
    { ...closed, title: "ActivityDefinitionInput" },
  );

/** What is stored and answered, with tasks of these types. */
export const definitionSchema = (types: TaskTypes) =>
  Type.Object(
    {
      id: Type.String({ format: "uuid" }),
      name: NameSchema,
      enabled: Type.Boolean(),
      trigger_type: TriggerTypeSchema,
      trigger_config: TriggerConfigSchema,
      context_sources: Type.Array(contextSourceSchema()),
      ...runFields,
      task_templates: Type.Array(taskTemplateSchema(types)),
      dedupe_key_strategy: DedupeSchema,
      version: Type.Integer({
        minimum: 1,
        description: "Every change adds one; a run names the version that it used.",
      }),
      enabled_override: Nullable(Type.Boolean(), {
        description: "Of a definition that a file made: what REST said last, until it is lifted with `enabled: null`.",
      }),
      source: Type.String({ description: "`rest`, or the file that made it." }),
      retired_at: Nullable(Type.String({ format: "date-time" }), {
        description: "Since when its document is gone from the files: until it returns, the definition is disabled.",
      }),
      created_at: Type.String({ format: "date-time" }),
      updated_at: Type.String({ format: "date-time" }),
    },
    { ...closed, title: "ActivityDefinition" },
  );

export type TriggerType = keyof typeof TRIGGER_SCHEMAS;
export type EventTrigger = Static<typeof EventTriggerSchema>;
export type DefinitionInput = Static<ReturnType<typeof definitionInputSchema>>;
export type Definition = Static<ReturnType<typeof definitionSchema>>;
/** What the store adds to a definition; a client may send it back as it got it. */
export const STORED_FIELDS = [
  "id",
  "enabled_override",
  "version",
  "source",
  "retired_at",
  "created_at",
  "updated_at",
] as const;
/** A definition without what the store adds: the part that a version keeps. */
export type DefinitionBody = Omit<Definition, (typeof STORED_FIELDS)[number]>;
