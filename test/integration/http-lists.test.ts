/** Lists over REST, each with its filters and its pages. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createTestApi, definitionOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { envelopeOf, matchedEvent } from "../support/ledger.ts";

let database: TestDatabase;
let api: TestApi;
let since: string;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
  const ledger = createEventLedger(database.db);
  for (const id of ["e1", "e2"]) await ledger.record([matchedEvent(envelopeOf(id, { type: "x" }))]);
  await Bun.sleep(2); // the next id begins in another millisecond
  since = new Date().toISOString();
  await ledger.record([matchedEvent(envelopeOf("e3", { type: "y" }))]);
  const raw = new Uint8Array([0]);
  await ledger.recordDeadLetters([{ event_id: "e4", reason: "not_json", detail: "d", subject: "activity.x", raw }]);
  for (const name of ["b", "a"])
    await api.post("/activity-definitions", { ...definitionOf(name), enabled: name === "a" });
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

test.each<[query: string, ids: string[]]>([
  ["", ["e4", "e3", "e2", "e1"]],
  ["?limit=1", ["e4", "e3", "e2", "e1"]],
  ["?limit=2&outcome=unmatched", ["e3", "e2", "e1"]],
  ["?outcome=dead_lettered", ["e4"]],
  ["?outcome=dispatched", []],
  ["?type=x", ["e2", "e1"]],
  ["?type=x&limit=1", ["e2", "e1"]],
  ["?since=SINCE", ["e4", "e3"]],
  ["?since=SINCE&type=y", ["e3"]],
  ["?since=2999-01-01T00:00:00Z", []],
])("events are listed newest first: %j", async (query, ids) => {
  expect(await api.listAll(`/events${query.replace("SINCE", since)}`, "event_id")).toEqual(ids);
});

test("an event is listed without its payload, raw bytes and outcomes, and read with them", async () => {
  const [listed] = (await api.get("/events?outcome=dead_lettered")).body;
  expect(listed).toMatchObject({ event_id: "e4", reason: "not_json" });
  expect(Object.keys(listed)).not.toContain("raw_base64");
  expect((await api.get("/events/e4")).body).toEqual({
    ...{ ...listed, payload: null, attributes: null, raw_base64: "AA==", activities: [], replays: [], refused: [] },
  });
});

test.each([
  ["", ["a", "b"]],
  ["?limit=1", ["a", "b"]],
  ["?enabled=true", ["a"]],
  ["?enabled=false", ["b"]],
  ["?trigger_type=cron", []],
  ["?source=rest&limit=1", ["a", "b"]],
  ["?source=file:x.yaml", []],
  ["?name=b", ["b"]],
  ["?name=B", []],
])("definitions are listed by name: %j", async (query, names) => {
  expect(await api.listAll(`/activity-definitions/${query}`, "name")).toEqual(names);
});

test("the audit log is listed newest first", async () => {
  expect(await api.listAll("/audit?limit=1", "action")).toEqual(["create", "create"]);
  expect(await api.listAll("/audit?actor=nobody", "action")).toEqual([]);
});
