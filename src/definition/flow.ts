/**
 * Which occasions of an activity become runs, and when: `dedupe_key_strategy` and `flow` of a definition. What may be written, and
 * what it means in milliseconds and expressions. Pure.
 */
import { type Static, Type } from "@sinclair/typebox";
import { DurationSchema, findDurationFaults, parseDuration } from "../calendar/duration.ts";
import { compileChecked, type Expression, findExpressionFaults } from "../expression/expression.ts";
import { oneOf } from "../json/schema-parts.ts";
import type { Fault } from "../kernel/errors.ts";
import { ExpressionSchema } from "../task/template.ts";
import { TRIGGER_SCOPE } from "./scopes.ts";

const closed = { additionalProperties: false } as const;
/** How many events one window holds at most, whatever the definition says. */
export const MAX_WINDOW_EVENTS = 1_000;
/** Bytes of JSON of all payloads of one window. */
export const MAX_WINDOW_BYTES = 8 * 1024 ** 2;
/** A debounce without `max_wait` ends after so many times its `quiet`. */
const QUIETS_AT_MOST = 10;
const MIN_WAIT_MS = 100;

const KeySchema = Type.Optional(
  ExpressionSchema("What is counted together, a value of `event`; all events are, when absent.", [
    "event.payload.customer",
  ]),
);
const CountSchema = (description: string) => Type.Integer({ minimum: 1, maximum: 100_000, description });

const DebounceSchema = Type.Object(
  {
    quiet: DurationSchema({
      description: "The run begins when no further event has come for so long.",
      examples: ["5m"],
    }),
    max_wait: Type.Optional(
      DurationSchema({
        description: `At the latest so long after the first event; ${QUIETS_AT_MOST} times \`quiet\` when absent.`,
        examples: ["1h"],
      }),
    ),
    key: KeySchema,
  },
  { ...closed, title: "Debounce" },
);
const BatchSchema = Type.Object(
  {
    size: Type.Integer({
      minimum: 1,
      maximum: MAX_WINDOW_EVENTS,
      description: "The run begins with so many events.",
    }),
    within: DurationSchema({ description: "At the latest so long after the first event.", examples: ["10m"] }),
    key: KeySchema,
  },
  { ...closed, title: "Batch" },
);
const RateLimitSchema = Type.Object(
  {
    count: CountSchema("So many runs begin in any `per`."),
    per: DurationSchema({ description: "The time in which they are counted.", examples: ["1m"] }),
    on_excess: Type.Optional(
      oneOf(["queue", "drop"] as const, { default: "queue", description: "What becomes of further ones." }),
    ),
    key: KeySchema,
  },
  { ...closed, title: "RateLimit" },
);
const MaxConcurrentRunsSchema = Type.Object(
  {
    count: CountSchema("So many runs go at a time, whatever started them."),
    on_excess: Type.Optional(
      oneOf(["queue", "skip"] as const, { default: "queue", description: "What becomes of further ones." }),
    ),
    key: KeySchema,
  },
  { ...closed, title: "MaxConcurrentRuns" },
);

/** `flow` of a definition. */
export const FlowSchema = Type.Object(
  {
    debounce: Type.Optional(
      Type.Union([DurationSchema({ description: "The same as `quiet`." }), DebounceSchema], {
        description: "One run for events that follow each other closely; it has all of them in `events`.",
        expected: "a duration, or an object with `quiet`",
      }),
    ),
    max_wait: Type.Optional(DurationSchema({ description: "Of a debounce that is written as a duration." })),
    batch: Type.Optional(BatchSchema),
    rate_limit: Type.Optional(RateLimitSchema),
    max_concurrent_runs: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: 100_000 }), MaxConcurrentRunsSchema], {
        description: "How many runs of the activity go at a time; those above it wait.",
        expected: "a whole number from 1, or an object with `count`",
      }),
    ),
  },
  { ...closed, title: "Flow" },
);
export type FlowInput = Static<typeof FlowSchema>;

const DEDUPE_STRATEGIES = ["event_id", "subject"] as const;
const DedupeKeySchema = Type.Object(
  {
    key: ExpressionSchema("Events of one value of `event` are the same occasion.", ["event.payload.order_id"]),
    window: Type.Optional(
      DurationSchema({
        description: "For so long after the first one was accepted; as long as keys are kept when absent.",
        examples: ["1h"],
      }),
    ),
  },
  { ...closed, title: "DedupeKey" },
);

/** `dedupe_key_strategy` of a definition. */
export const DedupeSchema = Type.Union([...DEDUPE_STRATEGIES.map((name) => Type.Literal(name)), DedupeKeySchema], {
  default: "event_id",
  description: "Which events are the same occasion, and make one run.",
  expected: "event_id, subject, or an object with a `key`",
});
export type DedupeInput = Static<typeof DedupeSchema>;

/** Which events are the same occasion. */
export interface Dedupe {
  key: Expression;
  /** Milliseconds from the acceptance of the first one; undefined: as long as keys are kept. */
  windowMs: number | undefined;
}

/** What gathers events into one run. */
export type Collector =
  | { kind: "debounce"; quietMs: number; maxWaitMs: number; key?: Expression }
  | { kind: "batch"; size: number; withinMs: number; key?: Expression };

/** At most `count` runs begin in any `perMs`. */
export interface RateLimit {
  count: number;
  perMs: number;
  onExcess: "queue" | "drop";
  key?: Expression;
}

/** At most `count` runs go at a time. */
export interface MaxConcurrent {
  count: number;
  onExcess: "queue" | "skip";
  key?: Expression;
}

export interface Flow {
  collector?: Collector;
  rateLimit?: RateLimit;
  maxConcurrent?: MaxConcurrent;
}

/** Whether runs of the activity may have to wait for others, whatever asks for them. */
export function isGated(flow: Flow | undefined): boolean {
  return flow?.rateLimit !== undefined || flow?.maxConcurrent !== undefined;
}

/** Undefined for a definition that says nothing of it. What it is given was checked by `findFlowFaults`. */
export function compileFlow(input: FlowInput | undefined): Flow | undefined {
  if (input === undefined) return undefined;
  const { rate_limit: rate, batch } = input;
  const debounce = debounceOf(input);
  const concurrent = concurrentOf(input);
  const flow: Flow = {
    ...(debounce && { collector: compileDebounce(debounce) }),
    ...(batch && {
      collector: { kind: "batch", size: batch.size, withinMs: parseDuration(batch.within), ...compileKey(batch) },
    }),
    ...(rate && {
      rateLimit: {
        count: rate.count,
        perMs: parseDuration(rate.per),
        onExcess: rate.on_excess ?? "queue",
        ...compileKey(rate),
      },
    }),
    ...(concurrent && {
      maxConcurrent: { count: concurrent.count, onExcess: concurrent.on_excess ?? "queue", ...compileKey(concurrent) },
    }),
  };
  return Object.keys(flow).length === 0 ? undefined : flow;
}

/** Undefined where events are told apart by their ids alone. */
export function compileDedupe(input: DedupeInput): Dedupe | undefined {
  if (input === "event_id") return undefined;
  if (input === "subject") return { key: compileChecked("event.subject"), windowMs: undefined };
  const { key, window } = input;
  return { key: compileChecked(key), windowMs: window === undefined ? undefined : parseDuration(window) };
}

/** What is wrong with the flow of a definition whose shape is right. `hasEvents`: its trigger waits for events. */
export function findFlowFaults(flow: FlowInput = {}, hasEvents: boolean): Fault[] {
  const { batch, rate_limit: rate, max_wait } = flow;
  const debounce = debounceOf(flow);
  const concurrent = concurrentOf(flow);
  const faults = [
    ...findWaitFaults(debounce?.quiet, typeof flow.debounce === "object" ? "/flow/debounce/quiet" : "/flow/debounce"),
    ...findWaitFaults(debounce?.max_wait, max_wait === undefined ? "/flow/debounce/max_wait" : "/flow/max_wait"),
    ...findWaitFaults(batch?.within, "/flow/batch/within"),
    ...findWaitFaults(rate?.per, "/flow/rate_limit/per"),
  ];
  if (max_wait !== undefined && (flow.debounce === undefined || typeof flow.debounce === "object"))
    faults.push({
      path: "/flow/max_wait",
      message: "stands beside a debounce that is written as a duration; in an object it is the object's own `max_wait`",
    });
  if (faults.length > 0) return faults;
  if (debounce?.max_wait !== undefined && parseDuration(debounce.max_wait) < parseDuration(debounce.quiet))
    faults.push({ path: "/flow/debounce", message: "its max_wait is shorter than its quiet time" });
  if (debounce && batch)
    faults.push({ path: "/flow/batch", message: "cannot stand beside debounce: each gathers events in its own way" });
  const parts = { debounce, batch, rate_limit: rate, max_concurrent_runs: concurrent };
  for (const [name, part] of Object.entries(parts)) {
    const path = `/flow/${name}`;
    if (part === undefined) continue;
    if (!hasEvents && name !== "max_concurrent_runs")
      faults.push({ path, message: "is for activities that wait for events: this one has due times" });
    else if (!hasEvents && part.key !== undefined)
      faults.push({ path: `${path}/key`, message: "reads an event, and an activity with due times has none" });
    else if (part.key !== undefined) faults.push(...findExpressionFaults(part.key, `${path}/key`, TRIGGER_SCOPE));
    const excess = "on_excess" in part ? part.on_excess : undefined;
    if ((debounce || batch) && (excess === "drop" || excess === "skip"))
      faults.push({
        path: `${path}/on_excess`,
        message: `${excess} would throw away what ${debounce ? "debounce" : "batch"} has gathered: let it queue`,
      });
  }
  if (rate?.key !== undefined && concurrent?.key !== undefined && rate.key !== concurrent.key)
    faults.push({
      path: "/flow/max_concurrent_runs/key",
      message: "differs from the key of rate_limit: a run is counted under one key",
    });
  return faults;
}

/** What is wrong with a dedupe strategy whose shape is right. */
export function findDedupeFaults(input: DedupeInput = "event_id", hasEvents: boolean): Fault[] {
  const path = "/dedupe_key_strategy";
  if (input === "event_id") return [];
  if (!hasEvents) return [{ path, message: "reads an event, and an activity with due times has none" }];
  if (input === "subject") return [];
  return [
    ...findExpressionFaults(input.key, `${path}/key`, TRIGGER_SCOPE),
    ...findDurationFaults(input.window, `${path}/window`, 1000),
  ];
}

function findWaitFaults(value: string | number | undefined, path: string): Fault[] {
  return findDurationFaults(value, path, MIN_WAIT_MS);
}

function debounceOf({ debounce, max_wait }: FlowInput): Static<typeof DebounceSchema> | undefined {
  if (debounce === undefined) return undefined;
  if (typeof debounce === "object") return debounce;
  return { quiet: debounce, ...(max_wait !== undefined && { max_wait }) };
}

function concurrentOf({ max_concurrent_runs: input }: FlowInput) {
  return typeof input === "number" ? { count: input } : input;
}

function compileDebounce(debounce: Static<typeof DebounceSchema>): Collector {
  const quietMs = parseDuration(debounce.quiet);
  const { max_wait } = debounce;
  const maxWaitMs = max_wait === undefined ? QUIETS_AT_MOST * quietMs : parseDuration(max_wait);
  return { kind: "debounce", quietMs, maxWaitMs, ...compileKey(debounce) };
}

function compileKey({ key }: { key?: string | undefined }): { key?: Expression } {
  return key === undefined ? {} : { key: compileChecked(key) };
}
