/** A server killed in the middle of its work: nothing accepted is lost (I2), nothing runs twice (I1), nothing is left. */
import { afterAll, expect, test } from "bun:test";
import type { DueTimeView } from "../../src/explain/due-time-views.ts";
import { eventually } from "../support/engines.ts";
import { findAllOf } from "../support/leash.ts";
import { connectNats, countMessages } from "../support/nats-client.ts";
import { createDirectory, readStatus, removeDirectory, SERVER_TIMEOUT_MS, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns, listRuns, listTasks } from "../support/shared-server.ts";

const EVENTS = 500;

const dataDir = createDirectory();
afterAll(() => removeDirectory(dataDir), SERVER_TIMEOUT_MS);

test(`a server killed in a burst of ${EVENTS} events and started again makes exactly ${EVENTS} runs, and clears the first one's engines`, async () => {
  const first = await startServer({ dataDir });
  await first.ready();
  const definition = await define(first);
  const before = await readStatus(first);
  const nats = await connectNats(first);
  const events = Array.from({ length: EVENTS }, () => envelope(definition.type));
  for (const event of events) {
    // Acknowledged, so all of them are accepted; a few at once, so that the router is in the middle of it.
    await nats.jetstream().publish("activity.burst", JSON.stringify(event));
  }
  await eventually("some runs are done", async () =>
    (await listRuns(first, definition.id)).some(({ status }) => status === "succeeded"),
  );
  const unfinished = async () => {
    const runs = await listRuns(first, definition.id);
    return EVENTS - runs.filter(({ status }) => status === "succeeded").length;
  };
  const left = await unfinished();
  first.kill("SIGKILL");
  expect(await first.exited).toBe("SIGKILL");
  await nats.close();
  console.log(`killed with ${left} of ${EVENTS} runs not done`);
  expect(left).toBeGreaterThan(0);
  const killed = await readStatus(first);
  expect(killed.holder).toBeNull();
  expect(killed.engines.map(({ pid, state }) => ({ pid, state }))).toEqual(
    before.engines.map(({ pid }) => ({ pid, state: "left over" })),
  );
  expect(killed.engines[0]?.error).toContain(`a server that was killed (pid ${first.pid}): the next start ends it`);

  const start = performance.now();
  const second = await startServer({ dataDir, flags: first.flags });
  await second.ready();
  console.log(`ready again after ${Math.round(performance.now() - start)} ms`);
  const alive = new Set(findAllOf(dataDir).map(({ pid }) => pid));
  expect(before.engines.map(({ pid }) => alive.has(pid))).toEqual([false, false, false, false]);
  expect(second.stderr()).toContain("ended the engines of a server that was killed");

  const runs = await finishedRuns(second, definition.id, EVENTS, 60_000);
  const natsAgain = await connectNats(second);
  await eventually("the stream is empty", async () => (await countMessages(natsAgain)) === 0);
  await natsAgain.close();
  const all = await listRuns(second, definition.id);
  expect(all).toHaveLength(EVENTS);
  expect(new Set(all.map(({ event_id }) => event_id))).toEqual(new Set(events.map(({ event_id }) => event_id)));
  expect(runs.filter(({ status }) => status !== "succeeded")).toEqual([]);
  second.kill("SIGTERM");
  expect(await second.exited).toBe(0);
}, 120_000);

test("what a kill cut, and what was due until the next start, did not run because of the kill, and says so", async () => {
  // Takes requests and never answers.
  const receiver = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const directory = createDirectory();
  const first = await startServer({ dataDir: directory });
  await first.ready();
  const params = { method: "POST", url: `http://127.0.0.1:${receiver.port}/` };
  const { id } = await define(first, {
    trigger_config: { trigger_type: "interval", every: "2s" },
    task_templates: [{ key: "long", type: "http", timeout: "1h", params, retry: { max_attempts: 1 } }],
  });
  const cut = await eventually("a run is going", async () => (await listRuns(first, id))[0]);
  // Longer than a round of the reconciler, so that some due times before the kill are the run's.
  await Bun.sleep(12_000);
  first.kill("SIGKILL");
  await first.exited;
  const from = new Date();
  await Bun.sleep(15_000);
  const second = await startServer({ dataDir: directory, flags: first.flags });
  await second.ready();
  const to = new Date();
  try {
    await eventually("the run is closed", async () => (await listRuns(second, id)).at(-1)?.status === "failed", 30_000);
    const [task] = await listTasks(second, cut.run_id);
    expect(task).toMatchObject({ status: "failed", attempts: 1, error: { code: "worker_lost" } });
    const outcomesOf = async (after: Date, until: Date) => {
      const query = `from=${after.toISOString()}&to=${until.toISOString()}&limit=500`;
      const { body } = await second.api<DueTimeView[]>(`/activity-definitions/${id}/occurrences?${query}`);
      return body.map(({ outcome, reason }) => `${outcome} ${reason}`);
    };
    await eventually(
      "each due time has its outcome",
      async () => (await outcomesOf(from, to)).every((outcome) => !outcome.startsWith("pending")),
      40_000,
    );
    const outage = await outcomesOf(from, to);
    expect(outage.length).toBeGreaterThan(7);
    expect(new Set(outage)).toEqual(new Set(["skipped missed"]));
    // Until the last round before the kill, the run was known to be going.
    const before = await outcomesOf(new Date(from.getTime() - 11_000), new Date(from.getTime() - 7_000));
    expect(new Set(before)).toEqual(new Set(["skipped overlap"]));
  } finally {
    receiver.stop(true);
    second.kill("SIGKILL");
    await second.exited;
    await removeDirectory(directory);
  }
}, 180_000);
