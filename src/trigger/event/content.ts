/**
 * What an event says, as far as it may not change: a second message of the same id that says something else is no
 * repetition, and whoever sent it is told. Pure.
 */
import { canonicalJson } from "../../json/canonical.ts";
import type { EventEnvelope } from "./envelope.ts";

/** In the order in which differences are named. When it occurred, and its trace, may be made anew by a sender that tries again. */
const FIELDS = ["type", "source", "subject", "payload"] as const;
export type ContentField = (typeof FIELDS)[number];

/** As it is recorded: `subject` is null and `payload` `{}` where the envelope has none. */
export interface EventContent {
  type: string | null;
  source: string | null;
  /** Absent: it was not recorded. */
  subject?: string | null;
  payload: unknown;
}

/** The port through which the API asks what was recorded; postgres/event-contents.ts is behind it. */
export interface EventContentReader {
  /**
   * Of each id that an event was recorded under, null where only the id is still kept. Not of one that only a foreign
   * start brought: the stream's event takes that over.
   */
  readContents(eventIds: readonly string[]): Promise<ReadonlyMap<string, EventContent | null>>;
}

export function contentOf({ type, source, subject, payload = {} }: EventEnvelope): EventContent {
  return { type, source, subject: subject ?? null, payload };
}

/** The fields in which the envelope says something else than what was recorded under its id; none of a repetition. */
export function findDifferences(recorded: EventContent, envelope: EventEnvelope): ContentField[] {
  const own = contentOf(envelope);
  return FIELDS.filter((field) => field in recorded && canonicalJson(recorded[field]) !== canonicalJson(own[field]));
}
