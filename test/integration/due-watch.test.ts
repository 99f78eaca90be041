/** What is remembered of the reconciler's rounds, on the real ledger. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createDueWatch } from "../../src/postgres/schedule/due-watch.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

test("rounds that end too far apart leave an absence between them, which a restart knows", async () => {
  const at = (seconds: number) => new Date(Date.UTC(2026, 0, 31, 9) + seconds * 1000);
  // Each round by another process.
  const begin = (seconds: number) => createDueWatch(database).begin(at(seconds));
  const round = async (seconds: number) => {
    const absence = await begin(seconds);
    await createDueWatch(database).end(at(seconds));
    return absence;
  };
  expect(await round(0)).toBeUndefined();
  expect(await round(5)).toBeUndefined();
  expect(await round(15)).toBeUndefined();
  expect(await round(135)).toEqual({ from: at(15), until: at(135) });
  expect(await round(140)).toEqual({ from: at(15), until: at(135) });
  // What was due before is not judged yet, so the next absence takes it along.
  expect(await round(180)).toEqual({ from: at(15), until: at(180) });
  expect(await round(185)).toEqual({ from: at(15), until: at(180) });
  for (let seconds = 190; seconds <= 300; seconds += 10) await round(seconds);
  // A round that fails does not end.
  expect(await begin(311)).toEqual({ from: at(300), until: at(311) });
  expect(await begin(320)).toEqual({ from: at(300), until: at(320) });
  expect(await round(330)).toEqual({ from: at(300), until: at(330) });
  expect(await begin(335)).toEqual({ from: at(300), until: at(330) });
});
