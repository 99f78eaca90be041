/** The short form of `make chaos`: each scenario once or twice, on one server. */
import { afterAll, beforeAll, describe, test } from "bun:test";
import {
  createDirectory,
  removeDirectory,
  SERVER_TIMEOUT_MS,
  type Server,
  type ServerOptions,
  startServer,
} from "../support/server.ts";
import { endCommands } from "./commands.ts";
import { killWorkersUnderFanOut } from "./fan-out.ts";
import { killAmidGates } from "./gates.ts";
import { stopTemporal } from "./misfire.ts";
import * as outages from "./outages.ts";
import { floodWithPoison } from "./poison.ts";
import { killPostgres } from "./postgres.ts";
import * as scenarios from "./scenarios.ts";
import { loadSlowReceiver } from "./slow-receivers.ts";
import { killAmidWindows } from "./windows.ts";

const dataDir = createDirectory();
const ground = { dataDir, start: (options: ServerOptions = {}) => startServer({ dataDir, ...options }) };
afterAll(() => removeDirectory(dataDir), SERVER_TIMEOUT_MS);

test("events published twice, and the server killed twice on the way, run once each", async () => {
  const server = await scenarios.killServer(ground, 60, 2);
  server.kill("SIGTERM");
  await server.exited;
}, 240_000);

test("slow receivers hold up no other run, and see one Idempotency-Key per task through a kill", async () => {
  const server = await loadSlowReceiver(ground, { seconds: 5, maxStartMs: 5000 });
  server.kill("SIGTERM");
  await server.exited;
}, 240_000);

describe("engines that run by themselves", () => {
  let engines: Server;
  beforeAll(async () => {
    engines = await ground.start({ command: "engines" });
  }, SERVER_TIMEOUT_MS);
  afterAll(async () => {
    engines.kill("SIGTERM");
    await engines.exited;
  }, SERVER_TIMEOUT_MS);

  test(
    "do a run of many tasks to its end although its workers are killed, each Idempotency-Key applied once",
    () => killWorkersUnderFanOut(ground, engines, { tasks: 100, kills: 1, everyMs: 1_500, answerAfterMs: 500 }),
    240_000,
  );

  test(
    "keep no process of commands that are ended at random moments, and each has its reason",
    () => endCommands(ground, engines, { rounds: 2, commandsPerRound: 12 }),
    240_000,
  );

  test(
    "keep events that are gathered while the router and the worker are killed: each is in one run, and none waits too long",
    () => killAmidWindows(ground, engines, { kills: 2, amidPublishing: false }),
    120_000,
  );

  test(
    "let no more runs go and begin than may, and lose none of those that wait, through a kill",
    () => killAmidGates(ground, engines, { kills: 1, eventsPerKill: 12 }),
    120_000,
  );

  test("lose nothing and repeat nothing when routers are killed at each point of their way", async () => {
    const worker = await ground.start({ roles: "api,worker", flags: engines.flags });
    try {
      await worker.ready(60_000);
      await scenarios.killRouterAt(worker, scenarios.POINTS, 1);
    } finally {
      worker.kill("SIGTERM");
      await worker.exited;
    }
  }, 180_000);
});

describe("a whole server", () => {
  let server: Server;
  let deleted: scenarios.Deleted;
  beforeAll(async () => {
    server = await ground.start();
    await server.ready(60_000);
    // Long before they are asked for: the other scenarios go on while the engine forgets.
    deleted = await scenarios.deleteWorkflows(server, 5);
  }, SERVER_TIMEOUT_MS);
  afterAll(async () => {
    server.kill("SIGTERM");
    await server.exited;
  }, SERVER_TIMEOUT_MS);

  test("goes on with a stream that was deleted and made anew", () => scenarios.loseStream(server, 10), 120_000);
  test(
    "sees a definition in the event that follows its answer (I4)",
    () => scenarios.publishAtOnce(server, 25),
    120_000,
  );

  test(
    "answers every request again after Postgres was killed under writers, and no change is torn",
    () => killPostgres(server, 1),
    120_000,
  );

  test(
    "keeps each bad message of a flood with its reason, and starts the good ones in time",
    () => floodWithPoison(server, { events: 110, perSecond: 20, maxStartMs: 10_000 }),
    60_000,
  );
  test(
    "has run everything soon after sessions of Postgres were ended again and again",
    () => outages.terminateSessions(server, 2),
    60_000,
  );
  test(
    "has run everything soon after Temporal was stopped, and says meanwhile what it waits for",
    () => outages.stopTemporalUnderEvents(server, 4),
    60_000,
  );
  test("answers 503 with Retry-After where the stream is full", () => outages.fillStream(server), 30_000);

  test(
    "Temporal stopped for half a minute leaves no due time without a run or a reason, by policy",
    () => stopTemporal(server, { everySeconds: 5, stoppedMs: 30_000 }),
    240_000,
  );
  test("does not run again what the engine has forgotten", () => scenarios.repeatForgotten(server, deleted), 360_000);
});
