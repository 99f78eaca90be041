/** The two search attributes by which a run is found in Temporal; actcore registers them itself. */
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";

const ACTIVITY_ID = defineSearchAttributeKey("ActivityId", SearchAttributeType.KEYWORD);
const ACTIVITY_NAME = defineSearchAttributeKey("ActivityName", SearchAttributeType.KEYWORD);

export function searchAttributesOf(activityId: string, activityName: string): TypedSearchAttributes {
  return new TypedSearchAttributes([
    { key: ACTIVITY_ID, value: activityId },
    { key: ACTIVITY_NAME, value: activityName },
  ]);
}
