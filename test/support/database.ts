/**
 * A database of its own for each test file: cloned from one that is migrated once per set of engines.
 *
 * `close` drops it without force: Postgres refuses while a connection to it is open, so a leaked pool fails the file.
 */
import { createHash } from "node:crypto";
import { urlOfDatabase } from "../../src/engines/databases.ts";
import { migrations } from "../../src/generated/migrations.ts";
import { openPostgres, type Postgres } from "../../src/postgres/client.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { useEngines } from "./engines.ts";

export interface TestDatabase extends Postgres {
  readonly url: string;
}

/** pg_advisory_lock key: one process at a time makes the template, and nobody is connected to it while it is cloned. */
const LOCK = 7_218_460_199;

/** A migrated database, or an empty one. Call `close` when every other connection to it is closed. */
export async function createTestDatabase({ migrated = true } = {}): Promise<TestDatabase> {
  const { dbUrl } = await useEngines();
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  await withServer(dbUrl, async (server) => {
    const template = migrated ? await ensureTemplate(server, dbUrl) : "template1";
    await server.sql`create database ${server.sql(name)} template ${server.sql(template)}`;
  });
  const url = urlOfDatabase(dbUrl, name);
  const postgres = openPostgres(url, "test");
  return {
    ...postgres,
    url,
    async close() {
      await postgres.close();
      await withServer(dbUrl, ({ sql }) => sql`drop database ${sql(name)}`);
    },
  };
}

async function ensureTemplate(server: Postgres, dbUrl: string): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(migrations)).digest("hex").slice(0, 16);
  const name = `test_template_${hash}`;
  const [there] = await server.sql`select from pg_database where datname = ${name}`;
  if (there) return name;
  await server.sql`create database ${server.sql(name)}`;
  const postgres = openPostgres(urlOfDatabase(dbUrl, name), "test-template", 1);
  try {
    await migrate(postgres.sql, migrations);
  } catch (error) {
    await postgres.close();
    await server.sql`drop database ${server.sql(name)}`;
    throw error;
  } finally {
    await postgres.close();
  }
  return name;
}

async function withServer<T>(dbUrl: string, body: (server: Postgres) => Promise<T>): Promise<T> {
  const server = openPostgres(dbUrl, "test-server", 1);
  try {
    await server.sql`select pg_advisory_lock(${LOCK})`;
    return await body(server);
  } finally {
    await server.close();
  }
}
