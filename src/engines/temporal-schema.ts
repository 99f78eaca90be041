/**
 * Temporal's tables, set up and updated by Temporal's own tool, which carries the schemas.
 * Each step may be repeated: the tool keeps a version in the database.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineBinaries } from "./archive.ts";
import { type ChildContext, type Command, runCommand } from "./child-process.ts";
import type { DataDirectory } from "./data-directory.ts";
import { TEMPORAL_DATABASES } from "./databases.ts";
import { type SqlServer, trusting } from "./temporal.ts";

const SCHEMAS = [
  { database: TEMPORAL_DATABASES.store, schema: "postgresql/v12/temporal" },
  { database: TEMPORAL_DATABASES.visibility, schema: "postgresql/v12/visibility" },
] as const;
const COMMAND_DEADLINE_MS = 120_000;

export interface TemporalSchema {
  readonly directory: DataDirectory;
  readonly binaries: EngineBinaries;
  readonly server: SqlServer;
  /** Whether the databases live and die with the data directory: then a record in it can say that all is up to date. */
  readonly embedded: boolean;
  readonly context: ChildContext;
  readonly onProgress: (message: string) => void;
  readonly signal: AbortSignal;
}

/** @throws TerminalError `engine_command_failed`; the reason of `signal` */
export async function ensureTemporalSchema(options: TemporalSchema): Promise<void> {
  const { directory, binaries, embedded, onProgress } = options;
  // Beside the cluster, so that whoever removes the one removes the other.
  const record = join(directory.postgres, "temporal-schema-version");
  const known = embedded && existsSync(record) ? readFileSync(record, "utf8").trim() : undefined;
  if (known === binaries.versions.temporal) return;

  onProgress(known === undefined ? "setting up Temporal's schema" : "updating Temporal's schema");
  await Promise.all(
    SCHEMAS.map(async ({ database, schema }) => {
      if (known === undefined) await runTool(options, database, ["setup-schema", "--version", "0.0"]);
      await runTool(options, database, ["update-schema", "--schema-name", schema]);
    }),
  );
  if (embedded) writeFileSync(record, `${binaries.versions.temporal}\n`);
}

function runTool(options: TemporalSchema, database: string, args: readonly string[]): Promise<void> {
  const { binaries, server, context, signal } = options;
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
