/** What a dry run is asked: about which occasions, and what it is told instead of finding out. Pure. */
import { type Static, Type } from "@sinclair/typebox";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../calendar/time.ts";
import type { DefinitionBody } from "../definition/schema.ts";
import { type EventEnvelope, EventEnvelopeSchema, findEnvelopeFaults } from "../event/envelope.ts";
import { findFaults, preview } from "../json/faults.ts";
import { oneOf } from "../json/schema-parts.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import { compileTypePattern } from "../match/type-pattern.ts";
import { TASK_STATUSES } from "../task/task.ts";
import type { Known, TaskEnd } from "./rehearse.ts";

/** The most events that one dry run is asked about. */
const MAX_LAST_EVENTS = 100;
const MAX_GIVEN = 100;

const CONTEXT_MODES = ["fetch", "recorded", "given"] as const;

const GivenTask = Type.Object(
  {
    status: oneOf(
      TASK_STATUSES.filter((status) => !["pending", "running", "retrying", "waiting"].includes(status)),
      {
        expected: "succeeded, failed, cancelled or skipped",
      },
    ),
    result: Type.Optional(Type.Unknown()),
    error: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false },
);

export const AboutSchema = Type.Object(
  {
    event: Type.Optional(
      Type.Partial(EventEnvelopeSchema, {
        title: "RehearsedEvent",
        description:
          "An envelope. What is left out is filled in: `type` with the one that the definition waits for, `occurred_at` with now.",
      }),
    ),
    due: Type.Optional(TimeSchema("a due time.")),
    run_id: Type.Optional(
      Type.String({ format: "uuid", description: "What this run was made for.", expected: "a UUID" }),
    ),
    last_events: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_LAST_EVENTS,
        description: "The newest so many recorded events of the types that the definition waits for.",
        expected: `a whole number from 1 to ${MAX_LAST_EVENTS}`,
      }),
    ),
    context: Type.Optional(
      oneOf(CONTEXT_MODES, {
        description:
          "`fetch`: the sources are asked. `recorded`: what they answered to the run of the occasion. `given`: only what " +
          "`given_context` has. When absent: `recorded` with `run_id`, `given` with `given_context`, else `fetch`.",
        expected: "fetch, recorded or given",
      }),
    ),
    given_context: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        maxProperties: MAX_GIVEN,
        description: "Values of context sources, by their names. A source that is given is not asked.",
        expected: "an object of the values by the names of context sources",
      }),
    ),
    given_tasks: Type.Optional(
      Type.Record(Type.String(), Type.Union([GivenTask, Type.Array(GivenTask, { maxItems: 1000 })]), {
        maxProperties: MAX_GIVEN,
        description:
          "How the tasks of templates end, by their keys, for templates that wait for them. Of a `for_each` a list, or one end for all.",
      }),
    ),
  },
  { additionalProperties: false, title: "DryRunRequest" },
);
type AboutInput = Static<typeof AboutSchema>;

/** What a dry run is about. */
export interface About {
  occasion: { event: EventEnvelope } | { due: Date } | { run_id: string } | { last_events: number };
  context: (typeof CONTEXT_MODES)[number];
  given: Readonly<Record<string, unknown>>;
  /** Undefined: how the tasks of the occasion's run ended, if there was one. */
  endOf: Known["endOf"] | undefined;
}

/** Which fields say what it is about. */
const OCCASIONS = ["event", "due", "run_id", "last_events"] as const;

/** @throws InvalidInputError `invalid_dry_run` with every fault */
export function parseAbout(input: unknown, definition: DefinitionBody, now: Date): About {
  const faults = findFaults(AboutSchema, input);
  if (faults.length > 0) throw invalid(faults);
  const about = input as AboutInput;
  const asked = OCCASIONS.filter((name) => about[name] !== undefined);
  if (asked.length !== 1)
    faults.push({
      path: "/",
      message: `expected exactly one of ${OCCASIONS.join(", ")}, received ${asked.join(", ") || "none"}`,
    });
  const due = about.due === undefined ? undefined : parseTime(about.due);
  if (about.due !== undefined && due === undefined)
    faults.push({ path: "/due", message: `expected ${EXPECTED_TIME}, received ${preview(about.due)}` });
  const event = about.event && completeEvent(about.event, definition, now);
  if (event !== undefined) faults.push(...findEventFaults(event, definition));
  const { given_context: given = {}, given_tasks } = about;
  const sources = (definition.context_sources as { name: string }[]).map(({ name }) => name);
  const templates = definition.task_templates.map(({ key }) => key);
  faults.push(...findUnknown(given, sources, "/given_context", "context source"));
  faults.push(...findUnknown(given_tasks ?? {}, templates, "/given_tasks", "task template"));
  const hasRun = about.run_id !== undefined || about.last_events !== undefined;
  if (about.context === "recorded" && !hasRun)
    faults.push({ path: "/context", message: "recorded needs run_id or last_events: nothing else has a run" });
  if (faults.length > 0) throw invalid(faults);
  const fallback = about.run_id !== undefined ? "recorded" : about.given_context === undefined ? "fetch" : "given";
  return {
    occasion: occasionOf(about, event as EventEnvelope, due as Date),
    context: about.context ?? fallback,
    given,
    endOf: given_tasks && ((key, instance) => endOf(given_tasks[key], instance)),
  };
}

function occasionOf({ run_id, last_events, event }: AboutInput, envelope: EventEnvelope, due: Date): About["occasion"] {
  if (run_id !== undefined) return { run_id: run_id.toLowerCase() };
  if (last_events !== undefined) return { last_events };
  return event === undefined ? { due } : { event: envelope };
}

function findEventFaults(event: Partial<EventEnvelope>, { trigger_config: trigger }: DefinitionBody): Fault[] {
  return findEnvelopeFaults(event).map(({ path, message }) => {
    if (path !== "/type" || event.type !== undefined) return { path: `/event${path}`, message };
    const which =
      trigger.trigger_type === "event"
        ? `the definition waits for ${trigger.event_type}, so say which type it has`
        : "the definition waits for no events, so rather ask about `due`";
    return { path: `/event${path}`, message: `${message}: ${which}` };
  });
}

function completeEvent(event: Partial<EventEnvelope>, { trigger_config: trigger }: DefinitionBody, now: Date) {
  const wanted = trigger.trigger_type === "event" ? compileTypePattern(trigger.event_type) : undefined;
  const type = wanted?.segments === undefined ? wanted?.text : undefined;
  const known = { event_id: "dry-run", source: "dry-run", occurred_at: now.toISOString(), payload: {} };
  return { ...known, ...(type !== undefined && { type }), ...event };
}

function endOf(given: TaskEnd | readonly TaskEnd[] | undefined, instance: number | null): TaskEnd | undefined {
  return Array.isArray(given) ? given[instance ?? 0] : (given as TaskEnd | undefined);
}

function findUnknown(given: object, known: readonly string[], path: string, what: string): Fault[] {
  const names = known.length === 0 ? "it has none" : `it has ${known.join(", ")}`;
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => ({ path, message: `${preview(name)} is no ${what} of the definition: ${names}` }));
}

function invalid(faults: readonly Fault[]): InvalidInputError {
  return new InvalidInputError("the request for a dry run is not valid", faults, "invalid_dry_run");
}
