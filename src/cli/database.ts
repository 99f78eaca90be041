/** The database for commands that work on it without a server. */
import type { Config } from "../config.ts";
import { findRunningEngines } from "../engines/running-engines.ts";
import { TerminalError } from "../errors.ts";
import { openPostgres, type Postgres } from "../postgres/client.ts";

/**
 * Runs `body` on the configured database, or on that of the engines that run on the data directory, with a pool of so
 * many `connections`.
 * @throws TerminalError `no_database`; RetryableError `postgres_unavailable`; what `body` throws
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
    await postgres.ping();
    return await body(postgres);
  } finally {
    await postgres.close();
  }
}
