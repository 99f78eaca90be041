/** Whether the ends of an activity's runs are published as events of actcore's own. Pure. */
import type { DefinitionBody } from "../definition/schema.ts";
import { compileTypePattern, matchesType } from "../match/type-pattern.ts";
import { RUN_NEWS_TYPES } from "./own-event.ts";

/**
 * Null: as the server's setting says. An activity that waits for the ends of runs would start itself with its own: the setting
 * does not mean it.
 */
export function publishesOutcome({ publish_outcome, trigger_config }: DefinitionBody): boolean | null {
  if (publish_outcome !== undefined) return publish_outcome;
  if (trigger_config.trigger_type !== "event") return null;
  const pattern = compileTypePattern(trigger_config.event_type);
  return RUN_NEWS_TYPES.some((type) => matchesType(pattern, type)) ? false : null;
}
