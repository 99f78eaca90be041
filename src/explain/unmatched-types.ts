/** Types of events that no activity waited for: how often they came, and which type that one waits for is nearest. */
import { type Static, Type } from "@sinclair/typebox";
import { isOwnType } from "../event/own-event.ts";
import { Nullable } from "../json/schema-parts.ts";
import { createPause } from "../kernel/wait.ts";
import { findListening, findNearestType, ListenedType } from "./nearest-type.ts";

/** Types are looked at in their order up to so many, and events of each counted up to so many. */
export const MAX_TYPES_LOOKED_AT = 1_000;
export const MAX_COUNTED = 10_000;

const UnmatchedType = Type.Object(
  {
    type: Type.String(),
    count: Type.Integer({ description: `Of those since then, at most ${MAX_COUNTED}.` }),
    count_is_exact: Type.Boolean({ description: "False: there are more." }),
    last_seen: Type.String({ format: "date-time" }),
    sample_event_id: Type.String({ description: "The newest one; /explain?event_id= tells of it." }),
    listened_now: Nullable(ListenedType, {
      description: "An activity that waits for the type by now: a replay of its events would run.",
    }),
    nearest: Nullable(ListenedType, {
      description: "The nearest type or pattern that an activity waits for; null of an own event.",
    }),
  },
  { title: "UnmatchedType" },
);

export const UnmatchedTypes = Type.Object(
  {
    since: Type.String({ format: "date-time" }),
    types: Type.Array(UnmatchedType, { description: "Those that came last first." }),
    cut: Nullable(Type.String(), { description: "What was not looked at, in words; null: everything was." }),
  },
  { title: "UnmatchedTypes" },
);
export type UnmatchedTypes = Static<typeof UnmatchedTypes>;

export interface UnmatchedCount extends Pick<Static<typeof UnmatchedType>, "type" | "count" | "sample_event_id"> {
  /** At most `MAX_COUNTED` and one more. */
  count: number;
  last_seen: Date;
}

/** postgres/explain/unmatched-reader.ts is behind it. */
export interface UnmatchedReader {
  /** Those with the newest events first, at most `limit`; `isCut`: there were more types than are looked at. */
  listUnmatched(since: Date, limit: number): Promise<{ types: UnmatchedCount[]; isCut: boolean }>;
  listListened(): Promise<ListenedType[]>;
}

/** With pauses for the rest of the process: each type is compared with each that is listened to. */
export async function describeUnmatched(reader: UnmatchedReader, since: Date, limit: number): Promise<UnmatchedTypes> {
  const [{ types, isCut }, listened] = await Promise.all([reader.listUnmatched(since, limit), reader.listListened()]);
  const pause = createPause();
  const described: UnmatchedTypes["types"] = [];
  for (const { type, count, last_seen, sample_event_id } of types) {
    await pause();
    const [listened_now = null] = findListening(type, listened);
    described.push({
      ...{ type, count: Math.min(count, MAX_COUNTED), count_is_exact: count <= MAX_COUNTED },
      ...{ last_seen: last_seen.toISOString(), sample_event_id, listened_now },
      // Nobody mistypes an event of actcore's own.
      nearest: listened_now === null && !isOwnType(type) ? (findNearestType(type, listened) ?? null) : null,
    });
  }
  const cut = isCut ? `only the first ${MAX_TYPES_LOOKED_AT} types, in their order, were looked at` : null;
  return { since: since.toISOString(), types: described, cut };
}
