/** What an event did to an activity that its type reached, in words. Pure. */
import { formatDuration } from "../calendar/duration.ts";
import type { Retention } from "../kernel/config.ts";
import type { EventFacts, Reached } from "./event-explanation.ts";
import { currentVersion, versionAt } from "./explained-activity.ts";
import { tellCollected, tellDuplicate, tellOthers, tellWait } from "./explained-flow.ts";
import { shorten, type Told, tellRun } from "./explained-run.ts";
import { askVersion } from "./trigger-findings.ts";

export function tellReached(reached: Reached, facts: EventFacts, retention: Retention): Told {
  const { activity_name, outcome, reason } = reached;
  const did = `${activity_name} did not run on the event ${shorten(facts.event_id)}`;
  const why = shorten(reason ?? "its reason is not recorded");
  switch (outcome) {
    case "run":
    case "queued":
      return tellMade(reached, facts, retention);
    case "collected":
      return tellCollected(activity_name, facts.event_id, facts.window);
    case "filtered":
      return { said: `${did}, because ${why}`, ...tellMend(reached, facts) };
    case "failed_expression":
      return {
        said: `${did}, because an expression of its trigger or its flow failed: ${why}`,
        ...tellMend(reached, facts),
      };
    case "duplicate": {
      const { said } = tellDuplicate(why, facts.duplicateOf);
      return { said: `${did}, because ${said}` };
    }
    case "skipped":
      return { said: `${did}, because ${SKIPPED[reason ?? ""] ?? why}`, ...tellMend(reached, facts) };
  }
}

const SKIPPED: Readonly<Record<string, string>> = {
  disabled: "it was disabled",
  deleted: "it was deleted",
};

/** The run of the event, and how it stands. */
function tellMade(
  { activity_name, run_id, run, claimed }: Reached,
  { event_id, window, waitsFor }: EventFacts,
  { runRetentionMs }: Retention,
): Told {
  const others = window === undefined || window.events === 1 ? "" : `, ${tellOthers(window)} (${window.kind}),`;
  const made = `The event ${shorten(event_id)}${others} made run ${run_id} of ${activity_name}`;
  // A run that was accepted before its workflow began is recorded as one that runs.
  if (run !== undefined && (run.status !== "running" || claimed !== false)) {
    const ended = tellRun(run, waitsFor && tellWait(waitsFor));
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
  const isSame = versionAt(history, event.matchedAt)?.version === current.version;
  switch (askVersion(current, event.envelope)) {
    case undefined:
      if (isSame) return { todo: `${replay} runs it` };
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
