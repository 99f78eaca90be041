/** A worker that is lost is known by its silence: a step that takes its time is heard of meanwhile. */
import type { Context } from "@temporalio/activity";
import { BEAT_EVERY_MS } from "../run/run.ts";

/** Beats until `body` has settled. */
export async function whileBeating<T>(step: Context, body: () => Promise<T>): Promise<T> {
  const beating = setInterval(() => step.heartbeat(), BEAT_EVERY_MS);
  try {
    return await body();
  } finally {
    clearInterval(beating);
  }
}
