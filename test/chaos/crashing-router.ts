/**
 * A router that kills itself at a named point: the router role's own parts, with a finger on the trigger.
 *
 * usage: bun crashing-router.ts ENDPOINTS_JSON POINT    (no POINT: it never does)
 */

import { createDispatcher } from "../../src/dispatch/dispatcher.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { openNats } from "../../src/nats/connection.ts";
import { startIntake } from "../../src/nats/intake.ts";
import { openPostgres } from "../../src/postgres/client.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { openTemporal } from "../../src/temporal/connection.ts";
import { createRunStarter } from "../../src/temporal/run-starter.ts";

const [, , endpoints = "{}", fatalPoint] = process.argv;
const { dbUrl, natsUrl, temporalHost } = JSON.parse(endpoints);
const log = createLog("error");
const nats = await openNats(natsUrl, "chaos");
const temporal = await openTemporal(temporalHost, "default", "chaos");
const dispatcher = createDispatcher({
  ledger: createEventLedger(openPostgres(dbUrl, "chaos").db),
  starter: createRunStarter(temporal),
  metrics: createMetrics(),
  log,
  onPoint(point) {
    if (point === fatalPoint) process.kill(process.pid, "SIGKILL");
  },
});
startIntake({ nats, handle: dispatcher.handle, probe: async () => {}, log });
console.log("routing");
