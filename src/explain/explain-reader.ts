/** The port through which explanations get their facts; postgres/explain/explain-reader.ts is behind it. */
import type { DueTimeFacts } from "./due-time-explanation.ts";
import type { EventFacts } from "./event-explanation.ts";

export interface ExplainReader {
  /** Undefined: there is no definition of this id, also none that was deleted. */
  readDueTime(activityId: string, at: Date, now: Date): Promise<DueTimeFacts | undefined>;
  /** @param activityId undefined: each activity that the event reached. The answer is undefined where there is none of this id */
  readEvent(eventId: string, activityId: string | undefined): Promise<EventFacts | undefined>;
}
