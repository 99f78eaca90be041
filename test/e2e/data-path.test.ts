/** From a definition and an event to a finished task, as a user of the REST API sees it. */
import { beforeAll, describe, expect, test } from "bun:test";
import { lookup } from "node:dns/promises";
import { hostname } from "node:os";
import { Client, Connection } from "@temporalio/client";
import { eventually } from "../support/engines.ts";
import { type Received, startReceiver } from "../support/http-receiver.ts";
import { readEndpoints, SERVER_TIMEOUT_MS, type Server } from "../support/server.ts";
import { define, envelope, finishedRuns, listTasks, useServer } from "../support/shared-server.ts";

const HOUR_MS = 3_600_000;
/** A machine's own name leads to one of its addresses; on most it is known. */
const leadsToThisHost = await lookup(hostname()).then(
  () => true,
  () => false,
);

let server: Server;
beforeAll(async () => {
  server = await useServer();
}, SERVER_TIMEOUT_MS);

/** Publishes one event to a new definition with these tasks, and answers its one run and that run's tasks. */
async function runOnce(task_templates: object[]) {
  const definition = await define(server, { task_templates });
  const event = envelope(definition.type, { trace_id: "4bf92f3577b34da6a3ce929d0e0e4736", payload: { seats: 4 } });
  const published = await server.api("/events", { json: event });
  expect(published.status).toBe(202);
  const runs = await finishedRuns(server, definition.id);
  expect(runs).toHaveLength(1);
  const run = runs[0] as (typeof runs)[number];
  return { definition, event, run, tasks: await listTasks(server, run.run_id) };
}

const http = (url: string) => ({
  key: "call",
  type: "http",
  params: { method: "POST", url },
  retry: { max_attempts: 5, initial_interval: "100ms" },
});

describe("an event published over REST", () => {
  test("becomes one finished run whose log task succeeded, and says so itself", async () => {
    const { definition, event, run, tasks } = await runOnce([{ key: "note", type: "log", params: { message: "hi" } }]);
    expect(run).toMatchObject({ status: "succeeded", trigger: "event", event_id: event.event_id });
    expect(run.workflow_id).toBe(`activity-${definition.id}:${event.event_id}`);
    expect(tasks).toMatchObject([{ key: "note", status: "succeeded", attempts: 1 }]);

    const { body } = await server.api(`/events/${event.event_id}`);
    expect(body.outcome).toBe("dispatched");
    expect(body.activities).toMatchObject([{ activity_id: definition.id, outcome: "run", run_id: run.run_id }]);
  });

  test("that comes twice runs once", async () => {
    const definition = await define(server);
    const event = envelope(definition.type);
    await server.api("/events", { json: event });
    await finishedRuns(server, definition.id);
    await server.api("/events", { json: event });
    // The router takes in order: what came later is settled later.
    const other = envelope(definition.type);
    await server.api("/events", { json: other });
    const runs = await finishedRuns(server, definition.id, 2);
    expect(runs.map(({ event_id }) => event_id).sort()).toEqual([event.event_id, other.event_id].sort());
  });

  test("that no definition waits for is looked up as unmatched, and one that is filtered out says by what", async () => {
    const definition = await define(server, {
      trigger_config: { trigger_type: "event", event_type: "filtered.happened", filters: { tier: "pro" } },
    });
    const [unmatched, filtered] = [
      envelope("nobody.waits"),
      envelope("filtered.happened", { payload: { tier: "free" } }),
    ];
    for (const event of [unmatched, filtered]) await server.api("/events", { json: event });
    const read = (id: string) =>
      eventually("the event is settled", async () => {
        const { status, body } = await server.api(`/events/${id}`);
        return status === 200 && body;
      });
    expect(await read(unmatched.event_id)).toMatchObject({ outcome: "unmatched", activities: [] });
    expect(await read(filtered.event_id)).toMatchObject({
      outcome: "dispatched",
      activities: [
        {
          activity_id: definition.id,
          outcome: "filtered",
          reason: 'payload.tier is "free", the filter wants "pro"',
        },
      ],
    });
  });
});

describe("an http task", () => {
  test("sends its Idempotency-Key, and the event's trace id in traceparent", async () => {
    const receiver = startReceiver(200);
    try {
      const { event, tasks } = await runOnce([http(`${receiver.url}hook`)]);
      const [task] = tasks;
      expect(task).toMatchObject({
        status: "succeeded",
        attempts: 1,
        result: { status: 200, body: { answered: 200 } },
      });
      expect(receiver.received).toHaveLength(1);
      const { path, headers, body } = receiver.received[0] as Received;
      expect(path).toBe("/hook");
      expect(headers["idempotency-key"]).toBe(task?.idempotency_key ?? "");
      expect(headers.traceparent).toMatch(new RegExp(`^00-${event.trace_id}-[0-9a-f]{16}-01$`));
      expect(JSON.parse(body).event).toMatchObject({ event_id: event.event_id, payload: { seats: 4 } });
    } finally {
      receiver.stop();
    }
  });

  test("is tried again after a 500, with the same Idempotency-Key", async () => {
    const receiver = startReceiver(500, 500, 200);
    try {
      const { run, tasks } = await runOnce([http(receiver.url)]);
      expect(run.status).toBe("succeeded");
      expect(tasks).toMatchObject([{ status: "succeeded", attempts: 3, error: null }]);
      expect(receiver.received.map(({ headers }) => headers["idempotency-key"])).toEqual(
        Array(3).fill(tasks[0]?.idempotency_key),
      );
    } finally {
      receiver.stop();
    }
  });

  test("is tried again after a 429 whose Retry-After is zero", async () => {
    let tries = 0;
    const receiver = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(null, { status: ++tries < 3 ? 429 : 200, headers: { "retry-after": "0" } }),
    });
    try {
      const { run, tasks } = await runOnce([http(receiver.url.href)]);
      expect(run.status).toBe("succeeded");
      expect(tasks).toMatchObject([{ status: "succeeded", attempts: 3 }]);
    } finally {
      receiver.stop(true);
    }
  });

  test.skipIf(!leadsToThisHost)("fails at once when a name leads to an engine of this host", async () => {
    const { run, tasks } = await runOnce([http(`http://${hostname()}:${server.flags.natsMonitorPort}/varz`)]);
    expect(run.status).toBe("failed");
    expect(tasks).toMatchObject([{ status: "failed", attempts: 1, error: { code: "http_forbidden" } }]);
    expect(tasks[0]?.error.message).toContain("NATS monitoring, an engine of actcore itself");
  });

  test("fails at once after a 404, and its run with it", async () => {
    const receiver = startReceiver(404);
    try {
      const { run, tasks } = await runOnce([http(receiver.url)]);
      expect(run.status).toBe("failed");
      expect(run.error).toContain("call");
      expect(tasks).toMatchObject([{ status: "failed", attempts: 1, error: { code: "http_status" } }]);
      expect(receiver.received).toHaveLength(1);
    } finally {
      receiver.stop();
    }
  });
});

test("an enabled cron definition has a Temporal Schedule that fires it", async () => {
  const definition = await define(server, {
    // The due time that it is asked for may be an hour ago.
    trigger_config: { trigger_type: "cron", cron_expression: "0 * * * *", misfire_grace: "2h" },
  });
  const connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  try {
    const handle = new Client({ connection }).schedule.getHandle(`activity-schedule-${definition.id}`);
    const schedule = await eventually("the schedule exists", () => handle.describe().catch(() => undefined));
    expect(schedule.state.paused).toBe(false);
    expect(schedule.action).toMatchObject({ workflowType: "RunActivityWorkflow", taskQueue: "orchestrator-tq" });
    const [next, afterNext] = schedule.info.nextActionTimes;
    expect(Number(afterNext) - Number(next)).toBe(HOUR_MS);

    // The same way that a due time takes, without waiting for the hour to end.
    const due = new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS);
    await handle.backfill({ start: due, end: due, overlap: "ALLOW_ALL" });
    const [run] = await finishedRuns(server, definition.id);
    expect(run).toMatchObject({ status: "succeeded", trigger: "cron", scheduled_for: due.toISOString() });
  } finally {
    await connection.close();
  }
});

test("one scrape has actcore's own metrics and those of Temporal's SDK", async () => {
  const definition = await define(server);
  await server.api("/events", { json: envelope(definition.type) });
  await finishedRuns(server, definition.id);
  const value = (text: string, series: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(series))
        ?.split(" ")[1],
    );
  const text = await eventually("the counters have moved", async () => {
    const { text } = await server.monitor("/metrics");
    return value(text, 'actcore_runs_total{status="succeeded"}') > 0 && text;
  });
  expect(value(text, 'actcore_events_total{outcome="dispatched"}')).toBeGreaterThan(0);
  expect(value(text, 'actcore_task_attempts_total{type="log",status="succeeded"}')).toBeGreaterThan(0);
  expect(value(text, "actcore_run_start_latency_seconds_count")).toBeGreaterThan(0);
  expect(text).toMatch(/^actcore_consumer_pending \d/m);
  expect(text).toMatch(/^temporal_workflow_completed\w*\{.*\} [1-9]/m);
});

test("workflows of others on our queue are one series in the scrape, however many types there are", async () => {
  const connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  const client = new Client({ connection });
  const types = Array.from({ length: 10 }, () => `Theirs${crypto.randomUUID()}`);
  try {
    const handles = await Promise.all(
      types.map((type) => client.workflow.start(type, { workflowId: type, taskQueue: "orchestrator-tq" })),
    );
    const text = await eventually("all of them have failed", async () => {
      const { text } = await server.monitor("/metrics");
      const failed = /^temporal_workflow_task_execution_failed\w*\{.*workflow_type="other".*\} (\d+)$/m.exec(text);
      return Number(failed?.[1]) >= types.length && text;
    });
    await Promise.all(handles.map((handle) => handle.terminate()));
    expect(text).not.toMatch(/Theirs/);
    const series = [...text.matchAll(/^.*workflow_type="other".*(?= )/gm)].map(String);
    expect(series).toEqual([...new Set(series)]);
  } finally {
    await connection.close();
  }
});
