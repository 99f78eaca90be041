/**
 * Dead letters that somebody sees to: replayed as the event that they should have been, or discarded.
 *
 *   letter → mend (pure) → check and match as the router does → one transaction: settled, and recorded as an event → start
 *
 *   I1  the row of the letter is locked while it is settled, and the event gets the key that guards its id
 *   I2  letter and event change in one transaction; runs that cannot be started then are owed, and the finisher starts them
 */
import { matchInTurns } from "../dispatch/match-event.ts";
import type { DeadLetterReason } from "../event/envelope.ts";
import type { EventLedger, MatchedEvent, RecordedEvent } from "../event/event-ledger.ts";
import { indexSubscriptions } from "../event/match.ts";
import type { ActivityOutcome, EventOutcome } from "../event/outcome.ts";
import { findPayloadFaults, indexEnforcedTypes } from "../event/payload-checks.ts";
import { InvalidInputError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { createPause } from "../kernel/wait.ts";
import type { StartRuns } from "../occurrence/start-runs.ts";
import { type Correction, type MendedLetter, mendLetter, requireUnsettled, type StoredLetter } from "./letter.ts";
import type { LetterReader } from "./letter-reader.ts";

/** What an event did to one activity. */
export interface ReachedActivity {
  activity_id: string;
  activity_name: string;
  outcome: ActivityOutcome;
  reason: string | null;
  run_id: string | null;
}

/** Dead letters that nobody has seen to, which have what is said here. */
export interface LetterFilter {
  reason?: DeadLetterReason;
  type?: string;
  since?: Date;
}

/** postgres/replay/letter-ledger.ts is behind it. */
export interface LetterLedger {
  findLetter(eventId: string): Promise<StoredLetter | undefined>;
  /** Those that nobody has seen to, oldest first. */
  listUnsettled(filter: LetterFilter, limit: number, after?: string): Promise<{ row_id: string; event_id: string }[]>;
  countUnsettled(filter: LetterFilter): Promise<number>;
  /**
   * Settles the letter and records the event, in one transaction, audited. Under the letter's own id it becomes that event.
   * @throws TerminalError `not_found`, `letter_settled`; `event_recorded` and `event_differs` where an event of that id was recorded
   */
  replay(
    letter: StoredLetter,
    event: MatchedEvent,
    request: { corrected: readonly string[]; actor: string },
  ): Promise<{ recorded: RecordedEvent; activities: ReachedActivity[] }>;
  /** Those that nobody has seen to until now; answers how many, audited in the same transaction. */
  discard(rowIds: readonly string[], actor: string): Promise<number>;
}

export interface ReplayedLetter {
  /** Of the event that it became. */
  event_id: string;
  corrected: readonly string[];
  outcome: EventOutcome;
  activities: ReachedActivity[];
}

/** Of letters that a filter chose. */
export interface SettledLetters {
  settled: number;
  /** Those that stay as they are, and why. */
  refused: { event_id: string; code: string; detail: string }[];
  /** How many that the filter chooses nobody has seen to, those that were refused included. */
  left: number;
  /** To go on behind those that this call looked at; null where it looked at all. */
  next: string | null;
}

export interface BulkRequest {
  filter: LetterFilter;
  limit: number;
  after?: string | undefined;
  actor: string;
}

export interface LetterDesk {
  /** @throws what `mendLetter` and `LetterLedger.replay` throw; InvalidInputError `schema_mismatch` */
  replay(request: { event_id: string; correction: Correction; actor: string }): Promise<ReplayedLetter>;
  /** @throws TerminalError `not_found`, `letter_settled` */
  discard(request: { event_id: string; actor: string }): Promise<void>;
  replayAll(request: BulkRequest): Promise<SettledLetters>;
  discardAll(request: BulkRequest): Promise<SettledLetters>;
}

export interface LetterDeskDeps {
  letters: LetterLedger;
  readLetter: LetterReader;
  events: Pick<EventLedger, "listSubscriptions" | "listEnforcedTypes" | "markDispatched">;
  startRuns: StartRuns;
  log: Log;
}

export function createLetterDesk({ letters, readLetter, events, startRuns, log }: LetterDeskDeps): LetterDesk {
  /** Says of events, by the definitions and event types as they are now, what the router would. */
  async function createMatcher(): Promise<(mended: MendedLetter) => Promise<MatchedEvent>> {
    const [subscriptions, types] = await Promise.all([events.listSubscriptions(), events.listEnforcedTypes()]);
    const index = indexSubscriptions(subscriptions);
    const checks = indexEnforcedTypes(types, new Map());
    const pause = createPause();
    return async ({ envelope }) => {
      const faults = findPayloadFaults(checks, envelope);
      if (faults.length > 0) {
        const message = `the payload does not match the event type ${envelope.type}`;
        throw new InvalidInputError(message, faults, "schema_mismatch");
      }
      return matchInTurns(index, envelope, pause);
    };
  }

  async function find(eventId: string): Promise<StoredLetter> {
    const letter = await letters.findLetter(eventId);
    if (letter === undefined)
      throw new TerminalError("not_found", `dead letter ${JSON.stringify(eventId)} is not there`);
    requireUnsettled(letter);
    return letter;
  }

  async function replay(
    eventId: string,
    correction: Correction,
    actor: string,
    match: Awaited<ReturnType<typeof createMatcher>>,
  ): Promise<ReplayedLetter> {
    const letter = await find(eventId);
    const mended = mendLetter(letter, await readLetter(letter), correction);
    const { corrected } = mended;
    const { recorded, activities } = await letters.replay(letter, await match(mended), { corrected, actor });
    const { event_id, outcome } = recorded;
    log.info({ event_id, dead_letter: letter.event_id, runs: recorded.owed.length }, "dead letter replayed");
    const isStarted = outcome === "received" && (await startRuns(recorded.owed));
    if (isStarted) await events.markDispatched([event_id]);
    return { event_id, corrected, outcome: isStarted ? "dispatched" : outcome, activities };
  }

  /** Sees to one page of letters, and says what is left. */
  async function settleAll(
    { filter, limit, after }: BulkRequest,
    settle: (
      page: readonly { row_id: string; event_id: string }[],
    ) => Promise<Pick<SettledLetters, "settled" | "refused">>,
  ): Promise<SettledLetters> {
    const page = await letters.listUnsettled(filter, limit, after);
    const done = await settle(page);
    const left = await letters.countUnsettled(filter);
    return { ...done, left, next: page.length < limit ? null : (page.at(-1)?.row_id ?? null) };
  }

  return {
    async replay({ event_id, correction, actor }) {
      return replay(event_id, correction, actor, await createMatcher());
    },

    async discard({ event_id, actor }) {
      const { row_id } = await find(event_id);
      if ((await letters.discard([row_id], actor)) === 0) await find(event_id);
    },

    replayAll: (request) =>
      settleAll(request, async (page) => {
        const match = await createMatcher();
        const refused: SettledLetters["refused"] = [];
        // In the order in which they came.
        for (const { event_id } of page)
          try {
            await replay(event_id, {}, request.actor, match);
          } catch (error) {
            if (!(error instanceof TerminalError)) throw error;
            refused.push({ event_id, code: error.code, detail: error.message });
          }
        return { settled: page.length - refused.length, refused };
      }),

    discardAll: (request) =>
      settleAll(request, async (page) => {
        const rowIds = page.map(({ row_id }) => row_id);
        return { settled: await letters.discard(rowIds, request.actor), refused: [] };
      }),
  };
}
