/** `make chaos`: every scenario at its full size, with the compiled binary. Ends with `N passed, N failed`. */

import { existsSync } from "node:fs";
import { createDirectory, removeDirectory, type ServerOptions, startServer } from "../support/server.ts";
import { CRON, runBesideCron } from "./beside-cron.ts";
import { endCommands } from "./commands.ts";
import { killWorkersUnderFanOut } from "./fan-out.ts";
import { killAmidGates } from "./gates.ts";
import { stopTemporal } from "./misfire.ts";
import * as outages from "./outages.ts";
import { floodWithPoison } from "./poison.ts";
import { killPostgres } from "./postgres.ts";
import * as scenarios from "./scenarios.ts";
import { loadSlowReceiver } from "./slow-receivers.ts";
import { killAmidWindows, meetOneKey } from "./windows.ts";

const only = process.argv[2];
const dataDir = createDirectory();
const ground: scenarios.Ground = {
  dataDir,
  start: (options: ServerOptions = {}) => startServer({ dataDir, ...options }),
};
let passed = 0;
let failed = 0;

async function scenario(title: string, body: () => Promise<void>): Promise<void> {
  if (only !== undefined && !title.includes(only)) return;
  const startedMs = Date.now();
  try {
    await body();
    passed++;
    console.log(`(pass) ${title} [${Math.round((Date.now() - startedMs) / 1000)} s]`);
  } catch (error) {
    failed++;
    console.log(`(fail) ${title}: ${(error as Error).message}`);
  }
}

try {
  await scenario("1,000 events, each twice, the server killed five times: 1,000 runs", async () => {
    const server = await scenarios.killServer(ground, 1000, 5);
    server.kill("SIGTERM");
    await server.exited;
  });

  await scenario(
    "20 runs/s whose receiver takes 4 s: others start in time; killed in the midst, one key each",
    async () => {
      const server = await loadSlowReceiver(ground, { seconds: 60, maxStartMs: 1000 });
      server.kill("SIGTERM");
      await server.exited;
    },
  );

  // Workers and routers come and go, so the engines run alone.
  const engines = await ground.start({ command: "engines" });
  await scenario("500 http tasks of one run, their worker killed every 10 s: each Idempotency-Key applied once", () =>
    killWorkersUnderFanOut(ground, engines, { tasks: 500, kills: 4, everyMs: 10_000, answerAfterMs: 3_000 }),
  );
  await scenario(
    "200 commands ended by kills, stops, cancellations and timeouts: none left, each with its reason",
    () => endCommands(ground, engines, { rounds: 10, commandsPerRound: 20 }),
  );
  await scenario(
    "events gathered by debounce and batch, killed 20 times in mid-window: each in one run, max_wait kept",
    () => killAmidWindows(ground, engines, { kills: 20, amidPublishing: true }),
  );
  await scenario("four routers, 500 dedupe keys, four events of a key at one moment: one run each", () =>
    meetOneKey(ground, engines, 500),
  );
  await scenario(
    "runs that wait for others and for their rate, killed 20 times: one each, never too many, no place lost",
    () => killAmidGates(ground, engines, { kills: 20, eventsPerKill: 10 }),
  );
  const worker = await ground.start({ roles: "api,worker", flags: engines.flags });
  await worker.ready(60_000);
  for (const point of scenarios.POINTS)
    await scenario(`a router killed 25 times at "${point}": one run each`, () =>
      scenarios.killRouterAt(worker, [point], 25),
    );
  worker.kill("SIGTERM");
  await worker.exited;
  engines.kill("SIGTERM");
  await engines.exited;

  const server = await ground.start();
  await server.ready(60_000);
  await scenario("three routers and three workers, 1,000 events twice: 1,000 runs", () =>
    scenarios.runReplicas(ground, server, 1000),
  );
  await scenario("a router stopped for two ack deadlines and continued", () =>
    scenarios.freezeRouter(ground, server, 200, 21_000),
  );
  await scenario("200 workflows deleted, their events published again: no second run", () =>
    scenarios.forgetWorkflows(server, 200),
  );
  await scenario("the stream deleted and made anew: 100 of 100 new events run", () =>
    scenarios.loseStream(server, 100),
  );
  await scenario("1,000 times create, then publish at once: 1,000 runs (I4)", () =>
    scenarios.publishAtOnce(server, 1000),
  );
  await scenario(
    "Postgres killed five times under 14 writers: no request meets a lost connection, no change is torn",
    () => killPostgres(server, 5),
  );
  await scenario(
    "5,000 events, every tenth of them none: each kept with its reason, p99 of the good ones' starts 2 s",
    () => floodWithPoison(server, { events: 5_000, perSecond: 20, maxStartMs: 2_000 }),
  );
  await scenario("nats-server killed five times under publishers: every acknowledged event ran once", () =>
    outages.killNats(server, 5),
  );
  await scenario("Postgres' sessions ended twice a second for 30 s: all has run 15 s after the last", () =>
    outages.terminateSessions(server, 30),
  );
  await scenario("Temporal stopped for a minute under events: all has run 15 s after it is back", () =>
    outages.stopTemporalUnderEvents(server, 60),
  );
  await scenario("10,000 events wait a minute for Postgres: no memory is taken", () =>
    outages.gatherWithoutPostgres(server, 10_000, 60),
  );
  await scenario("a full stream is answered 503 with Retry-After, and takes events again when there is room", () =>
    outages.fillStream(server),
  );
  await scenario("Temporal stopped for six minutes, one every-minute schedule per policy: run or reason for each", () =>
    stopTemporal(server, { everySeconds: 60, stoppedMs: 360_000 }),
  );
  server.kill("SIGTERM");
  await server.exited;

  if (process.getuid?.() === 0 && existsSync(CRON))
    await scenario(
      "14 entries of a crontab by a real cron and by their shadows for 10 minutes: the same due times",
      () => runBesideCron(createDirectory(), 10),
    );
  else console.log(`(skip) beside a real cron: it needs root, and ${CRON}`);
} finally {
  await removeDirectory(dataDir);
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
