import { describe, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createReleasers, listenForShutdown, withReleasers } from "../../src/kernel/lifecycle.ts";

describe("what was acquired", () => {
  test("is released last in first out, each once, and the first error is thrown after the last", async () => {
    const released: string[] = [];
    const releasers = createReleasers();
    for (const name of ["a", "b", "c"])
      releasers.push(async () => {
        released.push(name);
        if (name !== "a") throw new Error(name);
      });
    await expect(releasers.release()).rejects.toThrow("c");
    await releasers.release();
    expect(released).toEqual(["c", "b", "a"]);
  });

  test("is released when the rest fails, and the failure is the one that is thrown", async () => {
    let released = false;
    const body = withReleasers(async (releasers) => {
      releasers.push(() => {
        released = true;
        throw new Error("of the release");
      });
      throw new Error("of the body");
    });
    await expect(body).rejects.toThrow("of the body");
    expect(released).toBe(true);
  });

  test("is kept when nothing fails", async () => {
    let released = false;
    const answer = await withReleasers(async (releasers) => {
      releasers.push(() => {
        released = true;
      });
      return 5;
    });
    expect([answer, released]).toEqual([5, false]);
  });
});

describe("a shutdown", () => {
  test("begins with the first signal, is cut short by the second, and then listens no more", () => {
    const listeners = process.listenerCount("SIGTERM");
    const reasons: string[] = [];
    const shutdown = listenForShutdown(60_000, (reason) => reasons.push(reason));
    process.emit("SIGTERM");
    expect([shutdown.stopping.aborted, shutdown.cut.aborted]).toEqual([true, false]);
    process.emit("SIGINT");
    expect(shutdown.cut.reason.message).toBe("cut short by SIGINT");
    expect(reasons).toEqual(["SIGTERM"]);
    shutdown.dispose();
    expect(process.listenerCount("SIGTERM")).toBe(listeners);
  });

  test("is cut short by its deadline", async () => {
    const shutdown = listenForShutdown(1);
    const cut = new Promise((resolve) => shutdown.cut.addEventListener("abort", resolve));
    shutdown.request("a role failed");
    await cut;
    expect(shutdown.cut.reason.message).toBe("drain deadline of 1 ms passed");
    shutdown.dispose();
  });
});

describe("a terminal that is closed", () => {
  const lifecycle = JSON.stringify(join(import.meta.dir, "../../src/kernel/lifecycle.ts"));
  const program = `
    const { listenForShutdown } = await import(${lifecycle});
    const end = (text) => require("node:fs").writeFileSync(process.argv[1], text);
    const shutdown = listenForShutdown(60_000, end);
    shutdown.cut.addEventListener("abort", () => end("cut short"));
    shutdown.stopping.addEventListener("abort", () => setTimeout(() => process.exit(7), 300));
    setInterval(() => {}, 1000);
    console.log("listening");`;
  const newFile = () => join(tmpdir(), `actcore-lifecycle-${crypto.randomUUID()}`);

  test("begins a shutdown as SIGTERM does, and its second SIGHUP does not cut that short", async () => {
    const file = newFile();
    const { promise: listening, resolve } = Promise.withResolvers<void>();
    const data = (_: unknown, bytes: Uint8Array) => {
      if (Buffer.from(bytes).includes("listening")) resolve();
    };
    const child = Bun.spawn([process.execPath, "-e", program, file], { terminal: { data } });
    await listening;
    child.terminal?.close();
    await Bun.sleep(50);
    child.kill("SIGHUP");
    expect(await child.exited).toBe(7);
    expect(readFileSync(file, "utf8")).toBe("SIGHUP");
    rmSync(file);
  });

  test("does nothing to a process that was started with SIGHUP ignored", async () => {
    const file = newFile();
    const child = Bun.spawn(["nohup", process.execPath, "-e", program, file], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await child.stdout.getReader().read();
    child.kill("SIGHUP");
    await Bun.sleep(200);
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(7);
    expect(readFileSync(file, "utf8")).toBe("SIGTERM");
    rmSync(file);
  });
});
