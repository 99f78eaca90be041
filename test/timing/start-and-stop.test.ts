/**
 * What a server's start and stop take at most. Nothing else is tested meanwhile. The processor time of a start, that of its engines
 * included, tells a slow start from a busy machine.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { memoryOf } from "../../src/processes/process-table.ts";
import { readCpuTime, totalCpuTime } from "../bench/cpu.ts";
import { findAllOf } from "../support/leash.ts";
import { createDirectory, readStatus, removeDirectory, SERVER_TIMEOUT_MS, startServer } from "../support/server.ts";

const dataDir = createDirectory();
afterAll(() => removeDirectory(dataDir), SERVER_TIMEOUT_MS);

const since = (start: number) => Math.round(performance.now() - start);

/** Starts a server on the directory; answers it with the milliseconds until it was ready, and those that the processor worked for it. */
async function startReady() {
  const start = performance.now();
  const server = await startServer({ dataDir });
  await server.ready();
  return { server, readyMs: since(start), workedMs: totalCpuTime(readCpuTime(server.pid)) };
}

describe("a whole server", () => {
  test(
    "is ready within 12 s on an empty directory, and ends within 5 s of a SIGTERM, with code 0 and no engine left",
    async () => {
      const { server, readyMs, workedMs } = await startReady();
      const { engines } = await readStatus(server);
      const memory = [
        ["actcore", memoryOf(server.pid) ?? 0] as const,
        ...engines.map(({ name, memory_bytes }) => [name, memory_bytes] as const),
      ];
      const stop = performance.now();
      server.kill("SIGTERM");
      const code = await server.exited;
      const stopMs = since(stop);
      console.log(
        `empty directory to ready: ${readyMs} ms, ${workedMs} ms of processor; SIGTERM to exit: ${stopMs} ms`,
      );
      console.log(`memory: ${memory.map(([name, bytes]) => `${name} ${Math.round(bytes / 1024 ** 2)} MB`).join(", ")}`);

      expect(code).toBe(0);
      expect(findAllOf(dataDir)).toEqual([]);
      expect(engines.map(({ state }) => state)).toEqual(["running", "running", "running", "running"]);
      expect(readyMs).toBeLessThan(12_000);
      expect(workedMs).toBeLessThan(12_000);
      expect(stopMs).toBeLessThan(5_000);
    },
    SERVER_TIMEOUT_MS,
  );

  test(
    "is ready within 6 s on existing data, and ends within 5 s also when it has just started",
    async () => {
      const { server, readyMs, workedMs } = await startReady();
      const stop = performance.now();
      server.kill("SIGTERM");
      expect(await server.exited).toBe(0);
      const stopMs = since(stop);
      console.log(
        `existing data to ready: ${readyMs} ms, ${workedMs} ms of processor; SIGTERM right then to exit: ${stopMs} ms`,
      );
      expect(stopMs).toBeLessThan(5_000);
      expect(readyMs).toBeLessThan(6_000);
      expect(workedMs).toBeLessThan(6_000);
    },
    SERVER_TIMEOUT_MS,
  );
});
