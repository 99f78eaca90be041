/**
 * Rounds of edits, each followed by several syncs at once, as processes of their own would run them, beside schedules of
 * others. After each round: one of the syncs did it, the next one has nothing to do, every definition has the schedule
 * that its file says, and nobody else's was touched.
 */

import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { openPostgres, type Postgres } from "../../src/postgres/client.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createProjectionStore } from "../../src/postgres/schedule/projection-store.ts";
import { scheduleId } from "../../src/schedule/plan.ts";
import { createScheduleSync } from "../../src/schedule/schedule-sync.ts";
import type { SyncReport } from "../../src/sync/report.ts";
import { createScheduler } from "../../src/temporal/schedules.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { eventually } from "./engines.ts";
import { activity, createTestSync, createTree, type Tree } from "./trees.ts";
import { openTestNamespace } from "./workflow.ts";

export interface RoundsOptions {
  definitions: number;
  rounds: number;
  foreign: number;
  /** Syncs at the same moment. */
  syncs: number;
  /** Syncs with nothing to do after each round: the fastest counts. */
  idleSyncs?: number;
  onRound(round: number, figures: RoundFigures): void;
}

export interface RoundFigures {
  changed: number;
  /** Milliseconds of each of the concurrent syncs, and of the one after them that has nothing to do. */
  syncsMs: number[];
  idleMs: number;
}

type Temporal = Awaited<ReturnType<typeof openTestNamespace>>;
interface Wanted {
  name: string;
  enabled: boolean;
  minute: number;
  /** Its document is in the files. */
  there: boolean;
}

/** @throws Error that says in which round what was not so */
export async function runSyncRounds(options: RoundsOptions): Promise<void> {
  const { definitions, rounds, foreign, syncs, idleSyncs = 1, onRound } = options;
  const tree = createTree();
  const [temporal, database] = await Promise.all([openTestNamespace(), createTestDatabase()]);
  // Each sync has a pool of its own, as another process has.
  const pools = Array.from({ length: syncs }, (_, index) => openPostgres(database.url, `rounds-${index}`));
  try {
    const theirs = Array.from({ length: foreign }, (_, index) => nameOfForeign(index));
    for (const id of theirs) await createForeign(temporal, id);
    const before = await Promise.all(theirs.map((id) => readForeign(temporal, id)));

    const wanted = Array.from(
      { length: definitions },
      (_, index): Wanted => ({ name: `d${index}`, enabled: true, minute: index % 60, there: true }),
    );
    for (let round = 1; round <= rounds; round++) {
      if (round > 1) for (const [index, one] of wanted.entries()) edit(one, index, round);
      await writeFiles(tree, wanted);
      const reports = await Promise.all(
        pools.map((pool) => syncOf(pool, database, temporal, tree).sync({ force: true })),
      );
      const changed = reports.map(({ changes_total }) => changes_total);
      check(round, "no sync has an error or sees drift", reports.every(isClean), reports);
      check(
        round,
        "exactly one of the syncs changed something",
        changed.filter((count) => count > 0).length === 1,
        changed,
      );
      const idleMs: number[] = [];
      const idleService = syncOf(database, database, temporal, tree);
      while (idleMs.length < idleSyncs) {
        const idle = await idleService.sync({ force: true });
        check(round, "the next sync has nothing to do", isIdle(idle), idle);
        idleMs.push(idle.duration_ms);
      }
      await checkSchedules(round, temporal, database, wanted);
      const after = await Promise.all(theirs.map((id) => readForeign(temporal, id)));
      check(round, "no foreign schedule was touched", Bun.deepEquals(after, before), theirs);
      onRound(round, {
        changed: Math.max(...changed),
        syncsMs: reports.map(({ duration_ms }) => duration_ms),
        idleMs: Math.min(...idleMs),
      });
    }
  } finally {
    for (const pool of pools) await pool.close();
    await temporal.close();
    await database.close();
    tree.remove(".");
  }
}

function syncOf(postgres: Postgres, { url }: TestDatabase, temporal: Temporal, tree: Tree) {
  const log = createLog("silent");
  const scheduler = createScheduler(temporal, createMetrics());
  const schedules = createScheduleSync({ store: createProjectionStore(postgres), scheduler, log });
  return createTestSync({ ...postgres, url }, [tree], { schedules });
}

/** A quarter of them each: another time, disabled or enabled, renamed, or gone and back. */
function edit(one: Wanted, index: number, round: number): void {
  switch ((index + round) % 8) {
    case 0:
      one.minute = (one.minute + 7) % 60;
      break;
    case 1:
      one.enabled = !one.enabled;
      break;
    case 2:
      one.name = `${one.name.split("-")[0]}-${round}`;
      break;
    case 3:
      one.there = !one.there;
      break;
  }
}

async function writeFiles(tree: Tree, wanted: readonly Wanted[]): Promise<void> {
  for (let file = 0; file < 10; file++) {
    const documents = wanted.flatMap(({ name, enabled, minute, there }, index) => {
      const trigger_config = { trigger_type: "cron", cron_expression: `${minute} * * * *` };
      return there && index % 10 === file ? [activity(name, { id: `id-${index}`, enabled, trigger_config })] : [];
    });
    // A file without documents counts as one that is still being written.
    if (documents.length > 0) await tree.write(`${file}.yaml`, documents);
    else tree.remove(`${file}.yaml`);
  }
}

function isClean({ drift, errors }: SyncReport): boolean {
  return drift.length + errors.length === 0;
}

function isIdle(report: SyncReport): boolean {
  const { changes_total, schedules } = report;
  return isClean(report) && changes_total + schedules.upserted + schedules.orphans_deleted === 0;
}

/** What each file says, against what the engine describes. */
async function checkSchedules(
  round: number,
  { client }: Temporal,
  { db }: TestDatabase,
  wanted: readonly Wanted[],
): Promise<void> {
  const rows = await createDefinitionStore(db).list({}, { limit: 10_000 });
  const byName = new Map(rows.map((row) => [row.name, row]));
  for (const { name, enabled, minute, there } of wanted) {
    const row = byName.get(name);
    if (row === undefined && !there) continue; // it was renamed while it was gone
    const { state, spec } = await client.schedule.getHandle(scheduleId(row?.id ?? "")).describe();
    const is = { paused: state.paused, minute: spec.calendars?.[0]?.minute?.[0]?.start };
    check(round, `${name} is as its file says`, is.paused === !(enabled && there) && (!there || is.minute === minute), {
      is,
      file: { enabled, minute, there },
    });
  }
}

const nameOfForeign = (index: number) => (index % 2 === 0 ? `theirs-${index}` : scheduleId(`not-ours-${index}`));

/** Half of them under ids that look like ours: it is the memo that says whose they are (I6). */
async function createForeign({ client }: Temporal, id: string): Promise<void> {
  await client.schedule.create({
    scheduleId: id,
    spec: { intervals: [{ every: "1h" }] },
    action: { type: "startWorkflow", workflowType: "Theirs", taskQueue: "theirs", args: [] },
  });
  // Only what is listed can be taken for an orphan.
  await eventually(`${id} is listed`, async () => {
    for await (const listed of client.schedule.list()) if (listed.scheduleId === id) return true;
    return false;
  });
}

async function readForeign({ client }: Temporal, id: string): Promise<unknown> {
  const { raw, state } = await client.schedule.getHandle(id).describe();
  return { updated: String(raw.info?.updateTime ?? null), paused: state.paused, token: String(raw.conflictToken) };
}

function check(round: number, what: string, holds: boolean, seen: unknown): void {
  if (!holds) throw new Error(`round ${round}: ${what}: ${JSON.stringify(seen)?.slice(0, 2000)}`);
}
