/**
 * What-if: on which events and due times of the past days would changed definitions have done something else?
 *
 *   changes of a sync → pairs of activities → events of their types, due times of their calendars → both versions rehearsed
 *
 * Both versions are asked, the one that is stored and the changed one: what happened then was decided by the versions of then.
 * Context is taken from the run that there was. Nothing is fetched, and nothing is stored.
 */
import pLimit from "p-limit";
import { dueTimes } from "../calendar/due-times.ts";
import { createPause } from "../kernel/wait.ts";
import type { RoundOptions } from "../run/decide.ts";
import type { Write } from "../sync/document-row.ts";
import { findAffectedTypes, MAX_TYPES } from "./affected-types.ts";
import {
  type ActivityVersion,
  type ChangedActivity,
  calendarsOf,
  findChangedActivities,
  needsContext,
} from "./changed-activities.ts";
import { type Comparison, compare, type Side } from "./comparison.ts";
import type { HistoryReader, RecordedRun } from "./history.ts";
import { judgeOccasion, type Occasion, type OccasionVerdict, occasionOfDueTime, occasionOfEvent } from "./occasion.ts";
import { type Known, rehearse } from "./rehearse.ts";
import { addComparison, beginDefinition, type ChangedDefinition, type WhatIfReport } from "./what-if-report.ts";

export interface WhatIfDeps {
  history: HistoryReader;
  checkParams: RoundOptions["checkParams"];
  limits?: Partial<WhatIfLimits>;
}

/** How much of the past one question looks at. */
export interface WhatIfLimits {
  events: number;
  dueTimes: number;
  /** Milliseconds. */
  timeMs: number;
}

const LIMITS: WhatIfLimits = { events: 100_000, dueTimes: 100_000, timeMs: 60_000 };
/** Events that are read at once: so many, or fewer large ones, of about so many bytes of JSON. */
const PAGE = 1_000;
const FIRST_PAGE = 50;
const PAGE_BYTES = 8_388_608;
/** The most examples of all activities together. */
const MAX_EXAMPLES = 1_000;
const DAY_MS = 86_400_000;

/** @throws what `history` throws; the reason of `signal` */
export type WhatIf = (
  writes: readonly Write[],
  window: { from: Date; to: Date },
  signal: AbortSignal,
) => Promise<WhatIfReport>;

export function createWhatIf({ history, checkParams, limits: given }: WhatIfDeps): WhatIf {
  const limits = { ...LIMITS, ...given };
  // Each keeps the thread busy, with pauses; a second one waits.
  const oneAtATime = pLimit(1);
  return (...question) => oneAtATime(() => explore(...question));

  async function explore(
    writes: Parameters<WhatIf>[0],
    { from, to }: Parameters<WhatIf>[1],
    signal: AbortSignal,
  ): Promise<WhatIfReport> {
    const startedMs = performance.now();
    const options: RoundOptions = { checkParams, breathe: createPause() };
    const changed = findChangedActivities(writes, await history.listEnabled(writes.map(({ id }) => id)));
    const definitions = new Map(changed.map((one) => [one.id, beginDefinition(one)]));
    const looked = { events: 0, dueTimes: 0 };
    let examplesLeft = MAX_EXAMPLES;
    let cut: string | null = null;

    /** Why no more is looked at, where `left` more may be. */
    function findEnd(left: number, what: string): string | undefined {
      signal.throwIfAborted();
      if (left <= 0) return `only the newest ${what} of the window were looked at`;
      const isLate = performance.now() - startedMs > limits.timeMs;
      return isLate ? `only what can be looked at within ${limits.timeMs / 1000} s was` : undefined;
    }

    function endEarly(those: readonly ChangedActivity[], why: string): void {
      cut ??= why;
      for (const { id } of those) (definitions.get(id) as ChangedDefinition).cut = true;
    }

    async function lookAt(one: ChangedActivity, occasion: Occasion): Promise<void> {
      await options.breathe();
      const definition = definitions.get(one.id) as ChangedDefinition;
      examplesLeft -= addComparison(definition, occasion, await compareOn(one, occasion, options), examplesLeft);
    }

    /** Newest first, `room` of them at most. */
    async function lookAtEvents(type: string, those: readonly ChangedActivity[], room: number): Promise<void> {
      const needing = those.filter(needsContext).map(({ id }) => id);
      const what = `${room} events of the type ${type}`;
      let after: string | undefined;
      let limit = FIRST_PAGE;
      for (let left = room; ; ) {
        const late = findEnd(1, what);
        if (late !== undefined) return endEarly(those, late);
        const page = await history.listEvents(type, { since: from, limit, ...(after !== undefined && { after }) });
        if (page.length === 0) return;
        const bytes = page.reduce((sum, event) => sum + event.bytes, 0);
        limit = Math.min(PAGE, Math.max(1, Math.floor((PAGE_BYTES * page.length) / Math.max(1, bytes))));
        const ids = page.map(({ envelope }) => envelope.event_id);
        const runs = needing.length === 0 ? [] : await history.listRunsOfEvents(needing, ids);
        const byOccurrence = new Map(runs.map((run) => [`${run.activity_id} ${run.event_id}`, run]));
        for (const { envelope, received_at } of page) {
          const occasion = occasionOfEvent(envelope, received_at);
          for (const one of those) {
            const end = findEnd(left, what);
            if (end !== undefined) return endEarly(those, end);
            await lookAt(one, ofRun(occasion, byOccurrence.get(`${one.id} ${envelope.event_id}`)));
          }
          looked.events++;
          left--;
        }
        after = page.at(-1)?.row_id;
      }
    }

    /** Day by day, newest first, `room` of them at most. */
    async function lookAtDueTimes(one: ChangedActivity, room: number): Promise<void> {
      const calendars = calendarsOf(one);
      let left = room;
      for (let end = to; end > from; ) {
        const start = new Date(Math.max(from.getTime(), end.getTime() - DAY_MS));
        const due = new Set(
          calendars.flatMap((calendar) => [...dueTimes(calendar, start, end)].map(({ at }) => at.getTime())),
        );
        const runs = due.size > 0 && needsContext(one) ? await history.listRunsOfDueTimes(one.id, start, end) : [];
        const byDue = new Map(runs.map((run) => [run.scheduled_for?.getTime(), run]));
        for (const at of [...due].sort((a, b) => b - a)) {
          const why = findEnd(left, `${room} due times of ${one.name}`);
          if (why !== undefined) return endEarly([one], why);
          await lookAt(one, occasionOfDueTime(new Date(at), byDue.get(at)));
          looked.dueTimes++;
          left--;
        }
        end = start;
      }
    }

    const { byType, missed } = await findAffectedTypes(history, changed);
    if (missed.length > 0) endEarly(missed, `only the first ${MAX_TYPES} types of events were looked at`);
    let typesLeft = byType.size;
    for (const [type, those] of byType)
      await lookAtEvents(type, those, Math.ceil((limits.events - looked.events) / typesLeft--));
    const scheduled = changed.filter((one) => calendarsOf(one).length > 0);
    for (const [index, one] of scheduled.entries())
      await lookAtDueTimes(one, Math.ceil((limits.dueTimes - looked.dueTimes) / (scheduled.length - index)));
    for (const definition of definitions.values()) await addRuns(history, definition);
    return {
      from: from.toISOString(),
      to: to.toISOString(),
      events_looked_at: looked.events,
      due_times_looked_at: looked.dueTimes,
      duration_ms: Math.round(performance.now() - startedMs),
      cut,
      definitions: [...definitions.values()],
    };
  }
}

function ofRun(occasion: Occasion, run: RecordedRun | undefined): Occasion {
  return run === undefined ? occasion : { ...occasion, firedAt: run.fired_at, run };
}

async function compareOn(one: ChangedActivity, occasion: Occasion, options: RoundOptions): Promise<Comparison> {
  const { before, after, decideAlike } = one;
  if (before !== undefined && after !== undefined && decideAlike) {
    const [was, is] = [before, after].map(({ activity }) => judgeOccasion(occasion, activity));
    if (was?.do === is?.do && placeOf(was) === placeOf(is))
      return { outcome: "same", before: null, after: null, difference: null };
  }
  const sideOf = async (version: ActivityVersion | undefined, context: Known["context"]): Promise<Side | undefined> =>
    version && {
      rehearsed: await rehearse(version.activity, occasion, { context }, options),
      templates: version.body.task_templates,
    };
  const recorded = occasion.run?.context?.values ?? {};
  return compare(await sideOf(before, recorded), await sideOf(after, withoutChanged(recorded, one)));
}

function placeOf(verdict: OccasionVerdict | undefined): string | undefined {
  return verdict?.do === "run" ? verdict.placed?.detail : undefined;
}

/** Without the values of sources that the changed definition asks otherwise. */
function withoutChanged(recorded: Known["context"], { before, after }: ChangedActivity): Known["context"] {
  const [old, now] = [before, after].map((version) => Map.groupBy(version?.body.context_sources ?? [], nameOf));
  return Object.fromEntries(
    Object.entries(recorded).filter(([name]) => Bun.deepEquals(old?.get(name), now?.get(name), true)),
  );
}

function nameOf(source: unknown): unknown {
  return (source as { name?: unknown }).name;
}

/** Names the runs that there were for the examples. */
async function addRuns(history: HistoryReader, { id, examples }: ChangedDefinition): Promise<void> {
  const unnamed = examples.filter(({ run_id, outcome }) => run_id === null && outcome !== "now_runs");
  const eventIds = unnamed.flatMap(({ event_id }) => event_id ?? []);
  const times = unnamed.flatMap(({ scheduled_for }) => (scheduled_for === null ? [] : Date.parse(scheduled_for)));
  const runs = [
    ...(eventIds.length === 0 ? [] : await history.listRunsOfEvents([id], eventIds)),
    ...(times.length === 0
      ? []
      : await history.listRunsOfDueTimes(id, new Date(Math.min(...times)), new Date(Math.max(...times)))),
  ];
  const byOccurrence = new Map(
    runs.map(({ event_id, scheduled_for, run_id }) => [event_id ?? scheduled_for?.toISOString(), run_id]),
  );
  for (const example of unnamed)
    example.run_id = byOccurrence.get(example.event_id ?? example.scheduled_for ?? "") ?? null;
}
