import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { runMigrate } from "../../src/cli/migrate.ts";
import { urlOfDatabase } from "../../src/engines/databases.ts";
import { migrations } from "../../src/generated/migrations.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { openPostgres } from "../../src/postgres/client.ts";
import { migrate, requireMigrated } from "../../src/postgres/migrate.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, useEngines } from "../support/engines.ts";

const names = migrations.map(({ name }) => name);
let database: TestDatabase;
beforeAll(() => useEngines(), ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  database = await createTestDatabase({ migrated: false });
});
afterEach(() => database.close());

test("an empty database gets every migration in order, and a second time none", async () => {
  expect(await migrate(database.sql, migrations)).toEqual(names);
  expect(await migrate(database.sql, migrations)).toEqual([]);
});

test("who only looks migrates nothing, and says what is missing", async () => {
  await expect(requireMigrated(database.sql, migrations)).rejects.toMatchObject({ code: "schema_outdated" });
  expect(await migrate(database.sql, migrations)).toEqual(names);
  await requireMigrated(database.sql, migrations);
});

test("ten processes at once apply each migration once", async () => {
  const pools = Array.from({ length: 10 }, () => openPostgres(database.url, "test", 1));
  try {
    const applied = await Promise.all(pools.map(({ sql }) => migrate(sql, migrations)));
    expect(applied.flat()).toEqual(names);
  } finally {
    await Promise.all(pools.map((pool) => pool.close()));
  }
});

test("a migration that fails leaves nothing of itself behind", async () => {
  const broken = [...migrations, { name: "9999_broken", sql: "create table actcore.half (); select nonsense" }];
  await expect(migrate(database.sql, broken)).rejects.toThrow("nonsense");
  const [row] = await database.sql`select to_regclass('actcore.half') as half, to_regclass('actcore.runs') as runs`;
  expect(row).toEqual({ half: null, runs: null });
  expect(await migrate(database.sql, migrations)).toEqual(names);
});

test("a schema of a newer actcore is refused and left as it is", async () => {
  const newer = [...migrations, { name: "9999_newer", sql: "select 1" }];
  await migrate(database.sql, newer);
  await expect(migrate(database.sql, migrations)).rejects.toMatchObject({
    code: "schema_unknown",
    message: expect.stringContaining("9999_newer is unknown"),
  });
  expect(await migrate(database.sql, newer)).toEqual([]);
});

test("a migration that was changed after it was applied is refused", async () => {
  await migrate(database.sql, migrations);
  const changed = migrations.map(({ name, sql }) => ({ name, sql: `${sql}\n` }));
  await expect(migrate(database.sql, changed)).rejects.toMatchObject({
    code: "schema_unknown",
    message: expect.stringContaining(`${names[0]} differs`),
  });
});

test("an up-to-date schema needs no right to change it", async () => {
  await migrate(database.sql, migrations);
  const readOnly = openPostgres(database.url, "test", 1);
  try {
    await readOnly.sql`set default_transaction_read_only = on`;
    expect(await migrate(readOnly.sql, migrations)).toEqual([]);
  } finally {
    await readOnly.close();
  }
});

describe("`actcore migrate` says what is wrong, as an error of ours,", () => {
  const migrateOn = (dbUrl: string) => runMigrate({ config: loadConfig({ dbUrl }, {}), print: () => {} });
  const withUser = (username: string, password: string) =>
    Object.assign(new URL(database.url), { username, password }).href;

  test("where the password, the user or the database is", async () => {
    for (const url of [
      withUser("actcore", "guess"),
      withUser("actcore", ""),
      withUser("nobody", "guess"),
      urlOfDatabase(database.url, "nowhere"),
    ])
      await expect(migrateOn(url)).rejects.toMatchObject({
        code: "postgres_login_refused",
        hint: expect.stringContaining("ACTCORE_DB_URL"),
      });
  });

  test("where nothing listens", async () => {
    await expect(migrateOn("postgresql://u:p@127.0.0.1:1/x")).rejects.toMatchObject({ code: "postgres_unavailable" });
  });

  test("where the user may not make the schema", async () => {
    const name = `guest_${crypto.randomUUID().slice(0, 8)}`;
    await database.sql.unsafe(`create role ${name} login password 'guest'`);
    try {
      await expect(migrateOn(withUser(name, "guest"))).rejects.toMatchObject({ code: "postgres_not_permitted" });
    } finally {
      await database.sql.unsafe(`drop role ${name}`);
    }
  });
});
