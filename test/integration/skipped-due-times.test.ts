/** The list of what did not run, over all activities, against what each activity's own list says. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SkippedDueTimeView } from "../../src/explain/skipped-due-times.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createTestApi, definitionPath, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf, replace, storeDefinition } from "../support/ledger.ts";

const MINUTE_MS = 60_000;
let database: TestDatabase;
let api: TestApi;
/** A full minute about half an hour ago: due time n is n minutes later. */
let start: Date;
const ids: Record<string, string> = {};
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
  start = new Date(Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 30 * MINUTE_MS);
  await create("missed");
  await skip("missed", 1, 4, "missed");
  await skip("missed", 6, 9, "overlap");
  await run("missed", 2, "succeeded"); // a backfill made up for it
  await create("compressed");
  await skip("compressed", 1, 8, "compressed", crypto.randomUUID());
  await skip("compressed", 3, 4, "paused"); // lies in the compressed stretch, and says more of these
  await create("disabled");
  await write("disabled", 2, 3, false);
  await write("disabled", 3, 7, true);
  await run("disabled", 5, "succeeded");
  await create("ran");
  for (const n of [1, 2, 3]) await run("ran", n, "succeeded");
  await create("late");
  for (const n of [2, 3, 9]) await run("late", n, "skipped", "overlap");
  await create("deleted");
  await skip("deleted", 1, 2, "missed");
  await createDefinitionStore(database.db).remove(ids.deleted as string, BY_TEST);
  await database.sql`update actcore.definitions set deleted_at = ${keyOf(3)} where name = 'deleted'`;
  await storeDefinition(database, { name: "event" });
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const minute = (n: number, second = 0) => new Date(start.getTime() + n * MINUTE_MS + second * 1000);
const keyOf = (n: number) => minute(n).toISOString();
const everyMinute = { trigger_config: { trigger_type: "interval", every: "1m" } };

/** A definition whose due times begin with the first minute; they are accounted for up to the tenth. */
async function create(name: string) {
  const { id } = await storeDefinition(database, { name, ...everyMinute });
  ids[name] = id;
  const written = minute(0, 1).toISOString();
  await database.sql`update actcore.definition_versions set created_at = ${written} where definition_id = ${id}`;
  await database.sql`update actcore.definitions set created_at = ${written} where id = ${id}`;
  await database.sql`update actcore.due_progress set settled_until = ${keyOf(10)} where definition_id = ${id}`;
}

async function write(name: string, version: number, at: number, enabled: boolean) {
  await replace(database, ids[name] as string, bodyOf(name, { ...everyMinute, enabled }));
  await database.sql`update actcore.definition_versions set created_at = ${minute(at, 30).toISOString()}
    where definition_id = ${ids[name] as string} and version = ${version}`;
}

async function skip(name: string, first: number, last: number, reason: string, into: string | null = null) {
  await database.sql`insert into actcore.due_skips (activity_id, first_due, last_due, count, reason, into_run)
    values (${ids[name] as string}, ${keyOf(first)}, ${keyOf(last)}, ${last - first + 1}, ${reason}, ${into})`;
}

async function run(name: string, n: number, status: string, reason: string | null = null) {
  const [run_id, activity_id] = [Bun.randomUUIDv7(), ids[name] as string];
  await database.sql`insert into actcore.occurrences (activity_id, kind, key, run_id, claimed_by, version_used)
    values (${activity_id}, 'due', ${keyOf(n)}, ${run_id}, 'workflow', 1)`;
  await database.sql`insert into actcore.runs (run_id, activity_id, activity_name, trigger, status, reason, fired_at,
      finished_at, scheduled_for, trace_id, workflow_id, version_used)
    values (${run_id}, ${activity_id}, ${name}, 'interval', ${status}, ${reason}, ${minute(n, 5).toISOString()},
      now(), ${keyOf(n)}, 'trace', 'workflow', 1)`;
}

/** All pages of the list, up to the tenth minute: what is due later is not accounted for. */
async function listAll(query: string): Promise<SkippedDueTimeView[]> {
  const rows: SkippedDueTimeView[] = [];
  let pages = 0;
  for (let next: string | undefined = `/occurrences?outcome=skipped&since=${keyOf(0)}${query}`; next !== undefined; ) {
    const { status, body, headers } = await api.get(next);
    expect([status, ++pages < 200]).toEqual([200, true]);
    rows.push(...body);
    next = /^<(.*)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
  }
  return rows.filter(({ scheduled_for }) => scheduled_for <= keyOf(10));
}

const short = ({ activity_name, scheduled_for, reason }: SkippedDueTimeView) =>
  `${(Date.parse(scheduled_for) - start.getTime()) / MINUTE_MS} ${activity_name} ${reason}`;

/** What the activities' own lists say, in the order of the list over all. */
async function ownLists(): Promise<SkippedDueTimeView[]> {
  const rows: SkippedDueTimeView[] = [];
  for (const [activity_name, activity_id] of Object.entries(ids)) {
    const { body } = await api.get(`${definitionPath(activity_id)}/occurrences?from=${keyOf(0)}&to=${keyOf(10)}`);
    for (const row of body) if (row.outcome === "skipped") rows.push({ activity_id, activity_name, ...row });
  }
  const placeOf = ({ scheduled_for, activity_id }: SkippedDueTimeView) => `${scheduled_for} ${activity_id}`;
  return rows.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
}

describe("GET /occurrences?outcome=skipped", () => {
  test("says of each due time the same as its activity's own list", async () => {
    const own = await ownLists();
    expect(own.length).toBe(7 + 8 + 3 + 3 + 2);
    expect(await listAll("")).toEqual(own);
  });

  test.each([1, 2, 3, 5, 8])("tells the same in pages of %p", async (limit) => {
    expect((await listAll(`&limit=${limit}`)).map(short)).toEqual((await ownLists()).map(short));
  });

  test.each(["missed", "overlap", "compressed", "paused", "disabled", "dst_gap"])(
    "is filtered by the reason %p",
    async (reason) => {
      const expected = (await ownLists()).filter((row) => row.reason === reason).map(short);
      for (const limit of [1, 100])
        expect((await listAll(`&reason=${reason}&limit=${limit}`)).map(short)).toEqual(expected);
    },
  );

  test.each(["missed", "compressed", "disabled", "ran", "late", "deleted"])(
    "is filtered by the activity %p",
    async (name) => {
      const expected = (await ownLists()).filter((row) => row.activity_name === name).map(short);
      for (const limit of [1, 100])
        expect((await listAll(`&activity_id=${ids[name]}&limit=${limit}`)).map(short)).toEqual(expected);
    },
  );

  test("is filtered by an activity's name as well", async () => {
    expect(await listAll("&activity_id=name:missed")).toEqual(await listAll(`&activity_id=${ids.missed}`));
  });

  test("begins with the due time that is asked for, or else a day ago", async () => {
    const { body } = await api.get(`/occurrences?outcome=skipped&since=${keyOf(8)}`);
    expect(body.slice(0, 2).map(short).sort()).toEqual(["8 compressed compressed", "8 missed overlap"]);
    expect((await api.get("/occurrences?outcome=skipped&limit=500")).body).toEqual(await listAll("&limit=500"));
  });

  test("of an activity that was disabled for long ends each page, and says where the list goes on", async () => {
    await create("long");
    await write("long", 2, -100_000, false);
    await database.sql`update actcore.definitions set created_at = ${keyOf(-100_000)} where name = 'long'`;
    const path = `/occurrences?outcome=skipped&activity_id=${ids.long}&since=${keyOf(-99_000)}&limit=2`;
    const first = await api.get(path);
    expect(first.body.map(short)).toEqual(["-99000 long disabled", "-98999 long disabled"]);
    const next = /^<(.*)>/.exec(first.headers.get("link") ?? "")?.[1] as string;
    expect((await api.get(next)).body.map(short)).toEqual(["-98998 long disabled", "-98997 long disabled"]);
    await createDefinitionStore(database.db).remove(ids.long as string, BY_TEST);
  });

  test("refuses what it does not list, by name", async () => {
    expect(pathsOf(await api.get("/occurrences"), 400, "invalid_query")).toEqual(["?outcome"]);
    expect(pathsOf(await api.get("/occurrences?outcome=run"), 400, "invalid_query")).toEqual(["?outcome"]);
    for (const [query, path] of [
      ["since=yesterday", "?since"],
      ["activity_id=x", "?activity_id"],
      ["cursor=x", "?cursor"],
      [`cursor=x_${crypto.randomUUID()}`, "?cursor"],
    ])
      expect(pathsOf(await api.get(`/occurrences?outcome=skipped&${query}`), 400, "invalid_query")).toEqual([
        path as string,
      ]);
  });
});
