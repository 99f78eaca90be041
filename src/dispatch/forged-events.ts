/** Events that say they are actcore's own: those that it did not make are kept as dead letters, whoever published them. */
import { findDifferences } from "../event/content.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import { findOwnEventFaults, type OwnEventReader } from "../event/own-event.ts";
import type { Refusal } from "./dead-letters.ts";

/** Says of each of the events why it is refused: undefined for those of others, and for those that actcore made. */
export async function findForged(
  envelopes: readonly EventEnvelope[],
  reader: OwnEventReader,
): Promise<(envelope: EventEnvelope) => Refusal | undefined> {
  const claimed = envelopes.filter((envelope) => findOwnEventFaults(envelope).length > 0);
  if (claimed.length === 0) return () => undefined;
  const own = await reader.readOwnEvents(claimed.map(({ event_id }) => event_id));
  return (envelope) => {
    const faults = findOwnEventFaults(envelope);
    if (faults.length === 0) return undefined;
    const made = own.get(envelope.event_id);
    if (made !== undefined && findDifferences(made, envelope).length === 0) return undefined;
    const why = faults.map(({ path, message }) => `${path} ${message}`).join("; ");
    const detail = `actcore did not make this event: ${why}`;
    return { reason: "own_event", detail, envelope, carried_id: envelope.event_id };
  };
}
