/** `actcore status`: what runs where, which activities are overdue, what waits, and which events nothing waits for. */

import { type EngineReport, type Report, reportEngines } from "../engines/report.ts";
import { isOwnType, MAX_OWN_TYPES } from "../event/own-event.ts";
import type { Backlog } from "../explain/backlog.ts";
import { describeUnmatched, type UnmatchedTypes } from "../explain/unmatched-types.ts";
import type { Config } from "../kernel/config.ts";
import { inOneLine } from "../kernel/printable.ts";
import { inTime } from "../kernel/wait.ts";
import { createExpectationReader } from "../postgres/expectation/expectation-reader.ts";
import { createBacklogReader } from "../postgres/explain/backlog-reader.ts";
import { createUnmatchedReader } from "../postgres/explain/unmatched-reader.ts";
import { withDatabase } from "./database.ts";
import { formatTable } from "./table.ts";

/** Exit code when something that should run does not. */
const NOT_RUNNING = 3;
const OVERDUE_SHOWN = 20;
const ASKED_WITHIN_MS = 3_000;
const UNKNOWN = { overdue: null, queued_runs: null, open_windows: null, dead_letters: null, unmatched: null };
/** How far back unmatched events are counted, and of how many types. */
const UNMATCHED_MS = 86_400_000;
const UNMATCHED_SHOWN = 3;

interface Overdue {
  activity_name: string;
  overdue_since: string;
}

/** What the ledger says. */
interface Told extends Backlog {
  overdue: Overdue[];
  /** Of the last day, the types that came last, without those of own events. */
  unmatched: UnmatchedTypes["types"];
}

/**
 * Prints each engine that this configuration uses, who holds the data directory, the activities that are overdue, and what waits.
 * @returns 0 when all of them run and answer, else 3
 */
export async function runStatus(
  config: Config,
  { print, json }: { print(line: string): void; json: boolean },
): Promise<number> {
  const report = await reportEngines(config);
  const told = await readLedger(config, report);
  if (json) print(JSON.stringify({ ...toJson(report), ...(told ?? UNKNOWN) }));
  else for (const line of [...toLines(report), ...(told === undefined ? [] : ledgerLines(told))]) print(line);
  return report.engines.every(isFine) ? 0 : NOT_RUNNING;
}

/** Undefined where Postgres does not say; its own row tells why, or the schema is that of an earlier release. */
async function readLedger(config: Config, { engines }: Report): Promise<Told | undefined> {
  const postgres = engines.find(({ name }) => name === "postgres");
  if (postgres === undefined || !isFine(postgres)) return undefined;
  const asked = withDatabase(config, "status", async ({ db }) => {
    const overdue = await createExpectationReader(db).listOverdue(OVERDUE_SHOWN + 1);
    const since = new Date(Date.now() - UNMATCHED_MS);
    const { types } = await describeUnmatched(createUnmatchedReader(db), since, UNMATCHED_SHOWN + MAX_OWN_TYPES);
    // That nobody waits for an event of actcore's own is as it should be.
    const unmatched = types.filter(({ type }) => !isOwnType(type)).slice(0, UNMATCHED_SHOWN);
    return { overdue, ...(await createBacklogReader(db).read()), unmatched };
  });
  return inTime(asked, ASKED_WITHIN_MS, () => new Error("late")).catch(() => undefined);
}

function ledgerLines({ overdue, queued_runs, open_windows, dead_letters, unmatched }: Told): string[] {
  const waiting = [
    ["runs queued", queued_runs.count, `the oldest since ${queued_runs.since}: GET /waiting`],
    ["windows open", open_windows.count, `the next closes at ${open_windows.next_closes_at}: GET /waiting`],
    ["dead letters to look at", dead_letters.count, `the newest of ${dead_letters.last_at}: GET /dead-letters`],
  ] as const;
  return [
    ...overdueLines(overdue),
    ...waiting.flatMap(([what, count, rest]) => (count === 0 ? [] : [`${what}: ${count}, ${rest}`])),
    ...unmatched.map(unmatchedLine),
  ];
}

function unmatchedLine({ type, count, count_is_exact, nearest }: Told["unmatched"][number]): string {
  const near = nearest === null ? "" : `, the nearest one is ${nearest.event_type}`;
  const events = `${count_is_exact ? "" : "over "}${count}`;
  return `unmatched events in the last day: ${events} of ${inOneLine(type)}${near}: GET /unmatched-event-types`;
}

function overdueLines(overdue: readonly Overdue[]): string[] {
  const shown = overdue.slice(0, OVERDUE_SHOWN);
  const lines = shown.map(({ activity_name, overdue_since }) => `overdue since ${overdue_since}: ${activity_name}`);
  return overdue.length > OVERDUE_SHOWN ? [...lines, "and others are overdue"] : lines;
}

function isFine({ state, error }: EngineReport): boolean {
  return state === "running" && error === undefined;
}

function toJson({ dataDir, holder, engines }: Report): object {
  return {
    data_dir: dataDir,
    holder: holder ? { pid: holder.pid ?? null, started_at: holder.startedAt ?? null } : null,
    engines: engines.map(({ memoryBytes, dataBytes, ...rest }) => ({
      ...rest,
      memory_bytes: memoryBytes,
      data_bytes: dataBytes,
    })),
  };
}

function toLines({ dataDir, holder, engines }: Report): string[] {
  const rows = engines.map((engine) => [
    engine.name,
    engine.kind === "external" ? `${engine.state} (external)` : engine.state,
    engine.address,
    engine.pid === undefined ? "-" : String(engine.pid),
    engine.version ?? "-",
    engine.restarts === undefined ? "-" : String(engine.restarts),
    formatBytes(engine.memoryBytes),
    formatBytes(engine.dataBytes),
  ]);
  const table = [["ENGINE", "STATE", "ADDRESS", "PID", "VERSION", "RESTARTS", "MEMORY", "DATA"], ...rows];
  const embedded = engines.some(({ kind }) => kind === "embedded");
  return [
    ...(embedded ? [`data directory ${dataDir}: ${describeHolder(holder)}`] : []),
    ...formatTable(table),
    ...engines.flatMap(({ name, error }) => (error === undefined ? [] : [`${name}: ${error}`])),
  ];
}

function describeHolder(holder: Report["holder"]): string {
  if (holder === undefined) return "no server runs its engines here";
  if (holder.pid === undefined) return "held by a server that is just starting";
  return `held by pid ${holder.pid} since ${holder.startedAt}`;
}

function formatBytes(bytes: number | undefined): string {
  return bytes === undefined ? "-" : `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}
