/**
 * What started a workflow: the router (a recorded event), a schedule (a due time), or somebody with a Temporal client
 * of their own (an envelope or a bare payload, which is persisted before anything else happens: I5, I8).
 */

import { type EventEnvelope, findEnvelopeFaults, MAX_EVENT_ID_BYTES, OWN_EVENT_IDS } from "../event/envelope.ts";
import { findOwnEventFaults } from "../event/own-event.ts";
import { isWithinDepth, TOO_DEEP } from "../json/depth.ts";
import { isFields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import { TerminalError } from "../kernel/errors.ts";
import { isUuid, stableHex } from "../kernel/stable-id.ts";
import type { ClaimRequest, StartArgument } from "../run/run.ts";
import type { TriggerEvent } from "./judge.ts";
import { dueKey } from "./occurrence.ts";

/** Bytes of JSON that a foreign start may bring inline. */
export const MAX_INLINE_BYTES = 65_536;
/** How many characters of somebody else's input an error shows. */
const MAX_SHOWN = 200;
/** Milliseconds by which the clocks of the engine and of a worker may differ. */
const CLOCK_SKEW_MS = 60_000;

/** @throws TerminalError `activity_id_invalid`, `event_not_found`, `trigger_event_invalid`, `trigger_event_too_large` or `not_due` */
export function classifyStart(request: ClaimRequest, now: Date): TriggerEvent | { run_id: string } {
  // Both come from whoever started the workflow, and may be any JSON.
  const { trigger_event_json } = request;
  const event: unknown = trigger_event_json === undefined ? request.trigger_event : parseJson(trigger_event_json);
  if (typeof request.activity_id !== "string")
    throw new TerminalError("activity_id_invalid", "RunActivityWorkflow: activity_id must be a string");
  // The workflow passes on a text in place of an argument that it could not read; the text says why.
  if (!isFields(event)) throw invalid(`must be an object, received ${JSON.stringify(event)?.slice(0, MAX_SHOWN)}`);

  const keys = Object.keys(event);
  if (keys.length === 1 && typeof event.event_id === "string") return recordedStart(event.event_id);
  if (keys.length === 1 && typeof event.run_id === "string" && isUuid(event.run_id)) return { run_id: event.run_id };
  if (keys.length === 0 && request.scheduled_for !== undefined) return dueStart(request.scheduled_for, now);
  return foreignStart(request, event, now);
}

function recordedStart(event_id: string): TriggerEvent {
  // Postgres could not look for such an id, or would look for another one.
  if (Buffer.byteLength(event_id) > MAX_EVENT_ID_BYTES || event_id.includes("\0") || !event_id.isWellFormed())
    throw new TerminalError(
      "event_not_found",
      `no event can have the id ${JSON.stringify(event_id.slice(0, MAX_SHOWN))}`,
    );
  return { kind: "event", key: event_id, trigger: "event", event_id };
}

/** A client can name a due time as the schedule does: it must not take one before the schedule comes to it. */
function dueStart(scheduledFor: string, now: Date): TriggerEvent {
  const due = new Date(scheduledFor);
  if (due.getTime() - now.getTime() > CLOCK_SKEW_MS)
    throw new TerminalError("not_due", `RunActivityWorkflow: it is not ${scheduledFor} yet`);
  // The claim knows more of the trigger: see `nameDue` there.
  return { kind: "due", key: dueKey(due), trigger: "cron", due };
}

function invalid(reason: string): TerminalError {
  return new TerminalError("trigger_event_invalid", `RunActivityWorkflow: trigger_event ${reason}`);
}

function foreignStart(request: ClaimRequest, event: StartArgument, now: Date): TriggerEvent {
  if (!isWithinDepth(event)) throw invalid(TOO_DEEP.message);
  const bytes = Buffer.byteLength(JSON.stringify(event));
  if (bytes > MAX_INLINE_BYTES)
    throw new TerminalError(
      "trigger_event_too_large",
      `RunActivityWorkflow: trigger_event has ${bytes} bytes, more than ${MAX_INLINE_BYTES}`,
      { hint: "Publish it as an event and start with {event_id}" },
    );
  const isEnvelope = "event_id" in event && "type" in event;
  if (isEnvelope) {
    const faults = [...findEnvelopeFaults(event), ...findOwnEventFaults(event as EventEnvelope)].map(
      ({ path, message }) => `${path} ${message}`,
    );
    if (faults.length > 0) throw invalid(`is no envelope: ${faults.join("; ")}`);
  }
  const inline = isEnvelope
    ? (event as EventEnvelope)
    : {
        event_id: `${OWN_EVENT_IDS.foreign}${stableHex(request.workflow_id, 32)}`,
        type: "actcore.foreign",
        source: "temporal",
        occurred_at: now.toISOString(),
        payload: event,
      };
  const { event_id } = inline;
  // An envelope is its event, whichever door it comes by: the stream's copy of it is the same occurrence (I1).
  return isEnvelope
    ? { kind: "event", key: event_id, trigger: "event", event_id, inline }
    : { kind: "foreign", key: request.workflow_id, trigger: "manual", event_id, inline };
}
