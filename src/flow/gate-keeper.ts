/**
 * Lets runs begin that wait for the gates of their activity. It is told of each line in which something changed: a run has come to
 * wait, or one that was counted is over. For rate limits it keeps the time; and it looks at all lines again and again, in case it was
 * not told.
 *
 * Any number of processes do it. Who looks at a line holds the lock of its activity meanwhile, so that no two of them count at once.
 * A run is let in in the ledger first, and started then (I8): a start that cannot be made now is made by the finisher.
 */
import pLimit from "p-limit";
import type { Chore } from "../kernel/chore.ts";
import { describeError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { OwedRun, RunStarter } from "../run/engine.ts";
import type { WaitsFor } from "./gate.ts";

/** The runs of one activity and key that wait for the same. */
export interface Line {
  activity_id: string;
  /** Empty where the gates have no key. */
  flow_key: string;
}

/** What a look at a line came to. */
export interface Admission {
  /** Let in by this look: to be started. */
  begun: OwedRun[];
  /** Closed by this look, since its gates let no run wait. */
  skipped: { run_id: string; activity_name: string; reason: string; detail: string }[];
  /** Undefined where nothing waits, or where the look did not come to the line's end. */
  waitsFor?: WaitsFor;
  /** Whether a further look finds more to do. */
  again: boolean;
}

/** postgres/flow/admission-ledger.ts is behind it. */
export interface AdmissionLedger {
  /** Lines in which runs wait, by activity and key, after `after`. */
  listLines(limit: number, after?: Line): Promise<Line[]>;
  /** Looks at a line: some of its runs are let in, or skipped, in one transaction. */
  admit(line: Line): Promise<Admission>;
  /** Calls back soon after something changed in a line; answers how to stop that. */
  onChange(listener: (line: Line) => void): Promise<() => Promise<void>>;
}

export interface GateKeeperDeps {
  ledger: AdmissionLedger;
  starter: RunStarter;
  metrics: Metrics;
  log: Log;
}

const POLL_MS = 5_000;
/** The pause before the next page of lines, while there are more. */
const NEXT_PAGE_MS = 100;
const LINES_AT_ONCE = 200;
const CONCURRENT_STARTS = 16;

const idOf = ({ activity_id, flow_key }: Line) => `${activity_id} ${flow_key}`;

export function createGateKeeperChore({ ledger, starter, metrics, log }: GateKeeperDeps): Chore {
  const changed = new Map<string, Line>();
  const timers = new Map<string, { line: Line; at: number }>();
  let polledUntil: Line | undefined;
  let pollAt = 0;

  /** The lines that are to be looked at now: those that it was told of, those whose time has come, and the next page of all of them. */
  async function takeLines(): Promise<Iterable<Line>> {
    const now = Date.now();
    const due = [...timers].filter(([, { at }]) => at <= now);
    for (const [id, { line }] of due) changed.set(id, line);
    const taken = new Map(changed);
    changed.clear();
    if (now >= pollAt) {
      const page = await ledger.listLines(LINES_AT_ONCE, polledUntil);
      polledUntil = page.length < LINES_AT_ONCE ? undefined : page.at(-1);
      pollAt = Date.now() + (polledUntil === undefined ? POLL_MS : NEXT_PAGE_MS);
      for (const line of page) taken.set(idOf(line), line);
    }
    return taken.values();
  }

  async function look(line: Line): Promise<OwedRun[]> {
    const { begun, skipped, waitsFor, again } = await ledger.admit(line);
    const id = idOf(line);
    timers.delete(id);
    if (waitsFor?.kind === "rate_limit") timers.set(id, { line, at: waitsFor.until.getTime() });
    if (again) changed.set(id, line);
    for (const run of skipped) {
      metrics.runs.inc({ status: "skipped" });
      log.info({ activity_id: line.activity_id, ...run }, "run skipped");
    }
    return begun;
  }

  /** Never rejects: one that cannot be started holds up no other. */
  async function start(run: OwedRun): Promise<void> {
    const { activity_id, workflow_id } = run;
    try {
      await starter.start(run);
    } catch (error) {
      const reason = describeError(error);
      log.warn({ activity_id, workflow_id, reason }, "run not started yet; the finisher will");
    }
  }

  return {
    name: "gates",
    everyMs: POLL_MS,
    failed: "runs that wait not looked at",
    async listen(wake) {
      return ledger.onChange((line) => {
        changed.set(idOf(line), line);
        wake();
      });
    },
    async round(signal) {
      const limit = pLimit(CONCURRENT_STARTS);
      const starts: Promise<void>[] = [];
      try {
        for (const line of await takeLines()) {
          if (signal.aborted) break;
          for (const run of await look(line)) starts.push(limit(start, run));
        }
      } finally {
        await Promise.all(starts);
      }
      const next = Math.min(pollAt, ...[...timers.values()].map(({ at }) => at));
      return changed.size > 0 ? 0 : Math.max(0, next - Date.now());
    },
  };
}
