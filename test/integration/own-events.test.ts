/** The outbox of actcore's own events on a real Postgres. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { makeOwnEvent, type OwnEvent } from "../../src/event/own-event.ts";
import { inTransaction } from "../../src/postgres/client.ts";
import {
  createOwnEventOutbox,
  createOwnEventReader,
  insertOwnEvents,
} from "../../src/postgres/event/own-event-outbox.ts";
import { createSweeper } from "../../src/postgres/maintenance/sweeper.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
beforeEach(async () => {
  await database.sql`truncate actcore.own_events`;
});
afterAll(() => database?.close());

const eventOf = (subject: string) =>
  makeOwnEvent({ type: "actcore.x", subject, occasion: "1", cause: null, payload: { of: subject } }) as OwnEvent;
const write = (...subjects: string[]) => inTransaction(database.db, (tx) => insertOwnEvents(tx, subjects.map(eventOf)));
const unpublished = async () =>
  (await createOwnEventOutbox(database).listUnpublished(100)).map(({ subject }) => subject);

test("events are listed by the time of their transaction, then by id, page after page, until they are published", async () => {
  const outbox = createOwnEventOutbox(database);
  await write("c", "b");
  await write("a");
  const [first] = await outbox.listUnpublished(1);
  expect(first).toEqual({ ...eventOf("b"), created_at: first?.created_at as Date });
  expect((await outbox.listUnpublished(5, first)).map(({ subject }) => subject)).toEqual(["c", "a"]);
  await outbox.markPublished([eventOf("b").event_id, eventOf("a").event_id]);
  expect(await unpublished()).toEqual(["c"]);
});

test("an event that is written again stays as it is, and one of a transaction that fails is not there", async () => {
  await write("a");
  await createOwnEventOutbox(database).markPublished([eventOf("a").event_id]);
  await write("a");
  const failing = inTransaction(database.db, async (tx) => {
    await insertOwnEvents(tx, [eventOf("b")]);
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(await unpublished()).toEqual([]);
});

test("an event that is cut is none that the stream may bring", async () => {
  const cut: OwnEvent = { ...eventOf("b"), cut_reason: "chain_too_long" };
  await inTransaction(database.db, (tx) => insertOwnEvents(tx, [eventOf("a"), cut]));
  const reader = createOwnEventReader(database.db);
  const own = await reader.readOwnEvents([eventOf("a").event_id, cut.event_id]);
  expect([...own.keys()]).toEqual([eventOf("a").event_id]);
});

test("whoever publishes them hears of a new one at once", async () => {
  let heard = 0;
  const stop = await createOwnEventOutbox(database).onEvent(() => heard++);
  await write("a");
  expect(await eventually("the event is heard of", () => heard > 0 && heard)).toBe(1);
  await stop();
});

test("retention removes published ones only", async () => {
  await write("a", "b");
  await createOwnEventOutbox(database).markPublished([eventOf("a").event_id]);
  expect(await createSweeper(database.db).remove("own_events", new Date(Date.now() + 60_000), 10)).toBe(1);
  expect(await unpublished()).toEqual(["b"]);
});
