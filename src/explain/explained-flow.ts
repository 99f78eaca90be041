/** What the flow of an activity made of an event: which other event is the same occasion, and in which window it is gathered. Pure. */
import { type Static, Type } from "@sinclair/typebox";
import { compileDedupe } from "../definition/flow.ts";
import { type EventEnvelope, toEventValue } from "../event/envelope.ts";
import { ACTIVITY_OUTCOMES } from "../event/outcome.ts";
import { evaluateKey } from "../flow/flow-key.ts";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import { type ActivityHistory, candidatesAt } from "./explained-activity.ts";
import { shorten, type Told } from "./explained-run.ts";
import type { WaitsFor } from "./waiting-view.ts";

const Time = Type.String({ format: "date-time" });

export const DuplicateOf = Type.Object(
  {
    event_id: Type.String({ description: "Of the event that has the key." }),
    key: Type.String({ description: "The dedupe key, as JSON." }),
    accepted_at: Time,
    until: Nullable(Time, { description: "Null: as long as keys are kept." }),
    outcome: Nullable(oneOf(ACTIVITY_OUTCOMES), {
      description: "What that event did to the activity; null: not kept.",
    }),
    run_id: Nullable(Type.String({ format: "uuid" })),
  },
  { title: "DuplicateOf" },
);
export type DuplicateOf = Static<typeof DuplicateOf>;

export const ExplainedWindow = Type.Object(
  {
    window_id: Type.String({ format: "uuid" }),
    kind: oneOf(["debounce", "batch"]),
    events: Type.Integer({ description: "How many it has gathered." }),
    max_events: Type.Integer({ description: "With so many it closes at once." }),
    opened_at: Time,
    closes_at: Type.String({ format: "date-time", description: "At the latest, or as it stands, of a debounce." }),
    closed_at: Nullable(Time),
  },
  { title: "ExplainedWindow" },
);
export type ExplainedWindow = Static<typeof ExplainedWindow>;

/** What follows after "waits". */
export function tellWait({ kind, holders, until }: WaitsFor): string {
  if (kind === "rate_limit") return `until ${until}, when its rate_limit lets the next run begin`;
  const [only, ...others] = holders ?? [];
  if (others.length === 0) return `for run ${only} to end (max_concurrent_runs)`;
  return `for one of the runs ${holders?.join(", ")} to end (max_concurrent_runs)`;
}

/** The dedupe keys that the event may have had for the activity, by the versions that may have decided. */
export function findDedupeKeys(history: ActivityHistory, recordedAt: Date, envelope: EventEnvelope): string[] {
  const values = { event: toEventValue(envelope) };
  return candidatesAt(history, recordedAt).flatMap(({ body }) => {
    const dedupe = compileDedupe(body.dedupe_key_strategy ?? "event_id");
    try {
      return (dedupe && evaluateKey(dedupe.key, values)) ?? [];
    } catch {
      return []; // A version whose key fails has made no duplicate.
    }
  });
}

/** What follows after "NAME did not run on the event ID, because ". @param reason as it is recorded */
export function tellDuplicate(reason: string, holder: DuplicateOf | undefined): Told {
  if (holder === undefined) return { said: `another one is the same occasion: ${reason}` };
  const { event_id, key, until, run_id } = holder;
  const time = until === null ? "" : ` until ${until}`;
  const run = run_id === null ? "" : `, and made run ${run_id}`;
  return {
    said: `the event ${shorten(event_id)} is the same occasion: it has the dedupe key ${shorten(key)}${time}${run}`,
  };
}

export function tellOthers({ events }: Pick<ExplainedWindow, "events">): string {
  if (events === 1) return "alone so far";
  return events === 2 ? "with another one" : `with ${events - 1} others`;
}

/** Of an event that waits in an open window. */
export function tellCollected(name: string, event_id: string, window: ExplainedWindow | undefined): Told {
  const gathered = `The event ${shorten(event_id)} is gathered for a run of ${name}`;
  if (window === undefined) return { said: gathered, todo: "GET /waiting lists the windows that are open" };
  const { kind, max_events, closes_at } = window;
  const when =
    kind === "debounce"
      ? `no further event has come by ${closes_at}`
      : `${max_events} have come, and at the latest at ${closes_at}`;
  return { said: `${gathered}, ${tellOthers(window)} (${kind}): the run is made when ${when}` };
}
