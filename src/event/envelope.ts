/**
 * The event envelope: its shape, and what is wrong with a value that should be one.
 *
 * What passes here can be stored and matched. So the bounds are Postgres' and JetStream's: no NUL in plain text,
 * a depth that no parser chokes on, a size below the stream's.
 */
import { createHash } from "node:crypto";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../calendar/time.ts";
import { isWithinDepth, TOO_DEEP } from "../json/depth.ts";
import { findFaults } from "../json/faults.ts";
import type { ActcoreError, Fault } from "../kernel/errors.ts";
import { stableTraceId } from "../kernel/stable-id.ts";

/** Bytes of one encoded envelope; larger ones are dead-lettered. */
export const MAX_EVENT_BYTES = 1_048_576;
export const MAX_EVENT_ID_BYTES = 200;
const PLAIN = "^[^\\u0000]*$";
const HALF_A_PAIR = "has half of a surrogate pair";

/** How the ids of events begin that actcore makes itself. Nobody else may publish under such an id. */
export const OWN_EVENT_IDS = { manual: "manual:", foreign: "foreign:", deadLetter: "dead-letter:" } as const;
/** How the workflow ids of repeated runs end. An event whose id ended so would get the workflow id of such a run. */
const REPEATED = /:(rerun|replay|retry)-\d+$/;

/** What CloudEvents lets an attribute be called. */
export const ATTRIBUTE_NAME = /^[a-z0-9]+$/;
const AttributeSchema = Type.Union(
  [
    Type.String({ pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$" }),
    Type.Integer({ minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }),
    Type.Boolean(),
  ],
  { expected: "a text without control characters, a whole number of 32 bits, or true or false" },
);

export const EventEnvelopeSchema = Type.Object(
  {
    event_id: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
      description: "1 to 200 bytes; the same id is the same event. Some are actcore's own: docs/conventions.md.",
      expected: "1 to 200 bytes without control characters",
    }),
    type: Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: PLAIN,
      description: "What definitions match on.",
      expected: "1 to 200 characters without U+0000",
    }),
    source: Type.String({
      minLength: 1,
      maxLength: 500,
      pattern: PLAIN,
      expected: "1 to 500 characters without U+0000",
    }),
    occurred_at: TimeSchema("when it happened."),
    subject: Type.Optional(
      Type.String({ maxLength: 500, pattern: PLAIN, expected: "at most 500 characters without U+0000" }),
    ),
    trace_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        pattern: "^[\\x21-\\x7e]+$",
        expected: "1 to 128 printable ASCII characters",
      }),
    ),
    attributes: Type.Optional(
      Type.Record(Type.String({ pattern: ATTRIBUTE_NAME.source }), AttributeSchema, {
        additionalProperties: false,
        description:
          "The attributes of a CloudEvent that have no field here: its extensions, `datacontenttype` and `dataschema`.",
        expected: "an object of attributes",
      }),
    ),
    payload: Type.Optional(Type.Unknown({ description: "Any JSON value; `{}` when absent." })),
  },
  { additionalProperties: false, title: "EventEnvelope" },
);
export type EventEnvelope = Static<typeof EventEnvelopeSchema>;

/**
 * `event_differs`: another event was recorded under its id before. `own_event`: it says that it is one of actcore's own, and is
 * not. `mapping_failed`: a hook could make no event of a request (hook/mapping.ts).
 */
export const DEAD_LETTER_REASONS = [
  "not_json",
  "not_an_envelope",
  "too_large",
  "not_storable",
  "schema_mismatch",
  "event_differs",
  "own_event",
  "mapping_failed",
] as const;
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];
/** Whether an event from outside may have this id. */
export function isEventId(id: unknown): id is string {
  return Value.Check(EventEnvelopeSchema.properties.event_id, id) && findIdFaults(id).length === 0;
}

/** Every fault of a value that should be an envelope. */
export function findEnvelopeFaults(value: unknown): Fault[] {
  if (!isWithinDepth(value)) return [TOO_DEEP];
  const faults = findFaults(EventEnvelopeSchema, value);
  if (faults.length > 0) return faults;
  const envelope = value as EventEnvelope;
  const { event_id, occurred_at } = envelope;
  faults.push(...findIdFaults(event_id));
  for (const field of ["type", "source", "subject"] as const)
    if (envelope[field]?.isWellFormed() === false) faults.push({ path: `/${field}`, message: HALF_A_PAIR });
  for (const [name, value] of Object.entries(envelope.attributes ?? {}))
    if (typeof value === "string" && !value.isWellFormed())
      faults.push({ path: `/attributes/${name}`, message: HALF_A_PAIR });
  if (parseTime(occurred_at) === undefined)
    faults.push({
      path: "/occurred_at",
      message: `expected ${EXPECTED_TIME}, received ${JSON.stringify(occurred_at)}`,
    });
  return faults;
}

/**
 * The event as expressions read it under `event`: every key is there. An event without a trace of its own has the one that is
 * recorded for it.
 */
export function toEventValue({ event_id, type, source, subject, occurred_at, trace_id, ...rest }: EventEnvelope) {
  const { attributes = {}, payload = {} } = rest;
  return {
    ...{ event_id, type, source, occurred_at, attributes, payload },
    ...{ subject: subject ?? null, trace_id: trace_id ?? stableTraceId(event_id) },
  };
}

/** What is wrong with an id that the schema lets through. */
function findIdFaults(eventId: string): Fault[] {
  const messages: string[] = [];
  if (!eventId.isWellFormed()) messages.push(HALF_A_PAIR);
  if (Buffer.byteLength(eventId) > MAX_EVENT_ID_BYTES) messages.push(`expected at most ${MAX_EVENT_ID_BYTES} bytes`);
  const reserved = reservedPartOf(eventId);
  if (reserved !== undefined) messages.push(`${reserved} is reserved`);
  return messages.map((message) => ({ path: "/event_id", message }));
}

/**
 * The id under which a message without a usable envelope is kept. Its bytes, subject and the time at which the
 * stream took it in make it, so that a redelivery finds the same record; a stream sequence would repeat in a new stream.
 */
export function deadLetterId(subject: string, streamedAtNs: bigint | number, bytes: Uint8Array): string {
  const hash = createHash("sha256").update(`${subject}\n${streamedAtNs}\n`).update(bytes).digest("hex");
  return `${OWN_EVENT_IDS.deadLetter}${hash.slice(0, 32)}`;
}

/** What no id from outside may be, begin with or end with, as words; undefined: it may. */
function reservedPartOf(eventId: string): string | undefined {
  // HTTP clients resolve these as steps of a path, so the event could not be looked up.
  if (eventId === "." || eventId === "..") return JSON.stringify(eventId);
  const prefix = Object.values(OWN_EVENT_IDS).find((own) => eventId.startsWith(own));
  if (prefix !== undefined) return `the beginning ${JSON.stringify(prefix)}`;
  const [suffix] = REPEATED.exec(eventId) ?? [];
  return suffix === undefined ? undefined : `the end ${JSON.stringify(suffix)}`;
}

/** The port through which actcore publishes; nats/publisher.ts is behind it. */
export interface EventPublisher {
  /**
   * Resolves when the stream has the event. Within its duplicate window the stream takes no second message of a `messageId`.
   * @throws RetryableError `nats_unavailable`, `stream_full`, `stream_sealed`; TerminalError `event_too_large`
   */
  publish(envelope: EventEnvelope, options?: { messageId?: string }): Promise<void>;
}

/** A publisher of several events at once. */
export interface BatchPublisher extends EventPublisher {
  /**
   * Publishes the events side by side, in their order, and answers why the stream did not take each of them; undefined where it has it.
   * Once the stream is found to be away, those that were not begun are not tried. Rejects only with what nobody knows.
   */
  publishAll(envelopes: readonly EventEnvelope[]): Promise<(ActcoreError | undefined)[]>;
}
