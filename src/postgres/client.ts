/** The connection pool, and how a Postgres error becomes one of ours. */
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { parseJson } from "../json/parse.ts";
import { ActcoreError, describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import { inTime } from "../kernel/wait.ts";

export type Database = PostgresJsDatabase;
export type Sql = postgres.Sql;
/** A pool or a transaction. */
export type ISql = postgres.ISql;

export interface Postgres {
  readonly sql: Sql;
  readonly db: Database;
  /**
   * The same connections for the data path, whose statements are few and come all the time: each is parsed and planned
   * once per connection, and needs one round trip instead of two. Not for statements whose text depends on the data.
   */
  readonly prepared: Database;
  /** A connection beside the pool, made when it is first used; to be ended by who opened it. */
  openSession(): Sql;
  /** Resolves when the server answers within 2 s; rejects with RetryableError `postgres_unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const MAX_TEXT_LENGTH = 10_000;
const PING_WITHIN_MS = 2_000;
/** A query that is lost with its connection must not keep its caller for ever; each caller may repeat it. */
const ANSWER_WITHIN_MS = 60_000;
const noAnswer = () =>
  new RetryableError("postgres_unavailable", `Postgres: no answer within ${ANSWER_WITHIN_MS / 1000} s`);

/** Types json and jsonb, by their numbers in Postgres. Of what is read no number is changed. */
const JSON_TYPE = { to: 114, from: [114, 3802], serialize: JSON.stringify, parse: parseJson };

/** A setting of the connection: `on` where the ends of runs are published whose definitions say nothing of it. */
export const PUBLISH_ALL = "actcore.publish_outcome";

/**
 * Connects lazily; a lost server is connected to again by itself. `name` shows in pg_stat_activity.
 * @param publishAll whether the ends of runs are published whose definitions say nothing of it
 */
export function openPostgres(url: string, name: string, max = 10, publishAll = false): Postgres {
  const options = {
    connect_timeout: 5,
    max_lifetime: 1800,
    onnotice: () => {},
    backoff: (retries: number) => Math.min(0.1 * 2 ** retries, 2),
    connection: { application_name: `actcore-${name}`, ...(publishAll && { [PUBLISH_ALL]: "on" }) },
    types: { json: JSON_TYPE },
  };
  const sql = postgres(url, { ...options, max });
  // drizzle takes over how this client handles times and writes JSON: a raw query through `sql` answers times as text.
  const db = drizzle(sql);
  let asking: Promise<unknown> | undefined;
  return {
    sql,
    db,
    prepared: drizzle(preparing(sql)),
    openSession: () => postgres(url, { ...options, max: 1, max_lifetime: null, fetch_types: false }),
    async ping() {
      // One question at a time, because questions to a server that hangs would pile up.
      asking ??= guarded(sql`select 1`).finally(() => {
        asking = undefined;
      });
      await inTime(
        asking,
        PING_WITHIN_MS,
        () => new RetryableError("postgres_unavailable", "Postgres: no answer within 2 s"),
      );
    },
    close: () => sql.end({ timeout: 2 }),
  };
}

/** drizzle asks for prepared statements only where a query builder names them; raw statements it cannot name. */
function preparing(sql: Sql): Sql {
  const unsafe: Sql["unsafe"] = (query, parameters) => sql.unsafe(query, parameters, { prepare: true });
  return new Proxy(sql, { get: (target, name) => (name === "unsafe" ? unsafe : Reflect.get(target, name)) });
}

/** SQLSTATE or a postgres.js code, from under drizzle's wrapper; undefined for what is no database error. */
export function errorCode(error: unknown): string | undefined {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    const { code } = inner as { code?: unknown };
    if (typeof code === "string") return code;
  }
  return undefined;
}

/**
 * Runs a query; its errors become RetryableError (away, in conflict, or without an answer) or TerminalError (the data
 * cannot be stored). None of them says the statement or its parameters: a hash or a payload may be among those.
 */
export async function guarded<T>(query: PromiseLike<T>): Promise<T> {
  try {
    return await inTime(Promise.resolve(query), ANSWER_WITHIN_MS, noAnswer);
  } catch (error) {
    throw toActcoreError(error);
  }
}

export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

/** Runs `body` in a transaction, whose errors are those of `guarded`. */
export function inTransaction<T>(db: Database, body: (tx: Transaction) => Promise<T>): Promise<T> {
  return guarded(db.transaction(body));
}

/** A statement takes 65535 parameters: rows go in some hundreds at a time. */
const CHUNK = 500;

/** Calls `write` with some of the rows at a time, one call after the other; not at all when there are none. */
export async function inChunks<T>(rows: readonly T[], write: (chunk: T[]) => PromiseLike<unknown>): Promise<void> {
  for (let at = 0; at < rows.length; at += CHUNK) await write(rows.slice(at, at + CHUNK));
}

/** The text as Postgres can keep it: without NUL and half surrogate pairs, and of an error's reasonable length. */
export function storableText(text: string): string {
  return withoutUnstorable(text.slice(0, MAX_TEXT_LENGTH));
}

/** The text without NUL and half surrogate pairs. */
export function withoutUnstorable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\\u0000");
}

/** Errors of Postgres or of the way to it as RetryableError or TerminalError; any other one as it is. */
export function toActcoreError(error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof ActcoreError) return error;
  const root = rootOf(error);
  if (/^(22|54)/.test(code))
    return new TerminalError("not_storable", `Postgres refuses the data: ${describeError(root)}`, { cause: root });
  if (isAway(code))
    return new RetryableError("postgres_unavailable", `Postgres: ${describeError(root)}`, { cause: root });
  // Somebody may mend it on the server: a password, a database that is made later.
  if (/^(28|3D)/.test(code))
    return new RetryableError("postgres_login_refused", `Postgres: ${describeError(root)}`, {
      hint: "Check user, password and database of ACTCORE_DB_URL",
      cause: root,
    });
  return new Error(`Postgres: ${describeError(root)}`, { cause: root });
}

/** Whether an error of this code says that a database is away, or in conflict: the same may succeed later. */
export function isAway(code: string): boolean {
  return (
    /^(40|08|53|57|55P03)/.test(code) ||
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|CONNECTION_|CONNECT_TIMEOUT)/.test(code)
  );
}

function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  return root;
}
