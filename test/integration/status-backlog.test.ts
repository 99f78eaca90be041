/** What `actcore status` says of runs, windows and dead letters that wait. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { runStatus } from "../../src/cli/status.ts";
import type { Config } from "../../src/kernel/config.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { flowWindows } from "../../src/postgres/flow-tables.ts";
import { events, runs } from "../../src/postgres/ledger-tables.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { createTestConfig, ENGINES_TIMEOUT_MS, removeDataDir } from "../support/engines.ts";
import { envelopeOf, matchedEvent } from "../support/ledger.ts";

let database: TestDatabase;
let config: Config;
beforeAll(async () => {
  database = await createTestDatabase();
  const nowhere = { natsUrl: "nats://127.0.0.1:1", temporalHost: "127.0.0.1:1" };
  config = { ...(await createTestConfig()), dbUrl: database.url, ...nowhere };
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  removeDataDir(config);
  await database?.close();
});

async function status(json: boolean): Promise<string[]> {
  const lines: string[] = [];
  await runStatus(config, { print: (line) => lines.push(line), json });
  return lines;
}

const AT = new Date("2026-11-28T10:00:00Z");
const activity = { activity_id: Bun.randomUUIDv7(), activity_name: "a" };

function addRun(status: "queued" | "running" | "succeeded", fired_at: Date) {
  const run = {
    run_id: Bun.randomUUIDv7(),
    trigger: "event" as const,
    trace_id: "t",
    workflow_id: "w",
    version_used: 1,
  };
  return database.db.insert(runs).values({ ...run, ...activity, status, fired_at });
}

function addWindow(closes_at: Date, closed_at: Date | null, flow_key: string) {
  const window = { window_id: Bun.randomUUIDv7(), activity_id: activity.activity_id, kind: "batch" as const };
  const times = { quiet_ms: 1, max_wait_ms: 2, max_events: 3 };
  return database.db
    .insert(flowWindows)
    .values({ ...window, flow_key, closes_at, closed_at, events: 1, bytes: 2, ...times });
}

test("nothing is said where nothing waits; else how much there is, and since when", async () => {
  expect((await status(false)).filter((line) => line.includes("GET /"))).toEqual([]);
  const later = new Date(AT.getTime() + 60_000);
  for (const at of [later, AT]) await addRun("queued", at);
  await addRun("running", new Date(0));
  await addRun("succeeded", new Date(0));
  await addWindow(AT, null, "open");
  await addWindow(new Date(0), AT, "closed");
  const letter = { reason: "not_json", detail: "", subject: "activity.x", raw: new Uint8Array() } as const;
  for (const event_id of ["dead-letter:1", "dead-letter:2"])
    await createEventLedger(database.db).recordDeadLetters([{ ...letter, event_id }]);
  await createEventLedger(database.db).record([matchedEvent(envelopeOf("nobody", { type: "ordre.created" }))]);
  // Own events that nobody waits for are no news, however many types of them came last.
  for (const type of ["actcore.run.succeeded", "actcore.run.failed", "actcore.run.skipped", "actcore.sync.failed"])
    await createEventLedger(database.db).record([matchedEvent(envelopeOf(type, { type }))]);
  await database.db.update(events).set({ received_at: AT });
  await database.db.update(events).set({ settled_as: "discarded", settled_at: later }).where(sql`event_id like '%2'`);

  const at = AT.toISOString();
  expect((await status(false)).filter((line) => line.includes("GET /"))).toEqual([
    `runs queued: 2, the oldest since ${at}: GET /waiting`,
    `windows open: 1, the next closes at ${at}: GET /waiting`,
    `dead letters to look at: 1, the newest of ${at}: GET /dead-letters`,
    "unmatched events in the last day: 1 of ordre.created: GET /unmatched-event-types",
  ]);
  expect(JSON.parse((await status(true)).join(""))).toMatchObject({
    overdue: [],
    queued_runs: { count: 2, since: at },
    open_windows: { count: 1, next_closes_at: at },
    dead_letters: { count: 1, last_at: at },
    unmatched: [{ type: "ordre.created", count: 1, sample_event_id: "nobody", nearest: null }],
  });
});
