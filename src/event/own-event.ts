/**
 * Events of actcore's own: what it tells of activities and tasks, as `actcore.activity.overdue`.
 *
 * Each is written into an outbox in the transaction of what it tells of, and published to the stream after that
 * (own-event-publisher.ts). From there on it is an event like any other: recorded, and matched by definitions.
 */
import type { Fault } from "../kernel/errors.ts";
import type { EventEnvelope } from "./envelope.ts";

/** How the types and ids of own events begin. */
const PREFIX = "actcore.";
export const OWN_SOURCE = "actcore";
/**
 * Where a chain ends of own events that each start a run which causes the next one. The first event of a chain has depth 1;
 * none is made that would have this depth.
 */
export const MAX_OWN_EVENT_DEPTH = 16;

export interface OwnEvent {
  /** 1 to 200 bytes, beginning with `actcore.`; the same for the same news, so that telling it again changes nothing. */
  event_id: string;
  type: `actcore.${string}`;
  /** What it is about: the id of an activity or of a task. */
  subject: string;
  payload: { readonly [name: string]: unknown; readonly depth: number };
}

/** What the log says of an own event that is not made. */
export const CHAIN_TOO_LONG = `not published: own events led to it ${MAX_OWN_EVENT_DEPTH - 1} times in a row`;

/** The event that started a run, as far as its depth is read; null where none did. */
export type Cause = Pick<EventEnvelope, "source" | "payload"> | null;

/**
 * The own event of `type` about `subject`; undefined where the chain that led to it is too long, which the caller logs.
 * @param occasion what tells this event from the others of the same type and subject, such as a time
 * @param cause the event that started the run which the news comes of
 */
export function makeOwnEvent({
  type,
  subject,
  occasion,
  cause,
  payload,
}: Pick<OwnEvent, "type" | "subject"> & {
  occasion: string;
  cause: Cause;
  payload: Readonly<Record<string, unknown>>;
}): OwnEvent | undefined {
  const depth = depthOf(cause) + 1;
  if (depth >= MAX_OWN_EVENT_DEPTH) return undefined;
  return { event_id: `${type}:${subject}:${occasion}`, type, subject, payload: { ...payload, depth } };
}

function depthOf(cause: Cause): number {
  if (cause?.source !== OWN_SOURCE) return 0;
  const depth = (cause.payload as { depth?: unknown } | null | undefined)?.depth;
  return typeof depth === "number" && depth > 0 ? depth : 0;
}

/** What makes an event look like one of actcore's own: nobody else may publish such over REST. */
export function findOwnEventFaults({ event_id, type, source }: EventEnvelope): Fault[] {
  const faults: Fault[] = [];
  for (const [field, text] of Object.entries({ event_id, type }))
    if (text.startsWith(PREFIX))
      faults.push({ path: `/${field}`, message: `the beginning ${JSON.stringify(PREFIX)} is actcore's own` });
  if (source === OWN_SOURCE)
    faults.push({ path: "/source", message: `${JSON.stringify(OWN_SOURCE)} is actcore itself` });
  return faults;
}
