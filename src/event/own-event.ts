/**
 * Events of actcore's own: what it tells of activities and tasks, as `actcore.activity.overdue`.
 *
 * Each is written into an outbox in the transaction of what it tells of, and published to the stream after that
 * (own-event-publisher.ts). From there on it is an event like any other: recorded, and matched by definitions.
 */
import type { Fault } from "../kernel/errors.ts";
import type { EventContent } from "./content.ts";
import type { EventEnvelope } from "./envelope.ts";

/** How the types and ids of own events begin. */
const PREFIX = "actcore.";
export const OWN_SOURCE = "actcore";
/**
 * Where a chain ends of own events that each start a run which causes the next one. The first event of a chain has depth 1; one
 * of this depth is recorded with the reason, and not published.
 */
export const MAX_OWN_EVENT_DEPTH = 16;
/** Why an own event is recorded and not published: a chain that may have no end. */
export const CHAIN_TOO_LONG = "chain_too_long";

/** The types of own events that tell of the end of a run. */
export const RUN_NEWS_TYPES = ["succeeded", "failed", "skipped", "cancelled"].map((status) => `actcore.run.${status}`);

/** More than there are types of own events. */
export const MAX_OWN_TYPES = 20;

/** Whether only actcore makes events of the type. */
export function isOwnType(type: string): boolean {
  return type.startsWith(PREFIX);
}

export interface OwnEvent {
  /** 1 to 200 bytes, beginning with `actcore.`; the same for the same news, so that telling it again changes nothing. */
  event_id: string;
  type: `actcore.${string}`;
  /** What it is about: the id of an activity, of a run or of a task. */
  subject: string;
  /** `chain`: the runs that led to it, each by an own event, the oldest first; the last one is what it is about, or had it. */
  payload: { readonly [name: string]: unknown; readonly depth: number; readonly chain: readonly string[] };
  /** Set where it is recorded and not published. */
  cut_reason?: typeof CHAIN_TOO_LONG;
}

/** The event that started a run, as far as its chain is read; null where none did. */
export type Cause = Pick<EventEnvelope, "source" | "payload"> | null;

/**
 * The own event of `type` about `subject`.
 * @param occasion what tells this event from the others of the same type and subject, such as a time
 * @param cause the event that started the run which the news comes of
 * @param run_id that run; absent where no run led to the news
 */
export function makeOwnEvent({
  type,
  subject,
  occasion,
  cause,
  run_id,
  payload,
}: Pick<OwnEvent, "type" | "subject"> & {
  occasion: string;
  cause: Cause;
  run_id?: string | undefined;
  payload: Readonly<Record<string, unknown>>;
}): OwnEvent {
  const before = chainOf(cause);
  const depth = before.depth + 1;
  const chain = run_id === undefined ? before.chain : [...before.chain, run_id];
  return {
    ...{ event_id: `${type}:${subject}:${occasion}`, type, subject, payload: { ...payload, depth, chain } },
    ...(depth >= MAX_OWN_EVENT_DEPTH && { cut_reason: CHAIN_TOO_LONG }),
  };
}

function chainOf(cause: Cause): { depth: number; chain: readonly string[] } {
  if (cause?.source !== OWN_SOURCE) return { depth: 0, chain: [] };
  const { depth, chain } = (cause.payload ?? {}) as { depth?: unknown; chain?: unknown };
  return {
    depth: typeof depth === "number" && depth > 0 ? depth : 0,
    chain: Array.isArray(chain) ? chain.filter((id) => typeof id === "string").slice(-MAX_OWN_EVENT_DEPTH) : [],
  };
}

/** The port through which they are read; postgres/event/own-event-outbox.ts is behind it. */
export interface OwnEventReader {
  /** What own events of these ids say; those that actcore did not make, or cut, are left out. */
  readOwnEvents(eventIds: readonly string[]): Promise<ReadonlyMap<string, EventContent>>;
}

/** What makes an event look like one of actcore's own: nobody else may publish such. */
export function findOwnEventFaults({ event_id, type, source }: EventEnvelope): Fault[] {
  const faults: Fault[] = [];
  for (const [field, text] of Object.entries({ event_id, type }))
    if (text.startsWith(PREFIX))
      faults.push({ path: `/${field}`, message: `the beginning ${JSON.stringify(PREFIX)} is actcore's own` });
  if (source === OWN_SOURCE)
    faults.push({ path: "/source", message: `${JSON.stringify(OWN_SOURCE)} is actcore itself` });
  return faults;
}
