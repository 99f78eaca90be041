/**
 * Temporal's tables, set up and updated by Temporal's own tool, which carries the schemas.
 * Each step may be repeated: the tool keeps a version in the database.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, type Preparation, runCommand } from "./child-process.ts";
import { TEMPORAL_DATABASES } from "./databases.ts";
import { type SqlServer, trusting } from "./temporal.ts";

const SCHEMAS = [
  { database: TEMPORAL_DATABASES.store, schema: "postgresql/v12/temporal" },
  { database: TEMPORAL_DATABASES.visibility, schema: "postgresql/v12/visibility" },
] as const;
const COMMAND_DEADLINE_MS = 120_000;

/**
 * `embedded`: the databases live and die with the data directory, so that a record in it can say that all is up to date.
 * @throws TerminalError `engine_command_failed`; the reason of `signal`
 */
export async function ensureTemporalSchema(
  server: SqlServer,
  embedded: boolean,
  preparation: Preparation,
): Promise<void> {
  const { directory, binaries, onProgress } = preparation;
  // Beside the cluster, so that whoever removes the one removes the other.
  const record = join(directory.postgres, "temporal-schema-version");
  const known = embedded && existsSync(record) ? readFileSync(record, "utf8").trim() : undefined;
  if (known === binaries.versions.temporal) return;

  onProgress(known === undefined ? "setting up Temporal's schema" : "updating Temporal's schema");
  await Promise.all(
    SCHEMAS.map(async ({ database, schema }) => {
      const run = (...args: string[]) => runTool(server, preparation, database, args);
      if (known === undefined) await run("setup-schema", "--version", "0.0");
      await run("update-schema", "--schema-name", schema);
    }),
  );
  if (embedded) writeFileSync(record, `${binaries.versions.temporal}\n`);
}

function runTool(
  server: SqlServer,
  { binaries, context, signal }: Preparation,
  database: string,
  args: readonly string[],
): Promise<void> {
  const command: Command = {
    path: binaries.temporalSqlTool,
    args,
    // By the environment, not by arguments: these everyone can read.
    env: {
      SQL_PLUGIN: "postgres12",
      SQL_HOST: server.host,
      SQL_PORT: String(server.port),
      SQL_USER: server.user,
      SQL_PASSWORD: server.password,
      SQL_DATABASE: database,
      ...(server.tls ? { SQL_TLS: "true", SQL_TLS_DISABLE_HOST_VERIFICATION: String(!server.tls.verifyHost) } : {}),
      ...trusting(server),
    },
  };
  const name = `temporal-sql-tool ${args[0]} ${database}`;
  return runCommand(name, command, context, { signal, withinMs: COMMAND_DEADLINE_MS });
}
