/** The triggers that have due times, as a definition writes them: cron, interval, and one-shot (`scheduled`). */
import { type Static, Type } from "@sinclair/typebox";
import { DurationSchema } from "./duration.ts";
import { LocalTimeSchema } from "./local-time.ts";

const closed = { additionalProperties: false } as const;

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

const timezone = (description: string) =>
  Type.Optional(Type.String({ maxLength: 100, description: `IANA name, ${description}`, examples: ["Europe/Berlin"] }));

/** When a trigger that repeats begins and ends, and which dates it leaves out. */
const bounds = {
  starts_at: Type.Optional(LocalTimeSchema("nothing is due before it, and what is due then is.")),
  ends_at: Type.Optional(LocalTimeSchema("nothing is due after it, and what is due then is.")),
  except: Type.Optional(
    Type.Array(Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\d$", expected: "a date such as 2026-12-25" }), {
      maxItems: 400,
      description: "Dates in the zone: what is due on them does not run, and is recorded as skipped.",
      examples: [["2026-12-25", "2026-12-26"]],
      expected: "a list of at most 400 dates such as 2026-12-25",
    }),
  ),
};

const CronExpressionSchema = Type.String({ minLength: 1, maxLength: 200, examples: ["*/5 * * * *"] });

export const CronTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("cron"),
    cron_expression: Type.Unsafe<string | string[]>(
      Type.Union([CronExpressionSchema, Type.Array(CronExpressionSchema, { minItems: 1, maxItems: 20 })], {
        description:
          "Five fields: minute, hour, day of month, month, day of week; or a nickname such as @daily. Of a list, each is due, and " +
          "what several name is due once.",
        examples: ["*/5 * * * *", ["30 8 * * MON-FRI", "0 10 * * SAT,SUN"]],
        expected: "a text of five fields, or a list of 1 to 20 of them",
      }),
    ),
    timezone: timezone("UTC when absent."),
    ...bounds,
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

export const IntervalTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("interval"),
    every: DurationSchema({
      description: "Whole seconds, counted from 1970-01-01T00:00:00Z, or from `anchor`.",
      examples: ["90s"],
    }),
    offset: Type.Optional(DurationSchema({ description: "Shifts every due time; shorter than `every`." })),
    anchor: Type.Optional(
      LocalTimeSchema(
        "a due time: the others are whole multiples of `every` before and after it. In place of `offset`.",
      ),
    ),
    timezone: timezone("of times that have no offset, and of the preview."),
    ...bounds,
    ...misfireFields,
  },
  { ...closed, title: "IntervalTrigger" },
);

export const ScheduledTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("scheduled"),
    run_at: LocalTimeSchema("runs once, then."),
    timezone: timezone("of a `run_at` that has no offset, and of the preview."),
  },
  { ...closed, title: "ScheduledTrigger" },
);

export type CronTrigger = Static<typeof CronTriggerSchema>;
export type IntervalTrigger = Static<typeof IntervalTriggerSchema>;
export type ScheduledTrigger = Static<typeof ScheduledTriggerSchema>;
/** A trigger that has due times. */
export type ScheduleTrigger = CronTrigger | IntervalTrigger | ScheduledTrigger;
