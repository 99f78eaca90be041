/** `sql` sources against a real Postgres: what they answer, what they refuse, and what they leave behind. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { parseJson } from "../../src/json/parse.ts";
import type { TerminalError } from "../../src/kernel/errors.ts";
import { createSqlReader, type OpenSqlReader } from "../../src/postgres/context/sql-reader.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { resolveContext } from "../support/context.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";

const PASSWORD = "pass:word/of@the#reader";
const secrets = createSecrets({ values: { SHOP_PASSWORD: PASSWORD, CODE: "code-that-is-secret" } });
let database: TestDatabase;
let user: string;
let urls: Record<string, string>;
let sql: OpenSqlReader;

beforeAll(async () => {
  database = await createTestDatabase({ migrated: false });
  user = `reader_${crypto.randomUUID().slice(0, 8)}`;
  await database.sql.unsafe(`
    create role ${user} login password '${PASSWORD}' noinherit;
    create table orders (id bigint, total numeric, customer text, at timestamptz, note json);
    grant select, insert on orders to ${user};
    insert into orders values
      (9007199254740993, 10.50, 'c1', '2026-01-31 09:30:00+02', '{"gift": true}'),
      (2, 12345678901234567890.123456789, 'c1', null, null),
      (3, 1, 'c2', null, null);
    create sequence numbers;
    create function writes() returns int language sql as 'insert into orders (id) values (4) returning 1';`);
  const url = new URL(database.url);
  url.username = user;
  url.password = "SECRET";
  urls = {
    shop: url.href.replace("SECRET", "{{ urlencode(secret.SHOP_PASSWORD) }}"),
    refused: url.href.replace("SECRET", "wrong"),
    gone: "postgres://nobody:secret-of-gone@127.0.0.1:1/x",
    missing: url.href.replace("SECRET", "{{ secret.NOT_THERE }}"),
    broken: "mysql://127.0.0.1/x",
  };
  sql = createSqlReader(urls, secrets);
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await sql?.close();
  await database?.sql.unsafe(`drop owned by ${user}; drop role ${user}`);
  await database?.close();
});
afterEach(async () => {
  await eventually("no statement of a source is left running", async () => (await backends("active")).length === 0);
});

/** What the backends of sources do, by their state. */
async function backends(...states: string[]): Promise<string[]> {
  const rows = await database.sql`
    select query from pg_stat_activity where usename = ${user} and state = any(${states})`;
  return rows.map(({ query }) => query as string);
}

const source = (query: string, rest: object = {}) => ({ name: "a", type: "sql", connection: "shop", query, ...rest });
const resolve = (written: object, values: Record<string, unknown> = {}) =>
  resolveContext([written], { sql, secrets }, { values });
const answerOf = async (written: object, values: Record<string, unknown> = {}) =>
  (await resolve(written, values)).values.a;
async function failureOf(written: object, values: Record<string, unknown> = {}) {
  const error: TerminalError = await resolve(written, values).then(
    () => Promise.reject(new Error("it did not fail")),
    (error) => error,
  );
  const [{ code, attempts }] = error.details.sources as [{ code: string; attempts: number }];
  return { code, attempts, message: error.message };
}

describe("rows", () => {
  test("are JSON with every digit, and times with their offset", async () => {
    const rows = await answerOf(
      source("select * from orders where customer = 'c1' order by total -- the dear one last"),
    );
    expect(JSON.stringify(rows)).toBe(
      '[{"id":9007199254740993,"total":10.5,"customer":"c1","at":"2026-01-31T07:30:00+00:00","note":{"gift":true}},' +
        '{"id":2,"total":12345678901234567890.123456789,"customer":"c1","at":null,"note":null}]',
    );
  });

  test("are in the order of the query, and `row` is the first one, or null", async () => {
    expect(await answerOf(source("values (3), (1), (2)", { select: "rows.map(r, r.column1)" }))).toEqual([3, 1, 2]);
    expect(await answerOf(source("table orders order by id", { select: "row.id" }))).toBe(2);
    expect(await answerOf(source("select 1 where false", { select: "row" }))).toBeNull();
    expect(await answerOf(source("with o as (select count(*) as n from orders) select n from o"))).toEqual([{ n: 3 }]);
  });

  test("of other types are texts as Postgres writes them in ISO 8601", async () => {
    expect(
      await answerOf(
        source(`select timestamp '2026-01-31 09:30' as local, date '2026-01-31' as day, interval '1 day 2 hours' as span,
          'NaN'::numeric as no_number, '\\xcafe'::bytea as bytes, array[1, 2] as list, row(1, 'x') as composite`),
      ),
    ).toEqual([
      {
        ...{ local: "2026-01-31T09:30:00", day: "2026-01-31", span: "P1DT2H", no_number: "NaN", bytes: "\\xcafe" },
        ...{ list: [1, 2], composite: { f1: 1, f2: "x" } },
      },
    ]);
  });

  test("are at most a thousand", async () => {
    expect(await answerOf(source("select n from generate_series(1, 1000) n", { select: "size(rows)" }))).toBe(1000);
    const failure = await failureOf(source("select n from generate_series(1, 1001) n", { select: "size(rows)" }));
    expect(failure).toMatchObject({ code: "sql_too_many_rows", attempts: 1 });
    expect(failure.message).toContain("more than 1000 rows. Count them");
  });

  test("have at most a megabyte, and the size is said of what has more", async () => {
    const failure = await failureOf(source("select repeat('x', 1000000) as x from generate_series(1, 100)"));
    expect(failure.code).toBe("source_too_large");
    expect(failure.message).toContain("its answer has 100000800 bytes: at most 1048576 are read");
  });
});

describe("arguments", () => {
  const args = (query: string, values: unknown[]) =>
    answerOf(source(query, { args: values.map((_, index) => `event.payload[${index}]`) }), {
      event: { payload: values },
    });

  test("are bound, whatever they contain", async () => {
    const text = "'; drop table orders; -- {{ secret.CODE }} $1";
    expect(await args("select $1 as a, $2::text as b", [text, text])).toEqual([{ a: text, b: text }]);
    expect(await args("select id from orders where customer = $1 and total > $2", ["c1", 11])).toEqual([{ id: 2 }]);
  });

  test("have the type that the query gives them", async () => {
    expect(
      await args(
        "select $1::int + 1 as n, $2::bool as yes, $3::jsonb->'a' as json, $4::timestamptz as at, $5::text as nothing",
        [...[41, true, { a: [1, "x"] }, "2026-01-31T09:30:00+02:00", null]],
      ),
    ).toEqual([{ n: 42, yes: true, json: [1, "x"], at: "2026-01-31T07:30:00+00:00", nothing: null }]);
  });

  test("that are lists are arrays, and JSON where text is wanted", async () => {
    expect(
      await args("select id from orders where customer = any($1) order by id", [["c1", "it's, {odd}"]]),
    ).toHaveLength(2);
    expect(await args("select $1::text as list, $2::text as object", [[1, "x"], { a: null }])).toEqual([
      { list: '[1,"x"]', object: '{"a":null}' },
    ]);
  });

  test("keep the digits of a number", async () => {
    const asked = source("select $1::bigint as id", { args: ["event.payload.id"] });
    const rows = await answerOf(asked, { event: parseJson('{"payload": {"id": 9007199254740993}}') });
    expect(JSON.stringify(rows)).toBe('[{"id":9007199254740993}]');
  });

  test("may be secrets, which the answer does not show", async () => {
    const rows = await answerOf(source("select $1 as code, length($1) as length", { args: ["secret.CODE"] }));
    expect(rows).toEqual([{ code: "***", length: 19 }]);
  });

  test("that are too few, or of another type, are named", async () => {
    expect(await failureOf(source("select $1::int as n"))).toMatchObject({ code: "sql_failed", attempts: 1 });
    const failure = await failureOf(source("select $1::int as n", { args: ["'many'"] }));
    expect(failure.message).toBe('context source a: shop: invalid input syntax for type integer: "many"');
  });
});

describe("a statement that writes changes nothing:", () => {
  test.each<[what: string, query: string]>([
    ["by a function", "select writes()"],
    ["within WITH", "with w as (insert into orders (id) values (4) returning id) select * from w"],
    ["by a lock", "select * from orders for update"],
    ["by a sequence", "select nextval('numbers')"],
    ["by a setting", "select set_config('transaction_read_only', 'off', false), writes()"],
  ])("%s", async (_, query) => {
    const failure = await failureOf(source(query));
    expect(failure.attempts).toBe(1);
    expect(["sql_writes", "sql_failed"]).toContain(failure.code);
    expect(failure.message).toMatch(/read-only|data-modifying|permission denied|read-write/);
    expect(await answerOf(source("select count(*) as n from orders"))).toEqual([{ n: 3 }]);
  });

  test.each([
    "select 1; insert into orders (id) values (4)",
    "select 1; commit; insert into orders (id) values (4)",
    "select 1) as x; insert into orders (id) values (4); select * from (select 1",
    "select 1 /*",
  ])("several in one text: %s", async (query) => {
    expect(await failureOf(source(query))).toMatchObject({ code: "sql_failed", attempts: 1 });
    expect(await answerOf(source("select count(*) as n from orders"))).toEqual([{ n: 3 }]);
  });
});

describe("a query that does not end", () => {
  test("ends at the source's timeout, for Postgres too", async () => {
    const startedMs = performance.now();
    const failure = await failureOf(source("select pg_sleep(60)", { timeout: "300ms" }));
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(failure.message).toContain("did not answer within 0.3 s");
    await eventually("it is cancelled", async () => (await backends("active")).length === 0, 1_000);
  });

  test("is cancelled when nobody waits for it any more", async () => {
    const stopping = new AbortController();
    const resolving = resolveContext([source("select pg_sleep(60)")], { sql, secrets }, { signal: stopping.signal });
    resolving.catch(() => {});
    await eventually("it runs", async () => (await backends("active")).some((query) => query.includes("pg_sleep")));
    stopping.abort(new Error("stopping"));
    await expect(resolving).rejects.toThrow("stopping");
    await eventually("it is cancelled", async () => (await backends("active")).length === 0, 1_000);
  });

  test("keeps no later one waiting, however many there were", async () => {
    const sleeping = Array.from({ length: 12 }, () => failureOf(source("select pg_sleep(60)", { timeout: "200ms" })));
    const failures = await Promise.all(sleeping);
    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(["source_timeout"]));
    expect(await answerOf(source("select 1 as n", { timeout: "1s" }))).toEqual([{ n: 1 }]);
  });
});

describe("a database", () => {
  test("that refuses the password says so once, without it", async () => {
    const failure = await failureOf(source("select 1", { connection: "refused" }));
    expect(failure).toMatchObject({ code: "sql_login_refused", attempts: 1 });
    expect(failure.message).toContain("Check user, password and database of ACTCORE_SQL_REFUSED");
  });

  test("that is away is tried again, and delays no other one", async () => {
    const both = [source("select 1", { connection: "gone", optional: true }), source("select 1 as n", { name: "b" })];
    const { values, sources } = await resolveContext(both, { sql, secrets });
    expect(values).toEqual({ a: null, b: [{ n: 1 }] });
    expect(sources).toMatchObject([{ code: "sql_unavailable", attempts: 3 }, { attempts: 1 }]);
    expect(sources[1]?.duration_ms).toBeLessThan(1_000);
    expect(secrets.mask("secret-of-gone")).toBe("***");
  });

  test("that has no URL, or one that is none, or whose secret is missing, is named", async () => {
    expect((await failureOf(source("select 1", { connection: "other" }))).message).toContain(
      "other is no SQL connection of this worker: there is shop, refused, gone, missing, broken. Give its URL by ACTCORE_SQL_OTHER",
    );
    expect((await failureOf(source("select 1", { connection: "broken" }))).message).toContain(
      "ACTCORE_SQL_BROKEN is no",
    );
    expect(await failureOf(source("select 1", { connection: "missing" }))).toMatchObject({ code: "secret_missing" });
  });

  test("keeps few connections, and none when the reader is closed", async () => {
    const own = createSqlReader(urls, secrets);
    const busy = Array.from({ length: 20 }, () =>
      resolveContext([source("select pg_sleep(0.05)")], { sql: own, secrets }),
    );
    await Promise.all(busy);
    const before = (await backends("idle", "active")).length;
    await own.close();
    await eventually("they are closed", async () => (await backends("idle", "active")).length <= before - 4);
  });
});
