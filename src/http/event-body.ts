/** What a body of POST /events holds: one event or several, as envelopes or CloudEvents in each of their modes. */
import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE, fromBinary, modeOf, type Reading } from "../event/cloud-event.ts";
import { readEvent } from "../event/decode-event.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import { findOwnEventFaults } from "../event/own-event.ts";
import { isWithinDepth, TOO_DEEP } from "../json/depth.ts";
import { NumberFaultError, parseJson, parseJsonList } from "../json/parse.ts";
import { InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { bodyTooLarge, MAX_BODY_BYTES, numberNotKept, parseBody, requireJsonType } from "./body.ts";

/** Of a list, together; each event may be as large as a single one. */
export const MAX_LIST_BYTES = 8 * MAX_BODY_BYTES;
export const MAX_EVENTS = 500;
const LIST = /^\s*\[/;

/** One event, or for each item of a list its event or why it is none. */
export type SentEvents = EventEnvelope | (EventEnvelope | InvalidInputError)[];

/**
 * @param now when a CloudEvent without a time happened
 * @throws TerminalError `unsupported_media_type`, `body_too_large`; InvalidInputError `malformed_json`, `number_not_kept`,
 *   `body_too_deep`, `invalid_event`, `own_event`, and of a list `invalid_events`
 */
export function readEventBody(bytes: Uint8Array, headers: Headers, now = new Date()): SentEvents {
  const sent = new Map(headers);
  const mode = modeOf(sent);
  if (mode === "unreadable")
    throw new TerminalError(
      "unsupported_media_type",
      `expected ${CLOUD_EVENT_TYPE} or ${CLOUD_EVENT_BATCH_TYPE}, received ${headers.get("content-type")}`,
    );
  if (mode === "binary") {
    if (bytes.byteLength > MAX_BODY_BYTES) throw bodyTooLarge(MAX_BODY_BYTES);
    return requireEvent(() => fromBinary(sent, bytes, now));
  }
  if (mode === undefined) requireJsonType(headers.get("content-type"));

  const isList = mode !== "structured" && (mode === "batch" || startsList(bytes));
  if (!isList) {
    if (bytes.byteLength > MAX_BODY_BYTES) throw bodyTooLarge(MAX_BODY_BYTES);
    const value = parseBody(bytes, parseJson);
    if (!isWithinDepth(value)) throw new InvalidInputError("the body is nested too deep", [TOO_DEEP], "body_too_deep");
    return requireEvent(() => readEvent(value, now, mode === "structured"));
  }
  const items = parseBody(bytes, parseJsonList);
  if (items === undefined)
    throw new InvalidInputError(
      "the body is no list of events",
      [{ path: "/", message: `expected a list, as the body is ${CLOUD_EVENT_BATCH_TYPE}` }],
      "invalid_events",
    );
  // CloudEvents lets a batch be empty.
  if (items.length > MAX_EVENTS || (items.length === 0 && mode !== "batch"))
    throw new InvalidInputError(
      "the body has no number of events that is taken",
      [{ path: "/", message: `expected 1 to ${MAX_EVENTS} events, received ${items.length}` }],
      "invalid_events",
      { hint: "Send them in several requests" },
    );
  return items.map((item) => {
    if (item instanceof NumberFaultError) return numberNotKept(item);
    try {
      return requireEvent(() => readEvent(item, now, mode === "batch"));
    } catch (error) {
      if (error instanceof InvalidInputError) return error;
      throw error;
    }
  });
}

function startsList(bytes: Uint8Array): boolean {
  return LIST.test(new TextDecoder().decode(bytes.subarray(0, 1_000)));
}

/** @throws InvalidInputError `invalid_event`, `own_event`, `number_not_kept` */
function requireEvent(read: () => Reading): EventEnvelope {
  let reading: Reading;
  try {
    reading = read();
  } catch (error) {
    throw error instanceof NumberFaultError ? numberNotKept(error) : error;
  }
  if ("faults" in reading) throw new InvalidInputError("the event is not valid", reading.faults, "invalid_event");
  const { envelope } = reading;
  const claimed = findOwnEventFaults(envelope);
  if (claimed.length > 0)
    throw new InvalidInputError("only actcore publishes events of its own", claimed, "own_event", {
      hint: "Publish it under a type, an id and a source of yours; a dry run takes such an event",
    });
  return envelope;
}
