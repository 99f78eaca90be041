/**
 * Numbers that a JavaScript number would change, from where they are written to where they arrive: texts are compared,
 * never values.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { parseJson } from "../../src/json/parse.ts";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../../src/run/run.ts";
import { eventually } from "../support/engines.ts";
import { connectNats } from "../support/nats-client.ts";
import {
  createDirectory,
  findPorts,
  readEndpoints,
  run,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";
import { finishedRuns, listTasks } from "../support/shared-server.ts";

const ID = "175928847299117063";
const NEIGHBOUR = "175928847299117064";
/** What events bring: JSON as actcore prints it, so that its bytes can be looked for. */
const payloadOf = (id: string) =>
  `{"channel_id":${id},"ids":[9007199254740993,-9007199254740993],"price":0.12345678901234567,"big":1e+400}`;
const LITERAL = '{"token":1234567890123456789,"nested":[{"n":1e+400}]}';
const ANSWER = '{"kept":9223372036854775807}';

const bodies = new Map<string, string[]>();
const receiver = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    const { pathname } = new URL(request.url);
    bodies.set(pathname, [...(bodies.get(pathname) ?? []), await request.text()]);
    return new Response(ANSWER, { headers: { "content-type": "application/json" } });
  },
});

const definition = `name: orders
trigger_config:
  trigger_type: event
  event_type: order.created
  filters:
    channel_id: ${ID}
task_templates:
  - {key: whole, type: http, params: {url: "${receiver.url}whole"}}
  - key: literal
    type: http
    params:
      url: ${receiver.url}literal
      body: {token: 1234567890123456789, nested: [{n: 1e400}]}
---
kind: event_type
name: order.created
enforce: true
schema: {properties: {channel_id: {type: integer, minimum: ${ID}}, price: {type: number}}}
`;
const directory = createDirectory();
let server: Server;
let id: string;

beforeAll(async () => {
  await Bun.write(join(directory, "orders.yaml"), definition);
  server = await startServer({ flags: { ...(await findPorts()), definitionsDirs: directory } });
  await server.ready();
  await server.api("/admin/sync?event_types=true", { method: "POST" });
  id = await eventually("the definition is there", async () => {
    const { body } = await server.api("/activity-definitions?name=orders");
    return body[0]?.id as string | undefined;
  });
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  receiver.stop(true);
  await server?.destroy();
});

const envelopeOf = (event_id: string, payload: string) =>
  `{"event_id":"${event_id}","type":"order.created","source":"e2e","occurred_at":"2026-01-31T09:30:00Z","payload":${payload}}`;
const publish = (text: string) =>
  server.api("/events", { method: "POST", body: text, headers: { "content-type": "application/json" } });
const textOf = async (path: string) => JSON.stringify((await server.api(path)).body);
/** The bodies that arrived of a path, once there are so many. */
const arrived = (path: string, count: number) =>
  eventually(`${count} bodies at ${path}`, async () => {
    const found = bodies.get(path) ?? [];
    return found.length >= count && found;
  });

test("the definition of a file is answered with the numbers that stand in it", async () => {
  const text = await textOf(`/activity-definitions/${id}`);
  expect(text).toContain(`"filters":{"channel_id":${ID}}`);
  expect(text).toContain(`"body":${LITERAL}`);
  expect(await textOf(`/activity-definitions/${id}/versions`)).toContain(`"channel_id":${ID}`);
  expect(await textOf("/event-types/order.created")).toContain(`"minimum":${ID}`);
});

test("events over REST and over NATS arrive with their numbers as they were sent, and are answered so", async () => {
  expect((await publish(envelopeOf("rest-1", payloadOf(ID)))).status).toBe(202);
  const nats = await connectNats(server);
  await nats.jetstream().publish("activity.e2e", new TextEncoder().encode(envelopeOf("nats-1", payloadOf(ID))));
  await nats.close();

  const runs = await finishedRuns(server, id, 2);
  expect(runs.map(({ event_id, status }) => [event_id, status]).toSorted()).toEqual([
    ["nats-1", "succeeded"],
    ["rest-1", "succeeded"],
  ]);
  for (const body of await arrived("/whole", 2)) expect(body).toContain(`"payload":${payloadOf(ID)}`);
  for (const body of await arrived("/literal", 2)) expect(body).toBe(LITERAL);
  for (const event of ["rest-1", "nats-1"])
    expect(await textOf(`/events/${event}`)).toContain(`"payload":${payloadOf(ID)}`);
  for (const { run_id } of runs) {
    for (const { result } of await listTasks(server, run_id))
      expect(JSON.stringify(result)).toContain(`"body":${ANSWER}`);
  }
});

test("a filter and an enforced type tell a number from its neighbours", async () => {
  await publish(envelopeOf("neighbour", payloadOf(NEIGHBOUR)));
  const [activity] = await eventually("it is recorded", async () => {
    const { status, body } = await server.api("/events/neighbour");
    return status === 200 && (body.activities as { outcome: string; reason: string }[]);
  });
  expect(activity).toMatchObject({
    outcome: "filtered",
    reason: `payload.channel_id is ${NEIGHBOUR}, the filter wants ${ID}`,
  });
  const { status, body } = await publish(envelopeOf("below", payloadOf("175928847299117062")));
  expect(status).toBe(422);
  expect(body.errors).toEqual([
    { path: "/payload/channel_id", message: `must be >= ${ID}, received 175928847299117062` },
  ]);
});

test("a text that consists of digits is delivered as a text", async () => {
  await publish(
    '{"event_id":"text-1","type":"nobody.waits","source":"e2e","occurred_at":"2026-01-31T09:30:00Z","payload":"9007199254740993"}',
  );
  const event = await eventually("it is recorded", async () => {
    const { status, body } = await server.api("/events/text-1");
    return status === 200 && body;
  });
  expect(event.payload).toBe("9007199254740993");
});

test("a manual trigger, its rerun and a Temporal client's start keep exact numbers too", async () => {
  const before = (bodies.get("/whole") ?? []).length;
  const trigger = await server.api(`/activity-definitions/${id}/trigger`, {
    method: "POST",
    body: `{"payload":${payloadOf(NEIGHBOUR)}}`,
    headers: { "content-type": "application/json" },
  });
  await arrived("/whole", before + 1);
  await finishedRuns(server, id, 3);
  await server.api(`/runs/${trigger.body.run_id}/rerun`, { method: "POST" });
  await arrived("/whole", before + 2);

  const connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  await new Client({ connection }).workflow.execute(RUN_ACTIVITY_WORKFLOW, {
    taskQueue: ORCHESTRATOR_QUEUE,
    workflowId: "foreign-1",
    args: [id, parseJson(payloadOf(NEIGHBOUR))],
  });
  await connection.close();
  for (const body of (await arrived("/whole", before + 3)).slice(before))
    expect(body).toContain(`"payload":${payloadOf(NEIGHBOUR)}`);
}, 30_000);

test("a sync of the same file changes nothing, and one of a file with the next number changes that field", async () => {
  const sync = (...more: string[]) =>
    run([
      "sync",
      `--data-dir=${server.dataDir}`,
      `--definitions-dir=${directory}`,
      "--no-schedules",
      "--dry-run",
      ...more,
    ]);
  const same = await sync("--json");
  expect([same.code, JSON.parse(same.stdout).changes_total]).toEqual([0, 0]);

  await Bun.write(join(directory, "orders.yaml"), definition.replace(`channel_id: ${ID}`, `channel_id: ${NEIGHBOUR}`));
  expect((await sync("--json")).stdout).toContain(
    `"path":"/trigger_config/filters/channel_id","before":${ID},"after":${NEIGHBOUR}`,
  );
  expect((await sync()).stdout).toContain(`/trigger_config/filters/channel_id: ${ID} -> ${NEIGHBOUR}`);
});

test("a number that cannot be kept is refused by its path, wherever it comes in", async () => {
  const literal = "1e99999999999999999999";
  const { status, body } = await publish(envelopeOf("refused", `{"id":[${literal}]}`));
  expect([status, body.code]).toEqual([400, "number_not_kept"]);
  expect(body.errors).toEqual([{ path: "/payload/id/0", message: `${literal} is beyond what can be kept` }]);

  await Bun.write(join(directory, "orders.yaml"), definition.replace("n: 1e400", `n: ${literal}`));
  const { code, stdout } = await run(["validate", directory]);
  expect(code).toBe(1);
  expect(stdout).toContain(`orders.yaml:13: "${literal}" is no number that can be kept`);
});
