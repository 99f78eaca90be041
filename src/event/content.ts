/**
 * The part of an event in which two messages of one id may not differ. A second message that differs is no repetition of the
 * first one, and its sender is told. Pure.
 */
import { canonicalJson } from "../json/canonical.ts";
import type { EventEnvelope } from "./envelope.ts";

/** In the order in which differences are named. When it occurred, and its trace, may be made anew by a sender that tries again. */
const FIELDS = ["type", "source", "subject", "payload"] as const;
type ContentField = (typeof FIELDS)[number];

/** As it is recorded: `subject` is null and `payload` `{}` where the envelope has none. */
export interface EventContent {
  type: string | null;
  source: string | null;
  /** Absent: it was not recorded. */
  subject?: string | null;
  payload: unknown;
}

/** The port through which the API asks what was recorded; postgres/event/event-contents.ts is behind it. */
export interface EventContentReader {
  /**
   * The content of each event that was recorded, by its id; null where only the id is still kept. An event that only a foreign
   * start brought is left out: the stream's event takes it over.
   */
  readContents(eventIds: readonly string[]): Promise<ReadonlyMap<string, EventContent | null>>;
}

export function contentOf({ type, source, subject, payload = {} }: EventEnvelope): EventContent {
  return { type, source, subject: subject ?? null, payload };
}

/**
 * The fields in which the envelope says something else than what was recorded under its id: none of a repetition, and none where
 * nothing was recorded or is still kept.
 */
export function findDifferences(recorded: EventContent | null | undefined, envelope: EventEnvelope): ContentField[] {
  if (!recorded) return [];
  const own = contentOf(envelope);
  return FIELDS.filter((field) => field in recorded && canonicalJson(recorded[field]) !== canonicalJson(own[field]));
}
