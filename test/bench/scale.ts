/**
 * `bun test/bench/scale.ts [--short]`: the ledger with 2,000,000 rows in each table (100,000 when short). Every list and
 * lookup is timed, with rare and with common values, on the first page and on a deep one; then 500,000 rows are swept
 * while events are ingested. Fails when an answer takes more than 50 ms, or ingest slows by more than 20 %.
 */

import { firstUuidAt } from "../../src/kernel/stable-id.ts";
import { sweep } from "../../src/maintenance/retention.ts";
import { createAuditReader } from "../../src/postgres/access/audit.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createSweeper } from "../../src/postgres/maintenance/sweeper.ts";
import { createUnfinishedLedger } from "../../src/postgres/occurrence/unfinished-ledger.ts";
import { createTestDatabase } from "../support/database.ts";
import { envelopeOf, matchedEvent } from "../support/ledger.ts";
import { ACTIVITY, DAYS, fillTables } from "./scale-rows.ts";

const short = process.argv.includes("--short");
const ROWS = short ? 100_000 : 2_000_000;
const SWEPT_ROWS = short ? 50_000 : 500_000;
const REPEATS = 20;
const MAX_MS = 50;
const MIN_RATIO = 0.8;
const GROUP = 50;
const TURN_MS = 4000;
const DAY_MS = 86_400_000;

const database = await createTestDatabase();
let failures = 0;
try {
  const { db } = database;
  const filledMs = performance.now();
  await fillTables(db, ROWS, (table) => print(table, `${ROWS} rows, ${seconds(filledMs)} s so far`));
  print("analyzed", `${seconds(filledMs)} s`);
  for (const [name, query] of await queries()) await time(name, query);
  await measureIngest();
} finally {
  await database.close();
}
console.log(failures === 0 ? "all within their bounds" : `${failures} out of bounds`);
process.exit(failures === 0 ? 0 : 1);

async function queries(): Promise<[name: string, query: () => Promise<unknown>][]> {
  const { db } = database;
  const reader = createLedgerReader(db);
  const store = createDefinitionStore(db);
  const audit = createAuditReader(db);
  const unfinished = createUnfinishedLedger(database);
  const deepId = firstUuidAt(new Date(Date.now() - (DAYS / 2) * DAY_MS));
  const pages = { first: { limit: 100 }, deep: { limit: 100, after: deepId } };
  const lately = new Date(Date.now() - DAY_MS);
  const [run] = await reader.listRuns({}, pages.deep);
  const [task] = await reader.listTasks({}, pages.deep);
  const [definition] = await store.list({}, { limit: 1, after: "d5" });
  const [entry] = await audit.list({}, pages.deep);
  const { run_id = "", event_id = "" } = run ?? {};

  const lists: [name: string, list: (page: { limit: number; after?: string }) => Promise<unknown>][] = [];
  const each = <F extends object>(
    name: string,
    list: (filter: F, page: { limit: number; after?: string }) => Promise<unknown>,
    filters: F[],
  ) => {
    for (const filter of filters) lists.push([`${name} ${describe(filter)}`, (page) => list(filter, page)]);
  };
  const { common, unfailing, rare } = ACTIVITY;
  each("runs", reader.listRuns, [
    {},
    { since: lately },
    ...[common, unfailing, rare, crypto.randomUUID()].map((activity_id) => ({ activity_id })),
    ...(["succeeded", "failed", "cancelled", "skipped"] as const).map((status) => ({ status })),
    ...(["event", "cron", "manual", "rerun", "replay"] as const).map((trigger) => ({ trigger })),
    { activity_id: common, status: "failed" },
    { activity_id: unfailing, status: "failed" },
    { activity_id: rare, status: "cancelled" },
    { activity_id: rare, status: "succeeded" },
    { activity_id: common, trigger: "rerun" },
    { activity_id: rare, trigger: "event" },
    { status: "failed", trigger: "rerun" },
    { status: "failed", trigger: "manual" },
    { status: "cancelled", trigger: "event" },
    { status: "succeeded", trigger: "rerun" },
    { activity_id: common, status: "failed", since: lately },
  ]);
  each("tasks", reader.listTasks, [
    {},
    { since: lately },
    { run_id },
    ...[common, unfailing, rare, crypto.randomUUID()].map((activity_id) => ({ activity_id })),
    ...(["succeeded", "failed", "cancelled", "pending"] as const).map((status) => ({ status })),
    { activity_id: common, status: "failed" },
    { activity_id: unfailing, status: "failed" },
    { activity_id: rare, status: "cancelled" },
    { run_id, status: "failed" },
  ]);
  each("events", reader.listEvents, [
    {},
    { since: lately },
    ...["common.type", "rare.type", "no.type"].map((type) => ({ type })),
    ...(["dispatched", "unmatched", "dead_lettered", "received"] as const).map((outcome) => ({ outcome })),
    { type: "common.type", outcome: "unmatched" },
    { type: "common.type", outcome: "dead_lettered" },
    { type: "rare.type", outcome: "dead_lettered" },
    { type: "rare.type", outcome: "dispatched" },
  ]);
  each("audit", audit.list, [
    {},
    { subject: entry?.subject ?? "" },
    { actor: "key:common" },
    { actor: "key:rare" },
    { actor: "key:nobody" },
    { subject: entry?.subject ?? "", actor: "key:rare" },
  ]);
  const byName: typeof lists = [];
  for (const filter of [
    {},
    ...[true, false].map((enabled) => ({ enabled })),
    ...(["event", "cron"] as const).map((trigger_type) => ({ trigger_type })),
    ...["rest", "file:common.yaml", "file:rare.yaml", "file:no.yaml"].map((source) => ({ source })),
    { enabled: false, source: "file:rare.yaml" },
    { enabled: false, trigger_type: "cron" as const },
    { trigger_type: "cron" as const, source: "rest" },
  ])
    byName.push([`definitions ${describe(filter)}`, (page) => store.list(filter, page)]);

  const before = new Date();
  return [
    ...lists.flatMap(([name, list]) =>
      Object.entries(pages).map(([page, value]) => [`${name} ${page}`, () => list(value)] as const),
    ),
    ...byName.flatMap(([name, list]) => [
      [`${name} first`, () => list({ limit: 100 })] as const,
      [`${name} deep`, () => list({ limit: 100, after: "d5" })] as const,
    ]),
    ["run by id", () => reader.findRun(run_id)],
    ["task by id", () => reader.findTask(task?.task_id ?? "")],
    ["event by id", () => reader.findEvent(event_id ?? "")],
    ["open runs", () => reader.countOpenRuns()],
    ["definition by id", () => store.find(definition?.id ?? "")],
    ["definition by name", () => store.findByName(definition?.name ?? "")],
    ["versions", () => store.listVersions(definition?.id ?? "", { limit: 100 })],
    ["a version", () => store.findVersion(definition?.id ?? "", 1)],
    ["finisher: owed", () => unfinished.listOwedEvents(before, 200)],
    ["finisher: unclaimed", () => unfinished.listUnclaimed(before, 200)],
    ["finisher: open", () => unfinished.listOpenRuns(before, 200)],
  ].map(([name, query]) => [name as string, query as () => Promise<unknown>]);
}

function describe(filter: object): string {
  const { common, unfailing, rare } = ACTIVITY;
  const names: Record<string, string> = { [common]: "common", [unfailing]: "unfailing", [rare]: "rare" };
  return Object.entries(filter)
    .map(([key, value]) => `${key}=${value instanceof Date ? "lately" : (names[value] ?? String(value).slice(0, 16))}`)
    .join(" ");
}

async function time(name: string, query: () => Promise<unknown>): Promise<void> {
  await query(); // from disk, the first time
  let { p50, max } = await measure(query);
  // A slow moment of the machine is not the query's.
  if (max > MAX_MS) ({ p50, max } = await measure(query));
  const isSlow = max > MAX_MS;
  if (isSlow) failures++;
  print(name, `p50 ${p50.toFixed(1)} ms, max ${max.toFixed(1)} ms${isSlow ? "  TOO SLOW" : ""}`);
}

async function measure(query: () => Promise<unknown>): Promise<{ p50: number; max: number }> {
  const timesMs: number[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const startedMs = performance.now();
    await query();
    timesMs.push(performance.now() - startedMs);
  }
  timesMs.sort((a, b) => a - b);
  return { p50: timesMs[REPEATS / 2] ?? 0, max: timesMs.at(-1) ?? 0 };
}

/** Events a second, with a sweep and without one turn by turn, so that a slow minute of the machine falls on both. */
async function measureIngest(): Promise<void> {
  const tables = 7;
  const keepMs = (1 - (1.1 * SWEPT_ROWS) / tables / ROWS) * DAYS * DAY_MS;
  const retention = {
    eventRetentionMs: keepMs,
    runRetentionMs: keepMs,
    keyRetentionMs: keepMs,
    auditRetentionMs: keepMs,
  };
  const now = new Date();
  await ingestUntil(Bun.sleep(TURN_MS));
  const rates: { alone: number; during: number }[] = [];
  let swept = 0;
  for (let rows = 1; swept < SWEPT_ROWS && rows > 0; swept += rows) {
    const alone = await ingestUntil(Bun.sleep(TURN_MS));
    const sweeping = sweep(createSweeper(database.db), retention, now, AbortSignal.timeout(TURN_MS));
    rates.push({ alone, during: await ingestUntil(sweeping) });
    rows = Object.values(await sweeping).reduce((sum, count) => sum + count, 0);
  }
  const mean = (which: "alone" | "during") => rates.reduce((sum, rate) => sum + rate[which], 0) / rates.length;
  const ratio = mean("during") / mean("alone");
  if (ratio < MIN_RATIO || swept < SWEPT_ROWS) failures++;
  print("swept", `${swept} rows in ${rates.length} turns of ${TURN_MS / 1000} s`);
  print("ingest", `${mean("alone").toFixed(0)} events/s alone, ${mean("during").toFixed(0)} during a sweep`);
  print("ratio", `${ratio.toFixed(2)}; wanted at least ${MIN_RATIO}`);
}

/** Records groups of events that each owe a run, one group after the other, as a router does. */
async function ingestUntil(end: Promise<unknown>): Promise<number> {
  const ledger = createEventLedger(database.db);
  const run = { activity_id: ACTIVITY.common, activity_name: "d", outcome: "run" } as const;
  let ended = false;
  void end.finally(() => {
    ended = true;
  });
  const startedMs = performance.now();
  let count = 0;
  for (; !ended; count += GROUP) {
    const group = Array.from({ length: GROUP }, () =>
      matchedEvent(envelopeOf(crypto.randomUUID(), { payload: { text: "x".repeat(200) } }), run),
    );
    await ledger.record(group);
    await ledger.markDispatched(group.map(({ envelope }) => envelope.event_id));
  }
  return (count * 1000) / (performance.now() - startedMs);
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(0);
}

function print(what: string, figures: string): void {
  console.log(`${what.padEnd(56)} ${figures}`);
}
