/** The request that the end of a start suggests: one that does something with the activities that are there. */
import type { Definition, EventTrigger } from "../definition/schema.ts";
import { matchEvent } from "../dispatch/match-event.ts";
import { indexSubscriptions } from "../event/match.ts";
import { findOwnEventFaults } from "../event/own-event.ts";
import { findPayloadFaults, type PayloadChecks } from "../event/payload-checks.ts";

/**
 * A command for a shell; undefined where no activity is enabled. `options` are those of curl that every request needs.
 * @param definitions live ones
 */
export function suggestRequest(
  definitions: readonly Definition[],
  checks: PayloadChecks,
  api: string,
  options = "",
): string | undefined {
  const enabled = definitions.filter((definition) => definition.enabled);
  for (const { trigger_config, ...row } of enabled) {
    if (trigger_config.trigger_type !== "event") continue;
    const event = sampleEvent(trigger_config);
    // It carries what the filters want, and nothing else: a condition, or an enforced type, may want more.
    const envelope = { ...event, event_id: "x", occurred_at: "2026-01-31T09:30:00Z" };
    if (findOwnEventFaults(envelope).length > 0 || readsPayload(row)) continue;
    if (matchEvent(indexSubscriptions([{ ...row, trigger_config }]), envelope).outcome !== "received") continue;
    if (findPayloadFaults(checks, envelope).length > 0) continue;
    return `curl${options} -H 'content-type: application/json' ${api}/events -d ${quoteEvent(event)}`;
  }
  const [first] = enabled;
  return first && `curl${options} -X POST ${api}/activity-definitions/${first.id}/trigger   # runs ${first.name} now`;
}

/** Whether a context source, a condition or a task wants more of the event than the trigger's filters: the run would fail without it. */
function readsPayload(definition: Omit<Definition, "trigger_config">): boolean {
  return JSON.stringify(definition).includes("event.payload");
}

/** Of a type that the trigger waits for, with a payload that its filters let pass: a path is written as a key. */
function sampleEvent({ event_type, filters = {} }: EventTrigger) {
  const values = Object.entries(filters).map(([key, wanted]) => [key, Array.isArray(wanted) ? wanted[0] : wanted]);
  return { type: event_type.replace(/\*+/g, "example"), source: "curl", payload: Object.fromEntries(values) };
}

/** With an id and a time that the shell makes, so that the same command publishes another event each time. */
function quoteEvent(event: object): string {
  const rest = JSON.stringify(event).slice(1).replaceAll("'", "'\\''");
  return `'{"event_id":"'$(date +%s)'","occurred_at":"'$(date -u +%FT%TZ)'",${rest}'`;
}
