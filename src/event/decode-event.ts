/** From a message's bytes and headers to an event, or to the reason why it is none. */
import { isFields } from "../json/fields.ts";
import { NumberFaultError, parseJson } from "../json/parse.ts";
import {
  CLOUD_EVENT_TYPE,
  fromBinary,
  fromStructured,
  type MessageHeaders,
  modeOf,
  type Reading,
} from "./cloud-event.ts";
import {
  type DeadLetterReason,
  type EventEnvelope,
  findEnvelopeFaults,
  isEventId,
  MAX_EVENT_BYTES,
} from "./envelope.ts";

/** Larger messages are not looked into for the id that they carry. */
const MAX_BYTES_READ = 8 * MAX_EVENT_BYTES;
const UTF8 = new TextDecoder("utf-8", { fatal: true });
const NO_HEADERS: MessageHeaders = new Map();

/**
 * `carried_id`: the event id that bytes without an envelope carry, where it is one that an event may have. Their sender will look
 * them up under it.
 */
export type Decoded =
  | { ok: true; envelope: EventEnvelope }
  | { ok: false; reason: DeadLetterReason; detail: string; carried_id?: string };

/** What is known of a message besides its bytes. */
export interface Arrival {
  headers?: MessageHeaders | undefined;
  /** Why its headers cannot be read. */
  headersFault?: string | undefined;
  /** When a CloudEvent without a time of its own happened. */
  receivedAt: Date;
}

/**
 * The event in `bytes`: a CloudEvent where the headers or its `specversion` say so, else an envelope in JSON, in UTF-8. Headers
 * that cannot be read do no harm to an event that needs none.
 */
export function decodeEvent(bytes: Uint8Array, { headersFault, ...arrival }: Arrival): Decoded {
  const decoded = decodeBounded(bytes, arrival);
  if (decoded.ok || headersFault === undefined) return decoded;
  return { ...decoded, detail: `${decoded.detail}; its headers cannot be read: ${headersFault}` };
}

function decodeBounded(bytes: Uint8Array, { headers = NO_HEADERS, receivedAt }: Arrival): Decoded {
  if (bytes.byteLength <= MAX_EVENT_BYTES) return decode(bytes, headers, receivedAt);
  const detail = `${bytes.byteLength} bytes are more than ${MAX_EVENT_BYTES}`;
  const read = bytes.byteLength <= MAX_BYTES_READ ? decode(bytes, headers, receivedAt) : undefined;
  const carried_id = read?.ok ? read.envelope.event_id : read?.carried_id;
  return { ok: false, reason: "too_large", detail, ...(carried_id !== undefined && { carried_id }) };
}

/**
 * The event that a JSON value is: a CloudEvent where it has `specversion` or is said to be one, else an envelope.
 * @throws NumberFaultError
 */
export function readEvent(value: unknown, receivedAt: Date, isCloudEvent = false): Reading {
  if (isFields(value) && (isCloudEvent || "specversion" in value)) return fromStructured(value, receivedAt);
  if (isCloudEvent) return { faults: [{ path: "/", message: "expected an object, which a CloudEvent is in JSON" }] };
  const faults = findEnvelopeFaults(value);
  return faults.length > 0 ? { faults } : { envelope: value as EventEnvelope };
}

function decode(bytes: Uint8Array, headers: MessageHeaders, receivedAt: Date): Decoded {
  const mode = modeOf(headers);
  if (mode === "batch" || mode === "unreadable") {
    const detail = `expected ${CLOUD_EVENT_TYPE}, one event in each message, received ${headers.get("content-type")}`;
    return { ok: false, reason: "not_an_envelope", detail };
  }
  if (mode === "binary") return toDecoded(() => fromBinary(headers, bytes, receivedAt), headers.get("ce-id"));
  let text = "";
  let value: unknown;
  try {
    text = UTF8.decode(bytes);
    value = parseJson(text);
  } catch (error) {
    if (error instanceof NumberFaultError) return notStorable(error, idOf(JSON.parse(text)));
    return { ok: false, reason: "not_json", detail: (error as Error).message };
  }
  return toDecoded(() => readEvent(value, receivedAt, mode === "structured"), idOf(value));
}

function toDecoded(read: () => Reading, id: unknown): Decoded {
  let reading: Reading;
  try {
    reading = read();
  } catch (error) {
    if (error instanceof NumberFaultError) return notStorable(error, id);
    throw error;
  }
  if ("envelope" in reading) return { ok: true, envelope: reading.envelope };
  const detail = reading.faults.map(({ path, message }) => `${path} ${message}`).join("; ");
  return { ok: false, reason: "not_an_envelope", detail, ...toCarriedId(id) };
}

function notStorable({ message: detail }: NumberFaultError, id: unknown): Decoded {
  return { ok: false, reason: "not_storable", detail, ...toCarriedId(id) };
}

function idOf(value: unknown): unknown {
  if (!isFields(value)) return undefined;
  return "specversion" in value ? value.id : value.event_id;
}

function toCarriedId(id: unknown): { carried_id?: string } {
  return isEventId(id) ? { carried_id: id } : {};
}
