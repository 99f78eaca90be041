/** A dead letter that was mended, its event run again, and an activity run for what it missed: on the binary, to the end of the runs. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { NatsConnection } from "nats";
import { eventually } from "../support/engines.ts";
import { connectNats } from "../support/nats-client.ts";
import { SERVER_TIMEOUT_MS, type Server } from "../support/server.ts";
import { define, envelope, finishedRuns, useServer } from "../support/shared-server.ts";

let server: Server;
let nats: NatsConnection;
beforeAll(async () => {
  server = await useServer();
  nats = await connectNats(server);
}, SERVER_TIMEOUT_MS);
afterAll(() => nats?.close());

test("a mended dead letter runs, runs again when it is asked for, and reaches an activity that was not there", async () => {
  const { id, type } = await define(server);
  const [event, second] = [envelope(type, { payload: { n: 1 } }), envelope(type, { payload: { n: 2 } })];
  const broken = { ...event, occurred_at: "yesterday" };
  await nats.jetstream().publish(`activity.${type}`, new TextEncoder().encode(JSON.stringify(broken)));
  const letter = await eventually("the dead letter is listed", async () => {
    const { body } = await server.api("/dead-letters?settled=false&reason=not_an_envelope");
    return body.find(({ carried_id }: { carried_id: string }) => carried_id === event.event_id);
  });
  const replayed = await server.api(`/dead-letters/${letter.event_id}/replay`, { json: { envelope: event } });
  expect(replayed).toMatchObject({ status: 202, body: { event_id: event.event_id, outcome: "dispatched" } });
  const [first] = await finishedRuns(server, id, 1);
  expect(first).toMatchObject({ trigger: "event", status: "succeeded", event_id: event.event_id });

  const again = await server.api(`/events/${event.event_id}/replay`, { json: {} });
  expect(again.body.activities).toMatchObject([{ activity_id: id, outcome: "run", rerun_of: first?.run_id }]);
  const runs = await finishedRuns(server, id, 2);
  expect(runs.map(({ trigger, status }) => `${trigger} ${status}`).sort()).toEqual([
    "event succeeded",
    "replay succeeded",
  ]);

  expect((await server.api("/events", { json: second })).status).toBe(202);
  await finishedRuns(server, id, 3);
  const late = await define(server, {
    trigger_config: { trigger_type: "event", event_type: type },
    flow: { max_concurrent_runs: 1 },
  });
  const range = { from: new Date(Date.now() - 600_000).toISOString(), to: new Date().toISOString() };
  const missed = await server.api(`/activity-definitions/${late.id}/replay`, { json: range });
  expect(missed.body.runs.map(({ event_id }: { event_id: string }) => event_id)).toEqual([
    ...[event.event_id, second.event_id],
  ]);
  const made = await finishedRuns(server, late.id, 2);
  expect(made.map(({ trigger, status }) => `${trigger} ${status}`)).toEqual(["replay succeeded", "replay succeeded"]);
  const nothing = await server.api(`/activity-definitions/${late.id}/replay`, { json: range });
  expect(nothing.body).toMatchObject({ looked_at: 2, ran_before: 2, runs: [], next: null });
});
