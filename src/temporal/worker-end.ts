/**
 * Runs a worker of the SDK until it has ended. The SDK itself may not notice: where a thread of its native core died, the
 * worker is `FAILED` and polls no more, but its `run` waits for that thread for ever.
 */
import type { Worker } from "@temporalio/worker";
import { RetryableError } from "../kernel/errors.ts";
import { sleep } from "../kernel/wait.ts";

const CHECK_EVERY_MS = 500;
/** How long a worker that has stopped or failed may take to free what it holds. */
const FREED_WITHIN_MS = 10_000;

/**
 * Settles as `run` does.
 * @throws RetryableError `worker_hung` when the worker had stopped or failed and its `run` did not settle
 */
export async function runToItsEnd(
  worker: Pick<Worker, "run" | "getState">,
  freedWithinMs = FREED_WITHIN_MS,
): Promise<void> {
  const settled = new AbortController();
  const running = worker.run().finally(() => settled.abort());
  await Promise.race([running, rejectWhenHung()]);

  async function rejectWhenHung(): Promise<void> {
    let endedMs: number | undefined;
    while (!(await sleep(CHECK_EVERY_MS, settled.signal))) {
      const state = worker.getState();
      if (state !== "FAILED" && state !== "STOPPED") continue;
      endedMs ??= Date.now();
      if (Date.now() - endedMs >= freedWithinMs)
        throw new RetryableError("worker_hung", `a worker is ${state}, and did not end within ${freedWithinMs} ms`);
    }
    await running;
  }
}
