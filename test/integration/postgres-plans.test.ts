/** Which index answers a list: Postgres' own plan, over some thousand rows of which most share a value. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { compileFilters } from "../../src/match/filter.ts";
import { compileTypePattern } from "../../src/match/type-pattern.ts";
import type { Database, Postgres } from "../../src/postgres/client.ts";
import { createPreviousRunReader } from "../../src/postgres/context/previous-run-reader.ts";
import { createRecordedEventReader } from "../../src/postgres/context/recorded-event-reader.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createExpectationLedger } from "../../src/postgres/expectation/expectation-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createUnmatchedReader } from "../../src/postgres/explain/unmatched-reader.ts";
import { createHistoryReader } from "../../src/postgres/rehearsal/history-reader.ts";
import { createLetterLedger } from "../../src/postgres/replay/letter-ledger.ts";
import { createReplayLedger } from "../../src/postgres/replay/replay-ledger.ts";
import { createDueLedger } from "../../src/postgres/schedule/due-ledger.ts";
import { ACTIVITY, fillTables } from "../bench/scale-rows.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";

const PAGE = { limit: 20 };
const ROWS = 20_000;

let database: TestDatabase;
let explaining: ReturnType<typeof postgres>;
interface Asked {
  query: string;
  params: readonly unknown[];
}
let asked: Asked[] = [];
let list: ReturnType<typeof createLists>;
beforeAll(async () => {
  database = await createTestDatabase();
  await fillTables(database.db, ROWS, () => {});
  explaining = postgres(database.url, { max: 1 });
  const logQuery = (query: string, params: unknown[]) => {
    asked.push({ query, params });
  };
  list = createLists(drizzle(explaining, { logger: { logQuery } }) as Database);
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await explaining?.end();
  await database?.close();
});

function createLists(db: Database) {
  const reader = createLedgerReader(db);
  const definitions = createDefinitionStore(db);
  const { listDueRuns } = createDueLedger({ db, prepared: db } as Postgres);
  return {
    dueRuns: listDueRuns,
    runs: reader.listRuns,
    tasks: reader.listTasks,
    events: reader.listEvents,
    letters: reader.listDeadLetters,
    event: reader.findEvent,
    unsettled: createLetterLedger(db),
    replays: createReplayLedger(db),
    definitions: definitions.list,
    history: createHistoryReader(db),
    previousRuns: createPreviousRunReader(db).read,
    recordedEvents: createRecordedEventReader(db).read,
    unmatched: createUnmatchedReader(db).listUnmatched,
    expectations: createExpectationLedger({ db, prepared: db } as Postgres).listToLookAt,
  };
}

interface Node {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Index Cond"?: string;
  "Parent Relationship"?: string;
  Plans?: Node[];
}

/** The nodes of the plan of the last query that `call` makes, with the values that it has. */
async function planOf(call: () => Promise<unknown>): Promise<Node[]> {
  asked = [];
  await call();
  return explain(asked.at(-1) as Asked);
}

async function explain({ query, params }: Asked): Promise<Node[]> {
  const [row] = await explaining.unsafe(`explain (format json) ${query}`, params as never[]);
  const flatten = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(flatten)];
  const plan = row?.["QUERY PLAN"];
  return flatten((typeof plan === "string" ? JSON.parse(plan) : plan)[0].Plan);
}

const { common, unfailing, rare } = ACTIVITY;

test.each<[table: "runs" | "tasks" | "events" | "letters" | "definitions", filter: object, indexes: string[]]>([
  ["runs", {}, ["runs_pkey"]],
  ["runs", { activity_id: common }, ["runs_activity", "runs_pkey"]],
  ["runs", { activity_id: rare }, ["runs_activity"]],
  ["runs", { status: "succeeded" }, ["runs_pkey"]],
  ["runs", { status: "failed" }, ["runs_notable", "runs_pkey"]],
  ["runs", { status: "cancelled" }, ["runs_notable"]],
  ["runs", { status: "running" }, ["runs_notable"]],
  ["runs", { activity_id: unfailing, status: "failed" }, ["runs_activity_notable"]],
  ["runs", { trigger: "event" }, ["runs_trigger", "runs_pkey"]],
  ["runs", { trigger: "rerun" }, ["runs_trigger"]],
  ["runs", { trigger: "manual", status: "failed" }, ["runs_trigger_notable", "runs_trigger"]],
  ["runs", { since: new Date() }, ["runs_pkey"]],
  ["tasks", {}, ["tasks_pkey"]],
  ["tasks", { activity_id: rare }, ["tasks_activity"]],
  ["tasks", { run_id: rare }, ["tasks_run"]],
  ["tasks", { status: "pending" }, ["tasks_notable"]],
  ["tasks", { activity_id: unfailing, status: "failed" }, ["tasks_activity_notable"]],
  ["events", {}, ["events_pkey"]],
  ["events", { type: "rare.type" }, ["events_type"]],
  ["letters", {}, ["events_dead_letters"]],
  ["letters", { settled: false, reason: "not_json" }, ["events_dead_letters"]],
  ["events", { outcome: "dead_lettered" }, ["events_notable"]],
  ["events", { type: "common.type", outcome: "unmatched" }, ["events_type_notable"]],
  ["definitions", {}, ["definitions_live_name"]],
  ["definitions", { enabled: false }, ["definitions_live_enabled"]],
  ["definitions", { trigger_type: "cron" }, ["definitions_live_trigger"]],
  ["definitions", { source: "file:rare.yaml" }, ["definitions_live_source"]],
])("%s by %j are read from an index, not from the whole table", async (table, filter, indexes) => {
  const nodes = await planOf(() => list[table](filter, PAGE));
  expect(nodes.map((node) => node["Node Type"])).not.toContain("Seq Scan");
  // What is looked up for each row of the page is a node of its own.
  const rows = nodes.filter((node) => node["Parent Relationship"] !== "SubPlan");
  const used = rows.flatMap((node) => node["Index Name"] ?? []);
  expect(indexes).toContain(used.join());
});

test("the latest runs of a schedule are read without those of the years before", async () => {
  const activity = crypto.randomUUID();
  await database.sql`
    insert into actcore.occurrences (activity_id, kind, key, run_id, claimed_by, version_used)
    select ${activity}::uuid, 'due', to_char(timestamp '2026-01-01' + n * interval '1 minute',
      'YYYY-MM-DD"T"HH24:MI:SS".000Z"'), gen_random_uuid(), 'workflow', 1 from generate_series(1, ${ROWS}::integer) n`;
  await database.sql`
    insert into actcore.runs (run_id, activity_id, activity_name, trigger, status, finished_at, trace_id, workflow_id, version_used)
    select run_id, activity_id, 'd', 'cron', 'succeeded', now(), 'trace', 'workflow', 1 from actcore.occurrences
    where activity_id = ${activity}`;
  await database.sql`analyze actcore.occurrences`;
  const nodes = await planOf(() => list.dueRuns(activity, new Date("2026-01-14T00:00:00Z")));
  expect(nodes.map((node) => node["Node Type"])).not.toContain("Seq Scan");
  // What is open is few: its index is read as it is.
  const scans = nodes.filter(({ "Index Name": index }) => index !== undefined && index !== "runs_open");
  expect(scans.filter((node) => node["Index Cond"] === undefined)).toEqual([]);
});

test("unmatched events are counted by an index alone, one step for each type", async () => {
  const nodes = await planOf(() => list.unmatched(new Date(0), 100));
  expect(nodes.map((node) => node["Node Type"])).not.toContain("Seq Scan");
  const used = new Set(nodes.flatMap((node) => node["Index Name"] ?? []));
  // The rows themselves are read of the newest event of each type that is shown.
  expect([...used].sort()).toEqual(["events_pkey", "events_type_notable"]);
});

test("whether activities have succeeded lately is read from the ends of an index", async () => {
  await database.sql`insert into actcore.expectations (definition_id, success_within_ms, counts_from, look_at)
    select id, 60000, now(), now() from actcore.definitions limit 200`;
  await database.sql`analyze actcore.expectations`;
  const nodes = await planOf(() => list.expectations(new Date(Date.now() + 60_000), 200));
  const scans = nodes.filter((node) => node["Relation Name"] === "runs").map((node) => node["Index Name"]);
  expect(scans.toSorted()).toEqual(["runs_activity_succeeded", "runs_activity_succeeded", "runs_open"]);
});

test("context sources read the ledger by its indexes", async () => {
  asked = [];
  const before = "ffffffff-ffff-7fff-8fff-ffffffffffff";
  for (const outcome of ["any", "failed"] as const)
    for (const id of [common, unfailing, rare])
      await list.previousRuns({ activity: { id }, before, last: 20, outcome });
  const [until, { signal }] = [new Date(), new AbortController()];
  for (const since of [new Date(Date.now() - 86_400_000), { activity_id: common, run_id: before }])
    for (const filters of [{}, { n: 1 }])
      for (const type of ["common.type", "rare.type", "nothing", "rare.*"]) {
        const pattern = compileTypePattern(type);
        await list.recordedEvents({ pattern, filters: compileFilters(filters), since, until, last: 5, signal });
      }
  expect(asked.length).toBeGreaterThan(30);
  for (const each of asked) {
    const scanned = (await explain(each)).filter((node) => node["Node Type"] === "Seq Scan");
    expect([each.query, scanned.map((node) => node["Relation Name"])]).toEqual([each.query, []]);
  }
});

test("replays, and what is asked of dead letters, read the ledger by its indexes", async () => {
  asked = [];
  const { replays, unsettled } = list;
  const [from, to] = [new Date(Date.now() - 30 * 86_400_000), new Date()];
  for (const types of [["common.type"], ["rare.type"], ["common.type", "rare.type"]]) {
    const past = await replays.listPast(common, { types, from, to }, { limit: 200 });
    await replays.readEvents(past.map(({ row_id }) => row_id));
  }
  await replays.findRan([common, rare], "e1");
  await unsettled.listUnsettled({ reason: "not_json" }, 100);
  await unsettled.countUnsettled({ since: from });
  await list.event("e1");
  expect(asked.length).toBeGreaterThan(10);
  for (const each of asked) {
    // Windows and their events are no rows of these tables.
    const isEmpty = ({ "Relation Name": name = "" }: Node) => name.startsWith("flow_");
    const scanned = (await explain(each)).filter((node) => node["Node Type"] === "Seq Scan" && !isEmpty(node));
    expect([each.query, scanned.map((node) => node["Relation Name"])]).toEqual([each.query, []]);
  }
});

test("rehearsals read the ledger by its indexes", async () => {
  asked = [];
  const { history } = list;
  const since = new Date(Date.now() - 7 * 86_400_000);
  const types = await history.listTypes({ limit: 100 });
  expect(types).toEqual(expect.arrayContaining(["common.type", "rare.type"]));
  for (const type of ["common.type", "rare.type", "nothing"]) {
    const events = await history.listEvents(type, { since, limit: 1000 });
    await history.listEvents(type, { since, limit: 1000, after: events.at(-1)?.row_id ?? crypto.randomUUID() });
    const ids = events.map(({ envelope }) => envelope.event_id);
    await history.listRunsOfEvents([common, rare], ids);
    await history.findEvent(ids[0] ?? "nothing");
  }
  await history.listLastEvents(types, 100);
  await history.listRunsOfDueTimes(common, since, new Date());
  await history.findRun(common);
  await history.listTasks(common);
  expect(asked.length).toBe(17);
  for (const each of asked) {
    const scanned = (await explain(each)).filter((node) => node["Node Type"] === "Seq Scan");
    expect([each.query, scanned.map((node) => node["Relation Name"])]).toEqual([each.query, []]);
  }
});
