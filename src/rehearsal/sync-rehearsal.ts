/** A dry run of a sync that is asked about the past: what it would change, and what that would have changed lately. */
import { DurationSchema, findDurationFaults, parseDuration } from "../calendar/duration.ts";
import { findFaults } from "../json/faults.ts";
import type { Fault } from "../kernel/errors.ts";
import type { Write } from "../sync/document-row.ts";
import type { SyncRequest, SyncService } from "../sync/service.ts";
import type { WhatIf } from "./what-if.ts";
import type { SyncRehearsal } from "./what-if-report.ts";

const MAX_HISTORY_MS = 30 * 86_400_000;
const HistorySchema = DurationSchema({ description: "How far back." });

/** How far back a what-if looks, in milliseconds, or what is wrong with the text. */
export function readHistory(text: string, path: string): number | Fault[] {
  const faults = findFaults(HistorySchema, text).map(({ message }) => ({ path, message }));
  if (faults.length > 0) return faults;
  const outOfBounds = findDurationFaults(text, path, 1, MAX_HISTORY_MS);
  return outOfBounds.length > 0 ? outOfBounds : parseDuration(text);
}

/** @throws what `sync` and `whatIf` throw */
export async function rehearseSync(
  { sync, whatIf }: { sync: Pick<SyncService, "sync">; whatIf: WhatIf },
  request: Omit<SyncRequest, "dryRun">,
  historyMs: number,
  signal: AbortSignal,
): Promise<SyncRehearsal> {
  let writes: readonly Write[] = [];
  const onPlan = (planned: readonly Write[]) => {
    writes = planned;
  };
  const report = await sync.sync({ ...request, dryRun: true, onPlan }, signal);
  const to = new Date();
  return { ...report, what_if: await whatIf(writes, { from: new Date(to.getTime() - historyMs), to }, signal) };
}
