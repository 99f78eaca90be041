/**
 * One recorded event that somebody has run again, for one activity or for all that it reaches now.
 *
 * Each replay is an occurrence of its own, recorded with its run before anything is started (I8). What cannot be started then is
 * owed, and the finisher starts it.
 */
import type { EventLedger } from "../event/event-ledger.ts";
import { indexSubscriptions } from "../event/match.ts";
import { TerminalError } from "../kernel/errors.ts";
import { createPause } from "../kernel/wait.ts";
import type { StartRuns } from "../occurrence/start-runs.ts";
import type { HistoryReader } from "../rehearsal/history.ts";
import { isToRun, type MatchedAgain, matchAgain, toWanted } from "./match-again.ts";
import type { AcceptedReplay, RanBefore, ReplayLedger } from "./replay-ledger.ts";

export interface EventReplayRequest {
  event_id: string;
  /** Undefined: every activity that the event reaches now. */
  activity_id?: string | undefined;
  /** Only activities that never ran for it. */
  onlyMissing: boolean;
  actor: string;
}

/** `ran_before`: only activities that never ran for the event were asked for, and this one did. */
export const REPLAY_OUTCOMES = ["run", "queued", "filtered", "failed_expression", "skipped", "ran_before"] as const;

export interface ReplayedActivity {
  activity_id: string;
  activity_name: string;
  outcome: (typeof REPLAY_OUTCOMES)[number];
  reason: string | null;
  /** The new run; of `ran_before` the old one, where it is known. */
  run_id: string | null;
  workflow_id: string | null;
  /** The run that the activity made of the event before. */
  rerun_of: string | null;
}

export interface EventReplay {
  event_id: string;
  /** One for each activity that waits for the event's type now. */
  activities: ReplayedActivity[];
}

export interface EventReplayDeps {
  ledger: ReplayLedger;
  history: Pick<HistoryReader, "findEvent">;
  events: Pick<EventLedger, "listSubscriptions">;
  startRuns: StartRuns;
}

/** @throws TerminalError `not_found`, `event_not_matched` where the named activity does not wait for such events */
export type EventReplays = (request: EventReplayRequest) => Promise<EventReplay>;

export function createEventReplays({ ledger, history, events, startRuns }: EventReplayDeps): EventReplays {
  return async ({ event_id, activity_id, onlyMissing, actor }) => {
    const event = await history.findEvent(event_id);
    if (event === undefined)
      throw new TerminalError("not_found", `there is no event ${JSON.stringify(event_id)}, or it is a dead letter`, {
        hint: "POST /dead-letters/{event_id}/replay replays a dead letter",
      });
    const { envelope } = event;
    const subscriptions = await events.listSubscriptions();
    const asked = activity_id === undefined ? subscriptions : subscriptions.filter(({ id }) => id === activity_id);
    const pause = createPause();
    const matches: MatchedAgain[] = [];
    for (const match of matchAgain(indexSubscriptions(asked), envelope)) {
      matches.push(match);
      await pause();
    }
    if (activity_id !== undefined && matches.length === 0)
      throw new TerminalError("event_not_matched", `the activity waits for no events of the type ${envelope.type}`);

    const running = matches.filter(isToRun);
    const ids = running.map((match) => match.activity_id);
    const ran = onlyMissing ? await ledger.findRan(ids, event_id) : new Map<string, RanBefore>();
    const wanted = running.filter((match) => !ran.has(match.activity_id)).map((match) => toWanted(match, envelope));
    const audit = { actor, subject: `event:${event_id}`, after: { activity_id, only_missing: onlyMissing } };
    const accepted = await ledger.accept(wanted, { onlyMissing, audit });
    await startRuns(accepted.filter(({ waits }) => !waits));
    const byActivity = new Map(accepted.map((run) => [run.activity_id, run]));
    return {
      event_id,
      activities: matches.map((match) => {
        const { activity_id } = match;
        return describe(match, byActivity.get(activity_id), ran.get(activity_id));
      }),
    };
  };
}

function describe(
  { activity_id, activity_name, outcome, reason }: MatchedAgain,
  run: AcceptedReplay | undefined,
  before: RanBefore | undefined,
): ReplayedActivity {
  const reached = { activity_id, activity_name, reason: reason ?? null, workflow_id: null, rerun_of: null };
  if (run !== undefined) {
    const { run_id, workflow_id, rerun_of } = run;
    return { ...reached, outcome, run_id, workflow_id, rerun_of };
  }
  // It ran before, or somebody else replayed it in the same moment.
  if (isToRun({ outcome })) return { ...reached, outcome: "ran_before", run_id: before?.run_id ?? null };
  return { ...reached, outcome, run_id: null };
}
