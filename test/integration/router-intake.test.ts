/**
 * A router whose events somebody keeps from it, by the means that JetStream gives them: readiness says why, metrics say
 * nothing that is not known, the door refuses by name, and the router goes on by itself when it is changed back.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { AckPolicy, type JetStreamManager, type StreamConfig } from "nats";
import type { Config } from "../../src/kernel/config.ts";
import type { Role } from "../../src/kernel/lifecycle.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics, type Metrics } from "../../src/kernel/metrics.ts";
import { createReadiness, type Readiness } from "../../src/kernel/readiness.ts";
import { type Nats, openNats } from "../../src/nats/connection.ts";
import { CONSUMER, STREAM } from "../../src/nats/names.ts";
import { createPublisher } from "../../src/nats/publisher.ts";
import { findStreamFault } from "../../src/nats/stream-faults.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { type Connections, openConnections } from "../../src/roles/connections.ts";
import { ROLE_NEEDS } from "../../src/roles/role.ts";
import { startRouter } from "../../src/roles/router.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { createTestConfig, ENGINES_TIMEOUT_MS, eventually, removeDataDir, useEngines } from "../support/engines.ts";
import { envelopeOf } from "../support/ledger.ts";

const log = createLog("silent");
let database: TestDatabase;
let config: Config;
let nats: Nats;
let manager: JetStreamManager;
beforeAll(async () => {
  [database, config] = await Promise.all([createTestDatabase(), createTestConfig()]);
  nats = await openNats((await useEngines()).natsUrl, "test");
  manager = await nats.connection.jetstreamManager();
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await manager?.streams.delete(STREAM).catch(() => {});
  await nats?.close();
  await database?.close();
  if (config) removeDataDir(config);
});

let metrics: Metrics;
let readiness: Readiness;
let connections: Connections;
let router: Role;
let stopping: AbortController;
beforeEach(async () => {
  await manager.streams.delete(STREAM).catch(() => {});
  stopping = new AbortController();
  metrics = createMetrics();
  readiness = createReadiness({ router: ROLE_NEEDS.router });
  const endpoints = Promise.resolve({ ...(await useEngines()), dbUrl: database.url });
  connections = openConnections({ config, endpoints, readiness, metrics, log, signal: stopping.signal });
  router = startRouter({
    config,
    secrets: createSecrets({ values: {} }),
    connections,
    endpoints,
    taskTypes: TASK_TYPES,
    readiness,
    metrics,
    log,
  });
  await eventually("the router is ready", () => readiness.report().status === "ready");
});
afterEach(async () => {
  await router.drain(AbortSignal.timeout(10_000));
  stopping.abort(new Error("the test is over"));
  await connections.close();
});

const publish = (rest = {}) => createPublisher(nats).publish(envelopeOf(`e-${crypto.randomUUID()}`, rest));
const refusalOf = (published: Promise<void>) => published.then(() => undefined).catch((error: unknown) => error);
const change = (changed: Partial<StreamConfig>) => manager.streams.update(STREAM, changed);
const isReady = () => readiness.report().status === "ready";

/** The value as a scrape gives it; undefined where there is none. */
async function scrape(name: string): Promise<number | undefined> {
  const value = new RegExp(`^${name} (\\S+)$`, "m").exec(await metrics.registry.metrics())?.[1];
  return value === undefined ? undefined : Number(value);
}

async function expectFault(text: string): Promise<void> {
  const error = await eventually(`readiness says "${text}"`, () => {
    const { status, roles } = readiness.report();
    return status === "not_ready" && roles.router?.error?.includes(text) && roles.router;
  });
  expect(error).toMatchObject({ state: "waiting" });
}

/** Ready again, and an event that is published now is taken. */
async function expectRecovery(): Promise<void> {
  await eventually("the router is ready again", isReady, 30_000);
  expect(readiness.report().roles.router).not.toHaveProperty("error");
  const envelope = envelopeOf(`e-${crypto.randomUUID()}`);
  await createPublisher(nats).publish(envelope);
  const find = () => createLedgerReader(database.db).findEvent(envelope.event_id);
  expect(await eventually("the event is taken", find)).toMatchObject({ outcome: "unmatched" });
}

describe("a consumer that", () => {
  test("somebody has paused is named, what waits is counted, and it goes on when it is resumed", async () => {
    await manager.consumers.pause(STREAM, CONSUMER, new Date(Date.now() + 3_600_000));
    await expectFault(`consumer ${CONSUMER} is paused until 20`);
    for (let n = 0; n < 3; n++) await publish();
    await eventually("what waits is counted", async () => (await scrape("actcore_consumer_pending")) === 3);
    await manager.consumers.resume(STREAM, CONSUMER);
    await expectRecovery();
    await eventually("nothing waits", async () => (await scrape("actcore_consumer_pending")) === 0);
  });

  test("somebody has put in place of ours is named, and what waits is not known", async () => {
    await eventually("what waits is known", async () => (await scrape("actcore_consumer_pending")) === 0);
    await manager.consumers.delete(STREAM, CONSUMER);
    await manager.consumers.add(STREAM, { durable_name: "theirs", ack_policy: AckPolicy.Explicit });
    await expectFault("consumer");
    expect(await scrape("actcore_consumer_pending")).toBeUndefined();
    expect(await scrape("actcore_consumer_ack_pending")).toBeUndefined();
    await manager.consumers.delete(STREAM, "theirs");
    await expectRecovery();
  });

  test("gives out only some of the events is named", async () => {
    await manager.consumers.update(STREAM, CONSUMER, { filter_subject: "activity.mine" });
    await expectFault("gives out only activity.mine");
    await manager.consumers.delete(STREAM, CONSUMER);
    await expectRecovery();
  });
});

describe("a stream that", () => {
  test("no longer takes our subject in is named by readiness and by the door", async () => {
    await change({ subjects: ["theirs"] });
    await expectFault(`takes in theirs, not activity.>`);
    const error = await refusalOf(publish());
    expect(error).toMatchObject({ name: "RetryableError", code: "nats_unavailable", hint: expect.any(String) });
    await change({ subjects: ["activity.>"] });
    await expectRecovery();
  });

  test("no longer takes our subject in, while another one does, gets no event that no router would see", async () => {
    await change({ subjects: ["theirs"] });
    await manager.streams.add({ name: "OTHER", subjects: ["activity.>"] });
    try {
      expect(await refusalOf(publish())).toMatchObject({ code: "nats_unavailable" });
      expect((await manager.streams.info("OTHER")).state.messages).toBe(0);
    } finally {
      await manager.streams.delete("OTHER");
    }
  });

  test("refuses a message for its size is a refusal of that event, as too large", async () => {
    await change({ max_msg_size: 100_000 });
    const error = await refusalOf(publish({ payload: "x".repeat(200_000) }));
    expect(error).toMatchObject({ name: "TerminalError", code: "event_too_large" });
    await publish();
    // Smaller ones are taken: that bound is somebody's choice.
    expect(findStreamFault((await manager.streams.info(STREAM)).config)).toBeUndefined();
  });

  test("takes hardly any message for its size is named", async () => {
    await change({ max_msg_size: 100 });
    await expectFault("messages of at most 100 bytes");
    await change({ max_msg_size: -1 });
    await expectRecovery();
  });

  test("is sealed is named by readiness and by the door", async () => {
    await change({ sealed: true });
    await expectFault("is sealed");
    expect(await refusalOf(publish())).toMatchObject({ name: "RetryableError", code: "stream_sealed" });
    await manager.streams.delete(STREAM);
    await expectRecovery();
  });
});
