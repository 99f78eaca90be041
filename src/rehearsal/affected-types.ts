/** The types of recorded events that changed activities may treat otherwise. */
import { createTypeIndex } from "../match/type-index.ts";
import { type ChangedActivity, versionsOf } from "./changed-activities.ts";
import type { HistoryReader } from "./history.ts";

/** Recorded types that patterns are compared with. */
export const MAX_TYPES = 10_000;

export interface AffectedTypes {
  /** The activities of which either version waits for events of the type. */
  byType: ReadonlyMap<string, readonly ChangedActivity[]>;
  /** Those with a pattern, where there are more recorded types than MAX_TYPES. */
  missed: readonly ChangedActivity[];
}

export async function findAffectedTypes(
  history: Pick<HistoryReader, "listTypes">,
  changed: readonly ChangedActivity[],
): Promise<AffectedTypes> {
  const waiting = changed.flatMap((one) =>
    versionsOf(one).flatMap(({ activity: { trigger } }) =>
      trigger.type === "event" ? [{ one, pattern: trigger.event_type }] : [],
    ),
  );
  const broad = waiting.filter(({ pattern }) => pattern.segments !== undefined);
  const exact = waiting.flatMap(({ pattern }) => (pattern.segments === undefined ? [pattern.text] : []));
  const recorded = broad.length === 0 ? [] : await history.listTypes({ limit: MAX_TYPES });
  const index = createTypeIndex(waiting, ({ pattern }) => pattern);
  const byType = new Map<string, readonly ChangedActivity[]>();
  for (const type of new Set([...exact, ...recorded])) {
    const those = new Set(index.find(type).map(({ one }) => one));
    if (those.size > 0) byType.set(type, [...those]);
  }
  const missed = recorded.length < MAX_TYPES ? [] : broad.map(({ one }) => one);
  return { byType, missed };
}
