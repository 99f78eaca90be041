/** The `events` source: how many events of a type there were since the last run, or lately, and the last few of them. */
import { Type } from "@sinclair/typebox";
import { DurationSchema, findDurationFaults, parseDuration } from "../calendar/duration.ts";
import { compileFilters, type Filter } from "../match/filter.ts";
import { compileTypePattern, findTypePatternFaults, type TypePattern } from "../match/type-pattern.ts";
import type { SourceType } from "./source-type.ts";

const MAX_LAST = 50;
const DEFAULT_LAST = 10;

const EventsFields = Type.Object({
  event_type: Type.String({
    minLength: 1,
    maxLength: 200,
    description: "A type, or a pattern with * for one segment and ** for the rest, as in an event trigger.",
    expected: "an event type, or a pattern such as order.*",
  }),
  filters: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: "As in an event trigger: what their payloads must have.",
      maxProperties: 50,
      expected: "an object of at most 50 keys",
    }),
  ),
  since: Type.Optional(
    Type.Union(
      [Type.Literal("last_run"), DurationSchema({ description: "Before the run's start.", examples: ["24h"] })],
      {
        default: "last_run",
        description: "Counts events since the last run that was not skipped, or since so long before this run's start.",
        expected: "last_run, or a duration such as 24h",
      },
    ),
  ),
  last: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: MAX_LAST,
      default: DEFAULT_LAST,
      description: "How many of the latest events are answered with their payloads.",
      expected: `a whole number from 0 to ${MAX_LAST}`,
    }),
  ),
});

interface EventsSource {
  readonly pattern: TypePattern;
  readonly filters: readonly Filter[];
  readonly sinceMs: number | undefined;
  readonly last: number;
}

export const eventsSource: SourceType<typeof EventsFields, EventsSource> = {
  title: "EventsSource",
  fields: EventsFields,
  answer: ["count", "capped", "since", "events"],
  findFaults: ({ event_type, since }, path) => [
    ...findTypePatternFaults(event_type, `${path}/event_type`),
    ...(since === "last_run" ? [] : findDurationFaults(since, `${path}/since`, 1)),
  ],
  compile: ({ event_type, filters, since = "last_run", last = DEFAULT_LAST }) => ({
    pattern: compileTypePattern(event_type),
    filters: compileFilters(filters),
    sinceMs: since === "last_run" ? undefined : parseDuration(since),
    last,
  }),
  createReader:
    ({ recordedEvents }) =>
    async ({ sinceMs, ...question }, { run, signal }) => {
      const since = sinceMs === undefined ? run : new Date(run.fired_at.getTime() - sinceMs);
      return { ...(await recordedEvents.read({ ...question, since, until: run.fired_at, signal })) };
    },
};
