/** A Temporal that goes away and comes back. */
import { expect, test } from "bun:test";
import { openTemporal } from "../../src/temporal/connection.ts";
import { ENGINES_TIMEOUT_MS, eventually, useEngines } from "../support/engines.ts";
import { openRelay } from "../support/relay.ts";

/** Long enough for gRPC's own backoff to pass the bound: it would be at four seconds, and grow. */
const AWAY_MS = 12_000;
const LONGEST_PAUSE_MS = 3_000;

test(
  "a Temporal that was away is asked again every few seconds, however long it was away",
  async () => {
    const relay = await openRelay((await useEngines()).temporalHost);
    const temporal = await openTemporal(`127.0.0.1:${relay.port}`, "temporal-system", "test");
    const answers = () =>
      temporal.ping().then(
        () => true,
        () => false,
      );
    try {
      relay.cut();
      const cutAt = Date.now();
      while (Date.now() < cutAt + AWAY_MS) {
        expect(await answers()).toBe(false);
        await Bun.sleep(200);
      }
      const tries = relay.connections.filter((at) => at > cutAt);
      const pauses = [...tries.slice(1), Date.now()].map((at, index) => at - (tries[index] as number));
      expect(Math.max(...pauses)).toBeLessThan(LONGEST_PAUSE_MS);
      relay.restore();
      await eventually("Temporal answers", answers, 5_000);
    } finally {
      await temporal.close();
      await relay.close();
    }
  },
  ENGINES_TIMEOUT_MS,
);
