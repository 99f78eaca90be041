/** In words, what an activity's flow and dedupe key make of an event that passes its trigger. Pure. */
import { formatDuration } from "../calendar/duration.ts";
import type { Flow } from "../definition/flow.ts";
import type { WindowRule } from "../event/match.ts";
import type { Placement } from "./placement.ts";

/** Undefined where it runs at once, whatever else comes. `flow` is what the event was placed by. */
export function describePlacement(placement: Placement, flow: Flow | undefined): string | undefined {
  const { outcome, window, dedupe_key, dedupe_ms } = placement;
  const parts = [];
  if (outcome === "collected" && window)
    parts.push(`it waits with other events${ofKey(placement)}: ${describeWindow(window)}`);
  const gates = describeGates(flow);
  if (gates !== undefined) parts.push(`its run waits while ${gates}${outcome === "queued" ? ofKey(placement) : ""}`);
  if (dedupe_key !== undefined) {
    const within = dedupe_ms == null ? "" : ` for ${formatDuration(dedupe_ms)}`;
    parts.push(`where another event has the dedupe key ${dedupe_key}${within}, it is a duplicate`);
  }
  return parts.length === 0 ? undefined : parts.join("; ");
}

function ofKey({ flow_key = "" }: Placement): string {
  return flow_key === "" ? "" : ` of the key ${flow_key}`;
}

function describeWindow({ kind, quiet_ms, max_wait_ms, max_events }: WindowRule): string {
  const latest = `${formatDuration(max_wait_ms)} after the first one`;
  if (kind === "batch") return `one run for ${max_events} of them, at the latest ${latest}`;
  return `one run when none has come for ${formatDuration(quiet_ms)}, at the latest ${latest}`;
}

function describeGates({ rateLimit, maxConcurrent }: Flow = {}): string | undefined {
  const gates = [
    maxConcurrent && `${runs(maxConcurrent.count, "go", "goes")}`,
    rateLimit && `${runs(rateLimit.count, "have", "has")} begun in the last ${formatDuration(rateLimit.perMs)}`,
  ].filter((gate) => gate !== undefined);
  return gates.length === 0 ? undefined : gates.join(" or ");
}

function runs(count: number, many: string, one: string): string {
  return count === 1 ? `1 run ${one}` : `${count} runs ${many}`;
}
