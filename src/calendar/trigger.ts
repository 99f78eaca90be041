/** The triggers that have due times, as a definition writes them: cron, interval, and one-shot (`scheduled`). */
import { type Static, Type } from "@sinclair/typebox";
import { DurationSchema } from "./duration.ts";
import { TimeSchema } from "./time.ts";

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

export const CronTriggerSchema = Type.Object(
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

export const IntervalTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("interval"),
    every: DurationSchema({ description: "Whole seconds, counted from 1970-01-01T00:00:00Z.", examples: ["90s"] }),
    offset: Type.Optional(DurationSchema({ description: "Shifts every due time; shorter than `every`." })),
    ...misfireFields,
  },
  { ...closed, title: "IntervalTrigger" },
);

export const ScheduledTriggerSchema = Type.Object(
  {
    trigger_type: Type.Literal("scheduled"),
    run_at: TimeSchema("runs once, then. In whole seconds."),
  },
  { ...closed, title: "ScheduledTrigger" },
);

export type CronTrigger = Static<typeof CronTriggerSchema>;
export type IntervalTrigger = Static<typeof IntervalTriggerSchema>;
export type ScheduledTrigger = Static<typeof ScheduledTriggerSchema>;
/** A trigger that has due times. */
export type ScheduleTrigger = CronTrigger | IntervalTrigger | ScheduledTrigger;
