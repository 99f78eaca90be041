/** A pool whose server goes away in the middle of its work: afterwards it works as before, and no transaction was torn. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { guarded, openPostgres } from "../../src/postgres/client.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ migrated: false });
  await database.sql`create table pairs (pair uuid, half text)`;
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

/** Ends every session of the pool at once, as a server does that goes down. */
async function terminatePool(name: string): Promise<void> {
  await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${`actcore-${name}`}`;
}

test("a pool that lost its sessions under transactions answers every later query", async () => {
  const pool = openPostgres(database.url, "lost-under-writers");
  try {
    for (let round = 0; round < 5; round++) {
      const writers = Array.from({ length: 14 }, () =>
        pool.db.transaction(async (tx) => {
          for (let write = 0; write < 20; write++) await tx.execute(`select ${write}, pg_sleep(0.002)`);
        }),
      );
      const settled = Promise.allSettled(writers);
      await Bun.sleep(15);
      await terminatePool("lost-under-writers");
      await settled;
      // More than the pool has connections: each of them is asked.
      const answers = await Promise.allSettled(
        Array.from({ length: 40 }, (_, n) => pool.sql`select ${n}::int as n, pg_sleep(0.01)`),
      );
      expect(answers.filter(({ status }) => status === "rejected")).toEqual([]);
    }
  } finally {
    await pool.close();
  }
}, 60_000);

test("a transaction whose session was lost writes nothing more, also when its connection was made anew", async () => {
  const pool = openPostgres(database.url, "lost-transaction", 1);
  const pair = crypto.randomUUID();
  try {
    const writing = pool.sql.begin(async (tx) => {
      await tx`insert into pairs values (${pair}, 'first')`;
      await terminatePool("lost-transaction");
      // The pool's one connection is wanted by somebody else meanwhile, and made anew for that.
      await Bun.sleep(50);
      await pool.sql`select 1`;
      await tx`insert into pairs values (${pair}, 'second')`;
    });
    expect(await writing.catch((error) => error.code)).toBe("CONNECTION_CLOSED");
    await Bun.sleep(50);
    expect([...(await pool.sql`select half from pairs where pair = ${pair}`)]).toEqual([]);
  } finally {
    await pool.close();
  }
});

test("statements that wait for their turn in a lost transaction are refused with it", async () => {
  const pool = openPostgres(database.url, "lost-waiting", 1);
  try {
    const statements: Promise<unknown>[] = [];
    const writing = pool.sql.begin(async (tx) => {
      for (let n = 0; n < 5; n++) statements.push(tx`select ${n}::int, pg_sleep(0.5)`.execute());
      await Promise.allSettled(statements);
    });
    await Bun.sleep(100);
    await terminatePool("lost-waiting");
    expect((await Promise.allSettled([writing, ...statements])).map(({ status }) => status)).toEqual(
      Array(6).fill("rejected"),
    );
    expect([...(await pool.sql`select 1 as one`)]).toEqual([{ one: 1 }]);
  } finally {
    await pool.close();
  }
});

test("a listener whose session was lost hears again", async () => {
  const pool = openPostgres(database.url, "lost-listener", 2);
  const heard: string[] = [];
  let listening = 0;
  try {
    await pool.sql.listen(
      "changes",
      (payload) => heard.push(payload),
      () => listening++,
    );
    for (let round = 1; round <= 3; round++) {
      await terminatePool("lost-listener");
      await eventually("it listens again", () => listening === round + 1);
      await pool.sql.notify("changes", `round ${round}`);
      await eventually("it hears", () => heard.length === round);
    }
    expect(heard).toEqual(["round 1", "round 2", "round 3"]);
  } finally {
    await pool.close();
  }
});

test("a server that closes every connection at its start is an error, and is not connected to without a pause", async () => {
  let connections = 0;
  // What a proxy does that has lost the server behind it.
  const proxy = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        connections++;
        socket.end();
      },
      data() {},
    },
  });
  const pool = openPostgres(`postgresql://nobody:x@127.0.0.1:${proxy.port}/nothing`, "closed-at-start", 1);
  try {
    for (let n = 0; n < 3; n++)
      expect(await guarded(pool.sql`select 1`).catch((error) => error.code)).toBe("postgres_unavailable");
    expect(connections).toBe(3);
  } finally {
    await pool.close();
    proxy.stop(true);
  }
});
