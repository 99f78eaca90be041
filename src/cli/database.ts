/** The database for commands that work on it without a server. */

import { findRunningEngines } from "../engines/data-directory.ts";
import type { Config } from "../kernel/config.ts";
import { ActcoreError, describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import { errorCode, openPostgres, type Postgres, toActcoreError } from "../postgres/client.ts";

const PERMISSION_DENIED = "42501";

/**
 * Runs `body` on the configured database, or on that of the engines that run on the data directory, with a pool of so
 * many `connections`.
 * @throws TerminalError `no_database`, `postgres_not_permitted`; RetryableError `postgres_unavailable`,
 *   `postgres_login_refused`; what `body` throws
 */
export async function withDatabase<T>(
  config: Config,
  name: string,
  body: (postgres: Postgres) => Promise<T>,
  connections = 1,
): Promise<T> {
  const url = config.dbUrl ?? (await findRunningEngines(config.dataDir))?.endpoints.dbUrl;
  if (url === undefined)
    throw new TerminalError("no_database", `no database is configured, and no engines run on ${config.dataDir}`, {
      hint: "give --db-url, or start `actcore serve` first",
    });
  const postgres = openPostgres(url, name, connections);
  try {
    await postgres.ping().catch((error: unknown) => {
      // Whatever keeps us from the server is no fault of this program, and no stack would help.
      if (error instanceof ActcoreError) throw error;
      throw new RetryableError("postgres_unavailable", describeError(error), { cause: error });
    });
    return await body(postgres);
  } catch (error) {
    if (errorCode(error) !== PERMISSION_DENIED) throw toActcoreError(error);
    throw new TerminalError("postgres_not_permitted", `Postgres: ${describeError(error)}`, {
      hint: "Grant it to the user of ACTCORE_DB_URL, or give --db-url with another user",
      cause: error,
    });
  } finally {
    await postgres.close();
  }
}
