/**
 * CloudEvents 1.0 as events. `id`, `type`, `source`, `subject` and `time` become the fields of an envelope, every other attribute one
 * of its `attributes`, and the data its payload. Pure.
 *
 * In structured mode a JSON object is the event. In binary mode the headers that begin with `ce-` are its attributes, and the body is
 * its data. The specifications are in https://github.com/cloudevents/spec: spec.md, formats/json-format.md, and the bindings for HTTP
 * and NATS.
 */
import { isWithinDepth, TOO_DEEP } from "../json/depth.ts";
import { preview } from "../json/faults.ts";
import type { Fields } from "../json/fields.ts";
import { pointTo } from "../json/pointer.ts";
import type { Fault } from "../kernel/errors.ts";
import { isJsonType, isMediaType, type KeptData, payloadOf } from "./data.ts";
import { ATTRIBUTE_NAME, type EventEnvelope, findEnvelopeFaults } from "./envelope.ts";

/** The headers of a request or a message, by names in lower case. */
export type MessageHeaders = ReadonlyMap<string, string>;

/** `unreadable`: events in another format than JSON. */
export type ContentMode = "structured" | "batch" | "binary" | "unreadable";

/** The event, or every fault of what should be one. */
export type Reading = { envelope: EventEnvelope } | { faults: Fault[] };

export const CLOUD_EVENT_TYPE = "application/cloudevents+json";
export const CLOUD_EVENT_BATCH_TYPE = "application/cloudevents-batch+json";
const SPEC_VERSION = "1.0";
const PREFIX = "ce-";
const REQUIRED_HEADERS = ["ce-specversion", "ce-id", "ce-source", "ce-type"];
/** https://www.w3.org/TR/trace-context: version, trace, parent, flags. */
const TRACE_PARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const NAME_RULE = "is no attribute: their names have lower-case letters and digits only";

/** How the headers say that a CloudEvent came; undefined where they say nothing of one. */
export function modeOf(headers: MessageHeaders): ContentMode | undefined {
  const [mediaType = ""] = (headers.get("content-type") ?? "").split(";");
  const type = mediaType.trim().toLowerCase();
  if (type === CLOUD_EVENT_TYPE || type === "application/cloudevents") return "structured";
  if (type === CLOUD_EVENT_BATCH_TYPE) return "batch";
  if (type.startsWith("application/cloudevents")) return "unreadable";
  return REQUIRED_HEADERS.some((name) => headers.has(name)) ? "binary" : undefined;
}

/**
 * An event in structured mode.
 * @param receivedAt when it happened, where the event does not say so
 * @throws NumberFaultError
 */
export function fromStructured(event: Fields, receivedAt: Date): Reading {
  if (!isWithinDepth(event)) return { faults: [TOO_DEEP] };
  const { data: _, data_base64: __, ...attributes } = event;
  return toEnvelope(attributes, receivedAt, (contentType) => readData(event, contentType));
}

/** An event in binary mode. The rest as of `fromStructured`; faults name the attribute `x` where the header is `ce-x`. */
export function fromBinary(headers: MessageHeaders, body: Uint8Array, receivedAt: Date): Reading {
  const { attributes, faults } = readHeaders(headers);
  const reading = toEnvelope(attributes, receivedAt, (contentType) =>
    body.byteLength === 0 ? {} : payloadOf(body, contentType, "/data"),
  );
  if (faults.length === 0) return reading;
  return { faults: [...faults, ...("faults" in reading ? reading.faults : [])] };
}

/** The same event in structured mode, as JSON in UTF-8, with the same bytes of data. It is what a dead letter keeps. */
export function toStructured(headers: MessageHeaders, body: Uint8Array): Uint8Array {
  const { attributes } = readHeaders(headers);
  const data = body.byteLength > 0 && { data_base64: Buffer.from(body).toString("base64") };
  return new TextEncoder().encode(JSON.stringify({ ...attributes, ...data }));
}

type Data = { payload?: unknown } | { fault: Fault };

function toEnvelope(all: Fields, receivedAt: Date, readData: (contentType: string | null) => Data): Reading {
  // Null says that an attribute is not set.
  const { specversion, id, type, source, subject, time, ...others } = Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== null),
  );
  const faults: Fault[] = [];
  if (specversion !== SPEC_VERSION) faults.push({ path: "/specversion", message: describeVersion(specversion) });
  const entries = Object.entries(others);
  for (const [name] of entries)
    if (!ATTRIBUTE_NAME.test(name)) faults.push({ path: pointTo("", name), message: NAME_RULE });
  const attributes = Object.fromEntries(entries.filter(([name]) => ATTRIBUTE_NAME.test(name)));

  const { datacontenttype, traceparent } = attributes;
  const isType = typeof datacontenttype === "string" && isMediaType(datacontenttype);
  if (datacontenttype !== undefined && !isType)
    faults.push({
      path: "/datacontenttype",
      message: `expected a media type, such as application/json, received ${preview(datacontenttype)}`,
    });
  const data = readData(isType ? datacontenttype : null);
  if ("fault" in data) faults.push(data.fault);

  const [, trace_id] = (typeof traceparent === "string" && TRACE_PARENT.exec(traceparent)) || [];
  const envelope = {
    event_id: id,
    type,
    source,
    occurred_at: time ?? receivedAt.toISOString(),
    ...(subject !== undefined && { subject }),
    ...(trace_id !== undefined && { trace_id }),
    ...(entries.length > 0 && { attributes }),
    ...("payload" in data && { payload: data.payload }),
  } as EventEnvelope;
  for (const { path, message } of findEnvelopeFaults(envelope)) {
    const own = inCloudEvent(path);
    if (faults.every((fault) => fault.path !== own)) faults.push({ path: own, message });
  }
  return faults.length > 0 ? { faults } : { envelope };
}

/** Where a CloudEvent has what the envelope has at `path`. */
function inCloudEvent(path: string): string {
  if (path === "/event_id") return "/id";
  return path === "/occurred_at" ? "/time" : path.replace(/^\/attributes(?=\/)/, "");
}

function describeVersion(version: unknown): string {
  const expected = JSON.stringify(SPEC_VERSION);
  return version === undefined ? `is required: ${expected}` : `expected ${expected}, received ${preview(version)}`;
}

function readData({ data, data_base64 }: Fields, contentType: string | null): Data {
  const fault = (path: string, message: string) => ({ fault: { path, message } });
  if (data_base64 !== undefined && data_base64 !== null) {
    if (data !== undefined) return fault("/data_base64", "stands beside data: an event has one of them");
    if (typeof data_base64 !== "string" || data_base64.length % 4 !== 0 || !BASE64.test(data_base64))
      return fault("/data_base64", `expected base64, received ${preview(data_base64)}`);
    return payloadOf(Buffer.from(data_base64, "base64"), contentType, "/data_base64");
  }
  if (data === undefined) return {};
  if (contentType === null || isJsonType(contentType)) return { payload: data };
  if (typeof data !== "string")
    return fault("/data", `expected a text, as it is ${contentType}: received ${preview(data)}`);
  return { payload: { content_type: contentType, text: data } satisfies KeptData };
}

function readHeaders(headers: MessageHeaders): { attributes: Fields; faults: Fault[] } {
  const faults: Fault[] = [];
  const contentType = headers.get("content-type");
  const entries: [name: string, value: string][] = contentType === undefined ? [] : [["datacontenttype", contentType]];
  for (const [name, value] of headers) {
    if (!name.startsWith(PREFIX)) continue;
    const attribute = name.slice(PREFIX.length);
    const decoded = decodeHeader(value);
    if (decoded === undefined)
      faults.push({
        path: pointTo("", attribute),
        message: "expected printable ASCII, and anything else percent-encoded as UTF-8",
      });
    entries.push([attribute, decoded ?? value]);
  }
  return { attributes: Object.fromEntries(entries), faults };
}

/** Undefined where the text is not encoded as the bindings say. */
function decodeHeader(value: string): string | undefined {
  const text = /^".*"$/.test(value) ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
  if (!/^[\x20-\x7e]*$/.test(text)) return undefined;
  try {
    return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => decodeURIComponent(encoded));
  } catch {
    return undefined;
  }
}
