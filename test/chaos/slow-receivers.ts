/**
 * Runs whose receiver takes its time, many a second, and others beside them: those start as if there were no slow ones. Then
 * the same with the server killed in the midst: nothing is lost, and each task has one Idempotency-Key. Prints its figures.
 */
import { rssMb } from "../bench/cpu.ts";
import { quantile } from "../bench/figures.ts";
import { type Activity, describeQuantiles, openLoad } from "../bench/load.ts";
import { startReceiverProcess } from "../bench/receiver.ts";
import type { Server } from "../support/server.ts";
import { finishedRuns } from "../support/shared-server.ts";
import type { Ground } from "./scenarios.ts";

const ANSWER_AFTER_MS = 4000;
const SLOW_PER_SECOND = 20;
const OTHERS_PER_SECOND = 5;
/** A server of its own takes about 300 MB. */
const MAX_RSS_MB = 800;

export interface SlowLoad {
  seconds: number;
  /** What 99 of 100 of the others may take from publish to start. */
  maxStartMs: number;
}

/** Load for `seconds`, three times. Answers the server, which is another one than that which it started. */
export async function loadSlowReceiver(ground: Ground, { seconds, maxStartMs }: SlowLoad): Promise<Server> {
  const receiver = await startReceiverProcess(ANSWER_AFTER_MS);
  try {
    let server = await ground.start();
    await server.ready(60_000);
    let load = await openLoad(server);
    const slow = await load.define({ type: "http", timeout: "5s", params: { url: receiver.url } });
    const others = await load.define();
    await load.measureRuns(await load.define(), 20); // what is done for the first time takes longer
    const publishSlow = () => load.publishSteadily(slow.type, seconds * SLOW_PER_SECOND, SLOW_PER_SECOND);

    let mostMb = 0;
    const watch = setInterval(() => (mostMb = Math.max(mostMb, rssMb(server.pid))), 500);
    const [, { startedMs, closedMs }] = await Promise.all([
      publishSlow(),
      load.measureLatency(others, seconds * OTHERS_PER_SECOND, OTHERS_PER_SECOND),
    ]);
    const runs = await succeededRuns(server, slow, seconds * SLOW_PER_SECOND);
    clearInterval(watch);
    const slowMs = runs.map(({ fired_at, finished_at }) => Date.parse(finished_at ?? "") - Date.parse(fired_at));
    console.log(`  the others: started ${describeQuantiles(startedMs)}, closed ${describeQuantiles(closedMs)}`);
    console.log(
      `  the slow ones: from the event's receipt to the close ${describeQuantiles(slowMs)}; the server has up to ${mostMb} MB`,
    );
    const latestMs = quantile(startedMs, 0.99);
    if (latestMs > maxStartMs) throw new Error(`p99 of the others' starts is ${latestMs} ms`);
    if (mostMb > MAX_RSS_MB) throw new Error(`the server came to ${mostMb} MB`);

    await Promise.all([
      publishSlow(),
      load.publishSteadily(others.type, seconds * OTHERS_PER_SECOND, OTHERS_PER_SECOND),
    ]);
    await load.close();
    server.kill("SIGKILL");
    await server.exited;
    server = await ground.start({ flags: server.flags });
    await server.ready(60_000);
    load = await openLoad(server);
    await publishSlow();
    await load.close();
    const all = await succeededRuns(server, slow, 3 * seconds * SLOW_PER_SECOND);
    await succeededRuns(server, others, 2 * seconds * OTHERS_PER_SECOND);

    const seen = await receiver.seen();
    const keysByRun = Map.groupBy(seen, ({ run_id }) => run_id);
    const severalKeys = all.filter(({ run_id }) => new Set(keysByRun.get(run_id)?.map(({ key }) => key)).size !== 1);
    const keys = new Set(seen.map(({ key }) => key)).size;
    console.log(`  ${all.length} slow runs, ${seen.length} requests, ${keys} Idempotency-Keys`);
    if (severalKeys.length > 0 || keys !== all.length)
      throw new Error(`${severalKeys.length} runs without exactly one key; ${keys} keys of ${all.length} runs`);
    return server;
  } finally {
    await receiver.stop();
  }
}

async function succeededRuns(server: Server, { id }: Activity, count: number) {
  const runs = await finishedRuns(server, id, count, 240_000);
  const unlike = runs.filter(({ status }) => status !== "succeeded");
  if (unlike.length > 0 || runs.length > count)
    throw new Error(`${runs.length} runs of ${count}, of which ${unlike.length} did not end well: ${unlike[0]?.error}`);
  return runs;
}
