/** The request that the end of a start suggests: one that does something with the activities that are there. */
import type { Definition } from "../definition/schema.ts";
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
  for (const { trigger_config: trigger } of enabled) {
    if (trigger.trigger_type !== "event") continue;
    // An event that carries what its filters want, and nothing else: an enforced type may want more.
    const event = { type: trigger.event_type, source: "curl", payload: { ...trigger.filters } };
    if (findPayloadFaults(checks, { ...event, event_id: "x", occurred_at: "2026-01-31T09:30:00Z" }).length > 0)
      continue;
    return `curl${options} -H 'content-type: application/json' ${api}/events -d ${quoteEvent(event)}`;
  }
  const [first] = enabled;
  return first && `curl${options} -X POST ${api}/activity-definitions/${first.id}/trigger   # runs ${first.name} now`;
}

/** With an id and a time that the shell makes, so that the same command publishes another event each time. */
function quoteEvent(event: object): string {
  const rest = JSON.stringify(event).slice(1).replaceAll("'", "'\\''");
  return `'{"event_id":"'$(date +%s)'","occurred_at":"'$(date -u +%FT%TZ)'",${rest}'`;
}
