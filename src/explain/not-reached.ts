/** Why an event that is recorded did not reach an activity, in words. Pure. */
import { OWN_EVENT_IDS } from "../event/envelope.ts";
import { compileTypePattern, matchesType } from "../match/type-pattern.ts";
import type { EventExplanation, EventRow } from "./event-explanation.ts";
import {
  type ActivityHistory,
  currentVersion,
  describeTrigger,
  type Version,
  versionAt,
} from "./explained-activity.ts";
import { shorten, type Told } from "./explained-run.ts";
import { askVersion } from "./trigger-findings.ts";

type Answer = Told & { outcome: EventExplanation["outcome"] };

/** A version that was written so shortly before the event was recorded may not have been known to the router. */
const JUST_BEFORE_MS = 60_000;

export function tellNotReached(event: EventRow, history: ActivityHistory): Answer {
  const { activity_name: name, created_at, deleted_at } = history;
  const { matchedAt } = event;
  const head = `The event ${shorten(event.event_id)} did not reach ${name}`;
  if (Object.values(OWN_EVENT_IDS).some((prefix) => event.event_id.startsWith(prefix)))
    return { outcome: "brought_for_one", said: `${head}, because somebody brought it for another activity alone` };
  if (deleted_at !== null && deleted_at <= matchedAt)
    return {
      outcome: "not_there",
      said: `${head}, because the activity was deleted before, at ${deleted_at.toISOString()}`,
    };
  const version = versionAt(history, matchedAt);
  const since = tellSince(event, history);
  if (version === undefined)
    return {
      outcome: "not_there",
      said: `${head}, because the activity was created later, at ${created_at.toISOString()}`,
      ...since,
    };
  const trigger = version.body.trigger_config;
  if (trigger.trigger_type !== "event")
    return {
      outcome: "no_events",
      said: `${head}, because ${name} ${describeTrigger(version)}${ofVersion(version, history)}`,
      ...since,
    };
  if (event.type === null || !matchesType(compileTypePattern(trigger.event_type), event.type))
    return {
      outcome: "other_type",
      said: `${head}, because its type is ${shorten(event.type ?? "not known")}, and ${name} ${describeTrigger(version)}${ofVersion(version, history)}`,
      ...since,
    };
  return { outcome: "not_reached", ...tellMissing(event, version, head) };
}

/** Names the version where another one counts now. */
function ofVersion({ version, written_at }: Version, history: ActivityHistory): string {
  if (currentVersion(history)?.version === version) return "";
  return ` (so its version ${version}, of ${written_at.toISOString()}, which counted then)`;
}

/** What the definition of now would do with the event. */
function tellSince({ event_id, envelope }: EventRow, history: ActivityHistory): Pick<Told, "todo"> {
  const current = currentVersion(history);
  if (current === undefined || envelope === undefined) return {};
  const { activity_id } = history;
  const replay = `POST /events/${encodeURIComponent(event_id)}/replay with {"activity_id": "${activity_id}"}`;
  const answer = askVersion(current, envelope);
  if (answer === undefined) return { todo: `its version of now, ${current.version}, would take it: ${replay} runs it` };
  if (answer === "other_type")
    return { todo: "if it should run, mend the type that the sender writes, or the event_type of the definition" };
  return {};
}

/** Of an activity that waited for the type, and of which nothing is recorded. */
function tellMissing({ provisional, matchedAt }: EventRow, { version, written_at }: Version, head: string): Told {
  if (provisional)
    return {
      said: `${head}, because only a workflow that somebody started with a Temporal client has brought the event, for another activity`,
      todo: "published as an event, under the same id, it reaches this one too",
    };
  const age = matchedAt.getTime() - written_at.getTime();
  if (age < JUST_BEFORE_MS)
    return {
      said: `${head}, because version ${version} of the definition was written at ${written_at.toISOString()}, and the router that recorded the event at ${matchedAt.toISOString()} did not know it yet`,
    };
  return {
    said: `${head}, although its type fits: nothing is recorded of it, or what was recorded is not kept any more`,
  };
}
