/** What an event did to an activity that its type reached, in words. Pure. */
import { formatDuration } from "../calendar/duration.ts";
import type { Retention } from "../kernel/config.ts";
import type { EventFacts, Reached } from "./event-explanation.ts";
import { currentVersion } from "./explained-activity.ts";
import { shorten, type Told, tellRun } from "./explained-run.ts";
import { askVersion } from "./trigger-findings.ts";

export function tellReached(reached: Reached, facts: EventFacts, retention: Retention): Told {
  const { activity_name, outcome, reason } = reached;
  const did = `${activity_name} did not run on the event ${shorten(facts.event_id)}`;
  const why = shorten(reason ?? "its reason is not recorded");
  switch (outcome) {
    case "run":
    case "queued":
    case "collected":
      return tellMade(reached, facts.event_id, retention);
    case "filtered":
      return { said: `${did}, because ${why}`, ...tellMend(reached, facts) };
    case "failed_expression":
      return {
        said: `${did}, because an expression of its trigger failed: ${why}`,
        ...tellMend(reached, facts),
      };
    case "duplicate":
      return { said: `${did}, because another event is the same occasion to it: ${why}` };
    case "skipped":
      return reason === "disabled"
        ? { said: `${did}, because it was disabled`, ...tellMend(reached, facts) }
        : { said: `${did}: ${why}` };
  }
}

/** The run of the event, and how it stands. */
function tellMade(
  { activity_name, run_id, run, claimed }: Reached,
  event_id: string,
  { runRetentionMs }: Retention,
): Told {
  const made = `The event ${shorten(event_id)} made run ${run_id} of ${activity_name}`;
  if (run !== undefined) {
    const ended = tellRun(run);
    return { ...ended, said: `${made}, which ${ended.said}` };
  }
  if (claimed === false)
    return {
      said: `${made}, which is not started yet`,
      todo: "it is started as soon as Temporal and a worker are there: /readyz says what is away",
    };
  const kept = `runs are kept for ${formatDuration(runRetentionMs)}`;
  return { said: `${made}, and how that ended is not known any more: ${kept}` };
}

/** What to do about an event that did not pass: the definition may say something else by now. */
function tellMend({ activity_id }: Reached, { event, history }: EventFacts): Pick<Told, "todo"> {
  const current = history && currentVersion(history);
  if (event?.envelope === undefined || history === undefined) return {};
  if (current === undefined) return { todo: "the definition is deleted since" };
  const replay = `POST /events/${encodeURIComponent(event.event_id)}/replay with {"activity_id": "${activity_id}"}`;
  switch (askVersion(current, event.envelope)) {
    case undefined:
      return { todo: `its version of now, ${current.version}, would take it: ${replay} runs it` };
    case "disabled":
      return {
        todo: `PATCH /activity-definitions/${activity_id} with {"enabled": true} enables it; then ${replay} runs it`,
      };
    case "failed_expression":
    case "filtered":
      return { todo: `if it should run, mend the trigger of the definition, and ${replay} runs it` };
    default:
      return {};
  }
}
