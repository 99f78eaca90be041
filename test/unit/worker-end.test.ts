/** A worker of the SDK that ended, and one that only seems to go on. */
import { expect, test } from "bun:test";
import type { Worker } from "@temporalio/worker";
import { runToItsEnd } from "../../src/temporal/worker-end.ts";

type State = ReturnType<Worker["getState"]>;

test("a worker that runs is waited for, and its end is the answer", async () => {
  const end = Promise.withResolvers<void>();
  const running = runToItsEnd({ run: () => end.promise, getState: (): State => "RUNNING" }, 0);
  await Bun.sleep(1200); // longer than it takes to look at its state twice
  end.reject(new Error("of the worker"));
  await expect(running).rejects.toThrow("of the worker");
});

test("a worker that stops in good order within its time is no failure", async () => {
  const run = () => Bun.sleep(700);
  await runToItsEnd({ run, getState: (): State => "STOPPED" }, 60_000);
});

test("a worker that has failed and never settles counts as ended", async () => {
  const hung = { run: () => new Promise<void>(() => {}), getState: (): State => "FAILED" };
  await expect(runToItsEnd(hung, 600)).rejects.toThrow("a worker is FAILED, and did not end within 600 ms");
});
