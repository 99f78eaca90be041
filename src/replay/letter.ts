/** What a dead letter says when it is read again: the event of its bytes, or what somebody corrected in it. Pure. */
import type { Decoded } from "../event/decode-event.ts";
import { type DeadLetterReason, type EventEnvelope, findEnvelopeFaults, MAX_EVENT_BYTES } from "../event/envelope.ts";
import type { Settlement } from "../event/outcome.ts";
import { findOwnEventFaults } from "../event/own-event.ts";
import { atPath } from "../json/json-schema.ts";
import { InvalidInputError, TerminalError } from "../kernel/errors.ts";

/** Whether somebody has seen to it; nulls where nobody has. */
export interface Settled {
  settled_as: Settlement | null;
  settled_at: Date | null;
  settled_by: string | null;
  /** The id under which it was recorded as an event. */
  replayed_as: string | null;
}

export interface StoredLetter extends Settled {
  row_id: string;
  event_id: string;
  reason: DeadLetterReason;
  /** Of the stream under which the message came, or `hook:` with the name of its hook. */
  subject: string;
  /** The message as it came; a CloudEvent in binary mode, in structured mode. */
  raw: Uint8Array;
  received_at: Date;
}

/** What is said in place of what the bytes say: a whole envelope, or parts of the one in the bytes. */
export interface Correction {
  envelope?: EventEnvelope;
  event_id?: string;
  payload?: unknown;
}

/** An event to be recorded, and in which of its fields it differs from the bytes; `envelope` where these hold no event. */
export interface MendedLetter {
  envelope: EventEnvelope;
  corrected: readonly string[];
}

/**
 * The event that a replay of the letter records; `decoded` is what its message says, read again.
 * @throws TerminalError `letter_unreadable` where the message holds no event and no envelope is given, `event_differs` where another
 *   event has its id, `event_too_large`; InvalidInputError `invalid_event`, and `own_event` where it says that it is one of actcore's own
 */
export function mendLetter(letter: StoredLetter, decoded: Decoded, correction: Correction): MendedLetter {
  const mended = correct(letter, decoded, correction);
  const { envelope, corrected } = mended;
  const place = correction.envelope === undefined ? "" : "/envelope";
  const isCorrected = Object.keys(correction).length > 0;
  if (isCorrected) {
    const faults = atPath(place, findEnvelopeFaults(envelope));
    if (faults.length > 0) throw new InvalidInputError("the corrected event is not valid", faults, "invalid_event");
  }
  if (isCorrected || letter.reason === "own_event") {
    const claimed = atPath(place, findOwnEventFaults(envelope));
    if (claimed.length > 0)
      throw new InvalidInputError("only actcore makes events of its own", claimed, "own_event", {
        hint: 'Give the event a type, an id and a source of yours in the body, {"envelope": …}, or discard the letter',
      });
  }
  const bytes = Buffer.byteLength(JSON.stringify(envelope));
  if (bytes > MAX_EVENT_BYTES)
    throw new TerminalError("event_too_large", `the event has ${bytes} bytes, more than ${MAX_EVENT_BYTES}`);
  if (letter.reason === "event_differs" && !corrected.includes("event_id"))
    throw new TerminalError(
      "event_differs",
      `another event was recorded before under the id ${JSON.stringify(envelope.event_id)} of the dead letter`,
      { hint: 'Give it an id of its own in the body, {"event_id": …}, or discard it' },
    );
  return mended;
}

function correct(
  { event_id: letterId }: StoredLetter,
  decoded: Decoded,
  { envelope, ...parts }: Correction,
): MendedLetter {
  if (envelope !== undefined)
    return { envelope, corrected: decoded.ok ? differences(decoded.envelope, envelope) : ["envelope"] };
  if (!decoded.ok)
    throw new TerminalError(
      "letter_unreadable",
      `the message of the dead letter ${letterId} holds no event: ${decoded.reason}, ${decoded.detail}`,
      { hint: 'Give the corrected event in the body, {"envelope": …}, or discard the letter' },
    );
  const mended = { ...decoded.envelope, ...parts };
  return { envelope: mended, corrected: differences(decoded.envelope, mended) };
}

function differences(before: EventEnvelope, after: EventEnvelope): string[] {
  const names = Object.keys({ ...before, ...after }) as (keyof EventEnvelope)[];
  return names.filter((name) => !Bun.deepEquals(before[name], after[name]));
}

/** @throws TerminalError `letter_settled` */
export function requireUnsettled({
  event_id,
  settled_as,
  settled_at,
  settled_by,
  replayed_as,
}: Settled & Pick<StoredLetter, "event_id">): void {
  if (settled_as === null) return;
  const as = replayed_as === null ? "" : ` as ${JSON.stringify(replayed_as)}`;
  throw new TerminalError(
    "letter_settled",
    `the dead letter ${event_id} was ${settled_as}${as} by ${settled_by} at ${settled_at?.toISOString()}`,
    replayed_as === null ? {} : { hint: "POST /events/{event_id}/replay runs the event that it became again" },
  );
}
