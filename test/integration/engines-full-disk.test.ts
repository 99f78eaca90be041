/** A disk that is full for a while, a real one: a small file system in memory below NATS' streams. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type EngineSet, startEngines } from "../../src/engines/engine-set.ts";
import { probeNatsHealth } from "../../src/engines/probes.ts";
import type { Config } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { type Nats, openNats } from "../../src/nats/connection.ts";
import { STREAM } from "../../src/nats/names.ts";
import { createPublisher } from "../../src/nats/publisher.ts";
import { ensureStream } from "../../src/nats/stream.ts";
import { createTestConfig, ENGINES_TIMEOUT_MS, eventually, removeDataDir } from "../support/engines.ts";
import { envelopeOf } from "../support/ledger.ts";

const log = createLog("silent");
const canMount = process.platform === "linux" && process.getuid?.() === 0;

describe.if(canMount)("NATS on a disk that was full", () => {
  let config: Config;
  let set: EngineSet;
  let nats: Nats;
  let mounted: string;
  const status = () => set.status()[0];

  beforeAll(async () => {
    config = await createTestConfig();
    mounted = join(config.dataDir, "nats");
    mkdirSync(mounted);
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", mounted]);
    if (status !== 0) throw new Error(`mount: ${stderr}`);
    const alone = { ...config, dbUrl: "postgresql://unused", temporalHost: "unused:1" };
    set = await startEngines(alone, { log, signal: new AbortController().signal });
    const { natsUrl = "", natsMonitorUrl = "" } = set.endpoints;
    nats = await openNats(natsUrl, "test", () => probeNatsHealth(natsMonitorUrl, AbortSignal.timeout(1000)));
    await ensureStream(nats, log);
  }, ENGINES_TIMEOUT_MS);

  afterAll(async () => {
    await nats?.close();
    await set?.close();
    spawnSync("umount", ["-l", mounted]);
    removeDataDir(config);
  }, ENGINES_TIMEOUT_MS);

  test(
    "says what to do while it is full, and is restarted when there is room, with the events that it had",
    async () => {
      const publisher = createPublisher(nats);
      await publisher.publish(envelopeOf("before"));
      await nats.ping();
      const { pid } = status() ?? {};

      const filler = join(mounted, "filler");
      fill(filler);
      const refusal = await publisher
        .publish(envelopeOf("refused", { payload: "x".repeat(100_000) }))
        .catch((error: unknown) => error);
      expect(refusal).toMatchObject({
        code: "nats_store_failed",
        message: expect.stringContaining("no space left on device"),
        hint: expect.stringContaining("Make room on the disk"),
      });
      await expect(nats.ping()).rejects.toMatchObject({ code: "nats_store_failed" });
      await eventually("its status says what to do", () => status()?.error?.includes("Make room on the disk"));
      expect(status()).toMatchObject({ state: "running", pid, restarts: 0 });

      rmSync(filler);
      await eventually("it is restarted", () => status()?.restarts === 1 && status()?.state === "running", 20_000);
      await eventually("the connection is back", () =>
        nats.ping().then(
          () => true,
          () => false,
        ),
      );
      await publisher.publish(envelopeOf("after"));
      const { state } = await (await nats.connection.jetstreamManager()).streams.info(STREAM);
      expect(state.messages).toBe(2);
    },
    ENGINES_TIMEOUT_MS,
  );
});

/** Writes until the file system takes no more. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const block of [Buffer.alloc(1024 ** 2), Buffer.alloc(512)]) {
      try {
        for (;;) writeSync(file, block);
      } catch {
        // Full for blocks of this size.
      }
    }
  } finally {
    closeSync(file);
  }
}
