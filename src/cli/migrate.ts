/** `actcore migrate`: the schema up to date, and nothing else. */
import { findRunningEngines } from "../engines/running-engines.ts";
import { TerminalError } from "../errors.ts";
import { migrations } from "../generated/migrations.ts";
import { openPostgres } from "../postgres/client.ts";
import { migrate } from "../postgres/migrate.ts";
import type { CommandContext } from "./commands.ts";

/** @throws TerminalError `no_database`, `schema_unknown`; RetryableError `postgres_unavailable` */
export async function runMigrate({ config, print }: Pick<CommandContext, "config" | "print">): Promise<number> {
  const url = config.dbUrl ?? (await findRunningEngines(config.dataDir))?.endpoints.dbUrl;
  if (url === undefined)
    throw new TerminalError("no_database", `no database is configured, and no engines run on ${config.dataDir}`, {
      hint: "Set ACTCORE_DB_URL, or start `actcore engines` first",
    });
  const postgres = openPostgres(url, "migrate", 1);
  try {
    await postgres.ping();
    const applied = await migrate(postgres.sql, migrations);
    for (const name of applied) print(`applied ${name}`);
    print(
      applied.length === 0
        ? "the schema is up to date"
        : `applied ${applied.length} of ${migrations.length} migrations`,
    );
    return 0;
  } finally {
    await postgres.close();
  }
}
