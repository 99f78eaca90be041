/**
 * Migrations: compiled into the binary, applied in order, each once.
 *
 *   M1. One transaction under one advisory lock holds all that are missing: any number of processes may start at once.
 *   M2. A schema with a migration that this binary does not know, or knows otherwise, is refused: it is newer than us.
 *   M3. A schema that is up to date is only read: a role without the right to change tables starts.
 */
import { createHash } from "node:crypto";
import { TerminalError } from "../kernel/errors.ts";
import type { ISql, Sql } from "./client.ts";

export interface Migration {
  name: string;
  sql: string;
}

/** pg_advisory_xact_lock key: "actcore migrate". */
const LOCK = 7_218_460_125;

/**
 * Brings the schema up to date.
 * @returns the names of the migrations that this call applied
 * @throws TerminalError `schema_unknown` (M2)
 */
export async function migrate(sql: Sql, migrations: readonly Migration[]): Promise<string[]> {
  if (findMissing(await readApplied(sql), migrations).length === 0) return [];
  return sql.begin(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(${LOCK})`;
    await transaction`create schema if not exists actcore`;
    await transaction`create table if not exists actcore.migrations
      (name text primary key, hash text not null, applied_at timestamptz not null default now())`;
    const missing = findMissing(await readApplied(transaction), migrations);
    for (const migration of missing) {
      await transaction.unsafe(migration.sql);
      await transaction`insert into actcore.migrations (name, hash) values (${migration.name}, ${hashOf(migration)})`;
    }
    return missing.map(({ name }) => name);
  });
}

/**
 * For a command that changes nothing, not even the schema: another actcore, which runs on it, could not start again.
 * @throws TerminalError `schema_outdated`, `schema_unknown` (M2)
 */
export async function requireMigrated(sql: Sql, migrations: readonly Migration[]): Promise<void> {
  const missing = findMissing(await readApplied(sql), migrations).map(({ name }) => name);
  if (missing.length === 0) return;
  throw new TerminalError("schema_outdated", `the database's schema lacks ${missing.join(", ")}`, {
    hint: "Run `actcore migrate`, or start the server of this release, first",
  });
}

async function readApplied(sql: ISql): Promise<Map<string, string>> {
  const [present] = await sql`select to_regclass('actcore.migrations') is not null as yes`;
  if (!present?.yes) return new Map();
  const rows = await sql<{ name: string; hash: string }[]>`select name, hash from actcore.migrations`;
  return new Map(rows.map(({ name, hash }) => [name, hash]));
}

function findMissing(applied: ReadonlyMap<string, string>, known: readonly Migration[]): Migration[] {
  const names = new Set(known.map(({ name }) => name));
  const unknown = [...applied.keys()].filter((name) => !names.has(name));
  const changed = known.filter(
    (migration) => applied.has(migration.name) && applied.get(migration.name) !== hashOf(migration),
  );
  if (unknown.length > 0 || changed.length > 0)
    throw new TerminalError(
      "schema_unknown",
      `the database's schema is not one that this actcore knows: ${[
        ...unknown.map((name) => `${name} is unknown`),
        ...changed.map(({ name }) => `${name} differs`),
      ].join(", ")}`,
      {
        hint: "Run the newer actcore that migrated it, or give this one a database of its own with ACTCORE_DB_URL",
      },
    );
  return known.filter(({ name }) => !applied.has(name));
}

function hashOf({ sql }: Migration): string {
  return createHash("sha256").update(sql).digest("hex");
}
