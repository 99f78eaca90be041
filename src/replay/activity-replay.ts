/**
 * The recorded events of a range that an activity never ran for, and would run for now.
 *
 *   types of its trigger → events of the range, oldest first → without those that it ran for → matched by the definition as it is now
 *   → one transaction: an occurrence and a run for each → start
 *
 * The occurrence is named by the event, so that the same call again, also in the same moment, makes no second run (I1).
 */
import type { Definition, EventTrigger } from "../definition/schema.ts";
import { indexSubscriptions } from "../event/match.ts";
import { TerminalError } from "../kernel/errors.ts";
import { createPause } from "../kernel/wait.ts";
import { compileTypePattern, matchesType } from "../match/type-pattern.ts";
import type { StartRuns } from "../occurrence/start-runs.ts";
import type { HistoryReader, RecordedEvent } from "../rehearsal/history.ts";
import { isToRun, matchAgain, toWanted } from "./match-again.ts";
import type { AcceptedReplay, ReplayLedger, WantedReplay } from "./replay-ledger.ts";

export interface ActivityReplayRequest {
  activity_id: string;
  /** The range of the times at which events were recorded, both ends included. */
  from: Date;
  to: Date;
  dryRun: boolean;
  /** How many runs are made at most. */
  limit: number;
  /** The place that the call before answered as `next`. */
  after?: string | undefined;
  actor: string;
}

export interface ActivityReplay {
  dry_run: boolean;
  /** Events of the types that the activity waits for. */
  looked_at: number;
  ran_before: number;
  not_matched: number;
  /** In the order in which the events were recorded; without ids in a dry run. */
  runs: { event_id: string; received_at: string; run_id: string | null; workflow_id: string | null }[];
  /** Where to go on; null where the whole range was looked at. */
  next: string | null;
}

/** How many runs one call makes at most. */
export const MAX_REPLAY = 1_000;

/** How far one call looks. */
export interface ReplayLimits {
  events: number;
  /** Milliseconds. */
  timeMs: number;
}
const LIMITS: ReplayLimits = { events: 100_000, timeMs: 10_000 };
const PAGE = 2_000;
const TYPES_PAGE = 1_000;

export interface ActivityReplayDeps {
  ledger: ReplayLedger;
  history: Pick<HistoryReader, "listTypes">;
  definitions: { find(id: string): Promise<Definition | undefined> };
  startRuns: StartRuns;
  limits?: Partial<ReplayLimits>;
}

/** @throws TerminalError `definition_not_found`, `no_event_trigger` */
export type ActivityReplays = (request: ActivityReplayRequest) => Promise<ActivityReplay>;

export function createActivityReplays({
  ledger,
  history,
  definitions,
  startRuns,
  limits: given,
}: ActivityReplayDeps): ActivityReplays {
  const limits = { ...LIMITS, ...given };

  async function findTypes(eventType: string): Promise<string[]> {
    const pattern = compileTypePattern(eventType);
    if (pattern.segments === undefined) return [eventType];
    const types: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await history.listTypes({ limit: TYPES_PAGE, ...(after !== undefined && { after }) });
      types.push(...page.filter((type) => matchesType(pattern, type)));
      if (page.length < TYPES_PAGE) return types;
      after = page.at(-1);
    }
  }

  /** The events of the range one by one. Those that the activity ran for are not read. */
  async function* listPast(
    activityId: string,
    range: Parameters<ReplayLedger["listPast"]>[1],
    place: string | undefined,
  ): AsyncGenerator<{ row_id: string; ran: boolean; event: RecordedEvent | undefined }> {
    for (let after = place; ; ) {
      const page = await ledger.listPast(activityId, range, { limit: PAGE, ...(after !== undefined && { after }) });
      const missing = page.filter(({ ran }) => !ran).map(({ row_id }) => row_id);
      let read = new Map<string, RecordedEvent>();
      for (const { row_id, ran } of page) {
        if (!ran && !read.has(row_id)) {
          const events = await ledger.readEvents(missing.slice(missing.indexOf(row_id)));
          read = new Map(events.map((event) => [event.row_id, event]));
        }
        // Retention may have removed it since.
        yield { row_id, ran, event: read.get(row_id) };
      }
      if (page.length < PAGE) return;
      after = page.at(-1)?.row_id;
    }
  }

  return async ({ activity_id, from, to, dryRun, limit, after, actor }) => {
    const definition = await definitions.find(activity_id);
    if (definition === undefined)
      throw new TerminalError("definition_not_found", `definition ${activity_id} is not there`);
    const trigger_config = eventTriggerOf(definition);
    const index = indexSubscriptions([{ ...definition, trigger_config }]);
    const range = { types: await findTypes(trigger_config.event_type), from, to };
    const pause = createPause();
    const untilMs = performance.now() + limits.timeMs;
    const found: { event: RecordedEvent; wanted: WantedReplay }[] = [];
    const looked = { looked_at: 0, ran_before: 0, not_matched: 0 };
    let place = after;
    let next: string | null = null;
    for await (const { row_id, ran, event } of listPast(activity_id, range, after)) {
      if (found.length >= limit || looked.looked_at >= limits.events || performance.now() > untilMs) {
        next = place ?? null;
        break;
      }
      await pause();
      place = row_id;
      looked.looked_at++;
      if (ran) looked.ran_before++;
      else {
        const match = event && matchAgain(index, event.envelope).next().value;
        if (event && match && isToRun(match)) found.push({ event, wanted: toWanted(match, event.envelope) });
        else looked.not_matched++;
      }
    }
    if (dryRun) return { dry_run: true, ...looked, runs: found.map(({ event }) => describe(event)), next };
    const wanted = found.map((one) => one.wanted);
    const asked = { from: from.toISOString(), to: to.toISOString(), events: wanted.length };
    const audit = { actor, subject: `definition:${activity_id}`, after: asked };
    const accepted = await ledger.accept(wanted, { onlyMissing: true, audit });
    await startRuns(accepted.filter(({ waits }) => !waits));
    const byEvent = new Map(accepted.map((run) => [run.event_id, run]));
    const runs = found.flatMap(({ event }) => {
      const run = byEvent.get(event.envelope.event_id);
      return run === undefined ? [] : [describe(event, run)];
    });
    // Somebody else replayed the rest in the same moment.
    looked.ran_before += found.length - runs.length;
    return { dry_run: false, ...looked, runs, next };
  };
}

function eventTriggerOf({ name, trigger_config }: Definition): EventTrigger {
  if (trigger_config.trigger_type === "event") return trigger_config;
  throw new TerminalError("no_event_trigger", `${name} runs at due times: it waits for no events`, {
    hint: "POST /activity-definitions/{id}/backfill runs due times that did not run",
  });
}

function describe({ envelope, received_at }: RecordedEvent, run?: AcceptedReplay): ActivityReplay["runs"][number] {
  const { event_id } = envelope;
  return {
    event_id,
    received_at: received_at.toISOString(),
    run_id: run?.run_id ?? null,
    workflow_id: run?.workflow_id ?? null,
  };
}
