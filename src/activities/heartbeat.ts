/** A worker that is lost is known by its silence: a step that takes its time is heard of meanwhile. */
import type { Context } from "@temporalio/activity";
import { HEARTBEAT_TIMEOUT_MS } from "../run/run.ts";

/** Beats until `body` has settled. */
export async function whileBeating<T>(step: Context, body: () => Promise<T>): Promise<T> {
  const beating = setInterval(() => step.heartbeat(), HEARTBEAT_TIMEOUT_MS / 5);
  try {
    return await body();
  } finally {
    clearInterval(beating);
  }
}
