/** What came of an event, for one activity or for all that it reached, as one sentence with its facts. Pure. */
import { formatDuration } from "../calendar/duration.ts";
import { CHAIN_TOO_LONG, MAX_OWN_EVENT_DEPTH } from "../event/own-event.ts";
import type { Retention } from "../kernel/config.ts";
import { findNearest } from "../kernel/nearest-name.ts";
import { tellDeadLetter } from "./dead-letter-words.ts";
import { type EventExplanation, type EventFacts, type EventRow, MAX_REACHED_SHOWN } from "./event-explanation.ts";
import { viewActivity } from "./explained-activity.ts";
import { shorten, type Told, tellRun, toSentence, withRepeat } from "./explained-run.ts";
import { findListening, findNearestType } from "./nearest-type.ts";
import { tellNotReached } from "./not-reached.ts";
import { tellReached } from "./reached-activity.ts";
import { findTrigger } from "./trigger-findings.ts";

type Outcome = EventExplanation["outcome"];
type Answer = Told & { outcome: Outcome };

/** So many activities are named in a sentence; of more it has numbers. */
const MAX_NAMED = 5;
/** So many ids that look like an unknown one are named. */
const MAX_NEAR_IDS = 3;

/** @param retention how long events, runs and ids are kept */
export function explainEvent(facts: EventFacts, now: Date, retention: Retention): EventExplanation {
  const { event, history, reached, counts } = facts;
  const [only] = reached;
  const { outcome, ...told } = tell(facts, retention);
  const matchedAt = event?.matchedAt ?? facts.recordedAt ?? now;
  const trigger = history && only && event?.envelope && findTrigger(history, matchedAt, only, event.envelope);
  const isUnmatched = event?.outcome === "unmatched" && event.type !== null;
  return {
    about: "event",
    summary: toSentence(told),
    outcome,
    event: event === undefined ? null : viewEvent(event),
    activity: history === undefined ? null : viewActivity(history, matchedAt),
    trigger: trigger ?? null,
    run: (history && only?.run) ?? facts.run ?? null,
    repeated_by: [...facts.repeats],
    ...{ duplicate_of: facts.duplicateOf ?? null, window: facts.window ?? null },
    waits_for: facts.waitsFor ?? null,
    nearest: (isUnmatched && findNearestType(event.type as string, facts.listened)) || null,
    near_ids: findNearIds(facts),
    activities: history
      ? []
      : reached.slice(0, MAX_REACHED_SHOWN).map((one) => ({
          activity_id: one.activity_id,
          activity_name: one.activity_name,
          outcome: one.outcome,
          summary: toSentence(tellReached(one, facts, retention)),
        })),
    reached: { ...counts },
  };
}

function viewEvent({ envelope: _, provisional: __, matchedAt: ___, ...event }: EventRow): EventExplanation["event"] {
  return event;
}

function tell(facts: EventFacts, retention: Retention): Answer {
  const { event, history, reached } = facts;
  if (event === undefined) return tellUnrecorded(facts, retention);
  const [only] = reached;
  if (history !== undefined && only !== undefined)
    return { outcome: only.outcome, ...withRepeat(tellReached(only, facts, retention), facts.repeats) };
  if (event.outcome === "dead_lettered") return { outcome: "dead_lettered", ...tellDeadLetter(event) };
  if (history !== undefined) return withRepeat(tellNotReached(event, history), facts.repeats);
  return { outcome: event.outcome, ...tellEvent(event, facts, retention) };
}

/** Nothing is recorded under the id, or only the id is kept. */
function tellUnrecorded(facts: EventFacts, retention: Retention): Answer {
  const { event_id, recordedAt, unpublished, history, run } = facts;
  const nearIds = findNearIds(facts);
  const id = shorten(event_id);
  if (unpublished !== undefined) {
    const { created_at, cut_reason } = unpublished;
    const made = `actcore made the event ${id} at ${created_at.toISOString()}`;
    if (cut_reason !== null)
      return { outcome: "not_published", said: `${made}, and does not publish it: ${describeCut(cut_reason)}` };
    return {
      outcome: "not_published",
      said: `${made}, and has not published it yet`,
      todo: "/readyz says whether NATS is away",
    };
  }
  if (recordedAt !== undefined) {
    const kept = `events are kept for ${formatDuration(retention.eventRetentionMs)}`;
    const head = `The event ${id} was recorded at ${recordedAt.toISOString()}, and is not kept any more: ${kept}`;
    if (history === undefined) return { outcome: "not_kept", said: head };
    if (run === undefined)
      return { outcome: "not_kept", said: `${head}, and no run that ${history.activity_name} made of it is known` };
    const ended = tellRun(run);
    return {
      ...ended,
      outcome: "not_kept",
      said: `${head}; its run ${run.run_id} of ${history.activity_name} ${ended.said}`,
    };
  }
  const near = nearIds.length === 0 ? "" : `; similar ids are recorded: ${nearIds.map(shorten).join(", ")}`;
  return {
    outcome: "unknown",
    said: `No event with the id ${id} is recorded: it never arrived, was refused where it was sent, waits in the stream for a router, or came more than ${formatDuration(retention.keyRetentionMs)} ago${near}`,
    todo: "/readyz says whether a router is at work, and GET /events?outcome=dead_lettered lists what came without an id that can be used",
  };
}

function describeCut(reason: string): string {
  if (reason !== CHAIN_TOO_LONG) return shorten(reason);
  return `events of its own led to it ${MAX_OWN_EVENT_DEPTH - 1} times in a row`;
}

/** Those of the ids beside it in the index that look like it. */
function findNearIds({ event_id, idsBeside }: EventFacts): string[] {
  const left = [...idsBeside];
  const near: string[] = [];
  for (
    let id = findNearest(event_id, left);
    id !== undefined && near.length < MAX_NEAR_IDS;
    id = findNearest(event_id, left)
  ) {
    near.push(id);
    left.splice(left.indexOf(id), 1);
  }
  return near;
}

function tellEvent(event: EventRow, facts: EventFacts, retention: Retention): Told {
  const { counts, reached } = facts;
  const head = `The event ${shorten(event.event_id)} of the type ${shorten(event.type ?? "")}`;
  if (event.outcome === "unmatched") return tellUnmatched(event, head, facts);
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const [only] = reached;
  if (total === 0 || only === undefined)
    return { said: `${head} was recorded at ${event.received_at}, and what it reached is not kept any more` };
  if (total === 1) return tellReached(only, facts, retention);
  const said = `${head} reached ${total} activities: ${tellCounts(facts)}`;
  if (event.outcome === "received")
    return {
      said: `${said}; not all runs that it owes are started yet`,
      todo: "they are started as soon as Temporal and a router or worker are there: /readyz says what is away",
    };
  return { said };
}

/** By what came of it; the activities by their names, where they are few. */
function tellCounts({ counts, reached }: EventFacts): string {
  const byOutcome = Map.groupBy(reached, ({ outcome }) => outcome);
  const isNamed = reached.length <= MAX_NAMED;
  return Object.entries(counts)
    .map(([outcome, count]) => {
      const names = byOutcome.get(outcome as keyof typeof WORDS)?.map(({ activity_name }) => activity_name) ?? [];
      return `${isNamed ? names.join(" and ") : count} ${WORDS[outcome as keyof typeof WORDS]}`;
    })
    .join(", ");
}

function tellUnmatched({ event_id, type, matchedAt }: EventRow, head: string, { listened }: EventFacts): Told {
  const said = `${head} reached nothing, because no activity waited for that type at ${matchedAt.toISOString()}`;
  const [since] = findListening(type ?? "", listened);
  if (since !== undefined)
    return {
      said: `${said}; ${since.activity_name} waits for it now (${since.event_type})`,
      todo: `POST /events/${encodeURIComponent(event_id)}/replay runs what would match now`,
    };
  const nearest = findNearestType(type ?? "", listened);
  if (nearest === undefined)
    return { said, todo: "give an activity that event_type, or mend the type that the sender writes" };
  return {
    said: `${said}; the nearest one is ${nearest.event_type}, of ${nearest.activity_name}`,
    todo: "mend the type that the sender writes, or that event_type, and replay the event",
  };
}

const WORDS = {
  run: "made a run",
  queued: "made a run that waits",
  collected: "gathered it with others",
  duplicate: "took it for a duplicate",
  filtered: "filtered it",
  failed_expression: "failed in an expression",
  skipped: "skipped it",
} as const;
