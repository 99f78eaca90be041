/** Reads what explanations follow from. */
import type { ExplainReader } from "../../explain/explain-reader.ts";
import type { Database } from "../client.ts";
import { readDueTimeFacts } from "./due-time-facts.ts";
import { createDueTimeReader } from "./due-time-reader.ts";
import { readEventFacts } from "./event-facts.ts";

export function createExplainReader(db: Database): ExplainReader {
  const dueTimes = createDueTimeReader(db);
  return {
    readDueTime: (activityId, at, now) => readDueTimeFacts(db, dueTimes, activityId, at, now),
    readEvent: (eventId, activityId) => readEventFacts(db, eventId, activityId),
  };
}
