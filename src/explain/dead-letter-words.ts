/** Why a message is kept as a dead letter, and what to do about it, in words. Pure. */
import type { DeadLetterReason } from "../event/envelope.ts";
import type { EventRow } from "./event-explanation.ts";
import { shorten, type Told } from "./explained-run.ts";

const WHY: Readonly<Record<DeadLetterReason, (letter: EventRow) => Told>> = {
  not_json: () => ({ said: "it is no JSON", todo: "mend the sender, and publish the event again" }),
  not_an_envelope: () => ({
    said: "it is JSON, and no event envelope",
    todo: "mend the sender, and publish the event again: its id is free",
  }),
  too_large: () => ({
    said: "it is larger than an event may be",
    todo: "send less with it, or a link to the rest, and publish the event again",
  }),
  not_storable: () => ({
    said: "it has what the database cannot keep",
    todo: "mend the sender, and publish the event again",
  }),
  schema_mismatch: ({ type }) => ({
    said: `its payload does not match the schema of its type ${shorten(type ?? "")}, which is enforced`,
    todo: "mend the payload or the event type, and replay the dead letter",
  }),
  event_differs: ({ carried_id }) => ({
    said: `another event was recorded before under its id ${shorten(carried_id ?? "")}`,
    todo: "the sender must give each event an id of its own",
  }),
  own_event: () => ({
    said: "it looks like an event of actcore's own, and actcore did not make it",
    todo: "publish it under an id, a type and a source of yours",
  }),
  mapping_failed: () => ({
    said: "a hook could make no event of the request",
    todo: "mend the map of the hook, and let its sender send it again",
  }),
};

export function tellDeadLetter(letter: EventRow): Told {
  const { event_id, carried_id, received_at, reason, detail } = letter;
  const name = carried_id === null ? event_id : `${carried_id} (kept as ${event_id})`;
  const { said, todo } = WHY[reason as DeadLetterReason]?.(letter) ?? { said: `its reason is ${reason}` };
  const why = detail === null ? "" : ` (${shorten(detail)})`;
  return {
    said: `The message ${shorten(name)} of ${received_at} is a dead letter and reached nothing, because ${said}${why}`,
    ...(todo !== undefined && { todo }),
  };
}
