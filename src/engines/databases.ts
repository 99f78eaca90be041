/** The databases that the engines need, on the embedded Postgres or on one that the operator runs. */
import postgres from "postgres";
import { hideSecret } from "../kernel/address.ts";
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import { createBackoff, retryUntilDone } from "../kernel/wait.ts";

export const TEMPORAL_DATABASES = { store: "temporal", visibility: "temporal_visibility" } as const;

/** Errors of a server that is not there yet; any other one is its answer. */
const UNREACHABLE = /^(ECONN|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|CONNECT_TIMEOUT|CONNECTION_|57P03)/;

/**
 * Creates what is missing. Safe when several processes do it at once.
 * @param maintenanceUrl any database of the server that exists
 * @throws RetryableError `postgres_unavailable` after `withinMs`; TerminalError `database_not_created` when the server
 *   refuses; the reason of `signal`
 */
export async function ensureDatabases(
  maintenanceUrl: string,
  names: readonly string[],
  { signal, withinMs }: { signal: AbortSignal; withinMs: number },
): Promise<void> {
  const deadline = Date.now() + withinMs;
  const server = hideSecret(maintenanceUrl);
  function judge(error: unknown): void {
    const code = String((error as { code?: unknown }).code);
    if (!UNREACHABLE.test(code)) {
      const statements = names.map((name) => `CREATE DATABASE ${name};`).join(" ");
      throw new TerminalError(
        "database_not_created",
        `the databases ${names.join(", ")} cannot be created on ${server}: ${describeError(error)}`,
        { hint: `Let the user create databases, or create them for it: ${statements}`, cause: error },
      );
    }
    if (Date.now() > deadline) {
      const message = `Postgres at ${server} cannot be reached: ${describeError(error)}`;
      throw new RetryableError("postgres_unavailable", message, { cause: error });
    }
  }
  await retryUntilDone(() => createMissing(maintenanceUrl, names), signal, judge, createBackoff(50, 2000));
  signal.throwIfAborted();
}

/** Does `body` with one connection to a database. */
export async function withDatabase<T>(url: string, body: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    return await body(sql);
  } finally {
    await sql.end({ timeout: 2 });
  }
}

function createMissing(url: string, names: readonly string[]): Promise<void> {
  return withDatabase(url, async (sql) => {
    const rows = await sql<{ datname: string }[]>`SELECT datname FROM pg_database WHERE datname = ANY(${[...names]})`;
    const existing = new Set(rows.map(({ datname }) => datname));
    for (const name of names) {
      if (existing.has(name)) continue;
      try {
        await sql`CREATE DATABASE ${sql(name)}`;
      } catch (error) {
        // Another process was faster: a duplicate is reported as 42P04, or as 23505 when both were at it at once.
        if (!["42P04", "23505"].includes(String((error as { code?: unknown }).code))) throw error;
      }
    }
  });
}

/**
 * Removes the hosts that an earlier Temporal has noted in its database. A killed one leaves its own behind, and for most of a minute the
 * next one then hands out no work: "Not enough hosts to serve the request". Call it only where no other Temporal can be
 * alive: on the database of our own data directory.
 */
export async function forgetTemporalHosts(url: string): Promise<void> {
  await withDatabase(urlOfDatabase(url, TEMPORAL_DATABASES.store), (sql) => sql`DELETE FROM cluster_membership`);
}

/** The URL of another database on the same server, with the same credentials. */
export function urlOfDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
}
