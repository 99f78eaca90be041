/** What a bench puts on a running server, as its users would: definitions over REST, events over NATS; and what it sees. */
import { Client, Connection } from "@temporalio/client";
import { eventually } from "../support/engines.ts";
import { connectNats, countMessages } from "../support/nats-client.ts";
import { readEndpoints, type Server } from "../support/server.ts";
import { listRuns, type RunRow } from "../support/shared-server.ts";
import { type CpuTime, readCpuTime } from "./cpu.ts";
import { quantile } from "./figures.ts";

const CONCURRENCY = 64;
/** Events that are not over yet, in a steady load. */
const IN_FLIGHT = 150;
/** A scrape of the metrics is work of the server that is measured. */
const SCRAPE_EVERY_MS = 100;

export interface Activity {
  id: string;
  type: string;
}

export interface Rate {
  perSecond: number;
  before: CpuTime;
  after: CpuTime;
}

/** Milliseconds from the publish of an event. */
export interface Latency {
  startedMs: number[];
  closedMs: number[];
}

export type Load = Awaited<ReturnType<typeof openLoad>>;

export async function openLoad(server: Server) {
  const nats = await connectNats(server);
  const connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  const temporal = new Client({ connection });
  const jetstream = nats.jetstream();

  async function publish(type: string, event_id: string, payload: object = { event_id }): Promise<void> {
    const envelope = { event_id, type, source: "bench", occurred_at: new Date().toISOString(), payload };
    await jetstream.publish(`activity.${type}`, JSON.stringify(envelope));
  }

  /** Answers when each event was published, by its id, in milliseconds since 1970. */
  async function publishSteadily(type: string, count: number, perSecond: number): Promise<Map<string, number>> {
    const publishedMs = new Map<string, number>();
    const publishing: Promise<void>[] = [];
    const beganMs = Date.now();
    for (let index = 0; index < count; index++) {
      await Bun.sleep(Math.max(0, beganMs + (index * 1000) / perSecond - Date.now()));
      const event_id = crypto.randomUUID();
      publishedMs.set(event_id, Date.now());
      publishing.push(publish(type, event_id));
    }
    await Promise.all(publishing);
    return publishedMs;
  }

  /** Runs that the worker has closed well since it began. */
  async function succeeded(): Promise<number> {
    const { text } = await server.monitor("/metrics");
    return Number(/^actcore_runs_total\{status="succeeded"\} (\d+)/m.exec(text)?.[1] ?? 0);
  }

  return {
    temporal,
    publishSteadily,

    /** An activity for events of a type of its own, with one task unless others are given. */
    async define(
      task: object = { type: "log", params: { message: "bench", level: "debug" } },
      ...others: object[]
    ): Promise<Activity> {
      const type = `bench.${crypto.randomUUID()}`;
      const trigger_config = { trigger_type: "event", event_type: type };
      const json = { name: type, trigger_config, task_templates: [{ key: "task", ...task }, ...others] };
      const { status, body } = await server.api("/activity-definitions", { json });
      if (status !== 201) throw new Error(JSON.stringify(body));
      return { id: body.id, type };
    },

    /** Finished runs a second, from the first publish to the last run closed. */
    async measureRuns({ type }: Activity, count: number): Promise<Rate> {
      const before = readCpuTime(server.pid);
      const already = await succeeded();
      const beganMs = performance.now();
      await concurrently(count, () => publish(type, crypto.randomUUID()));
      while ((await succeeded()) - already < count) await Bun.sleep(SCRAPE_EVERY_MS);
      return { perSecond: (count * 1000) / (performance.now() - beganMs), before, after: readCpuTime(server.pid) };
    },

    /** Finished runs a second where events come as fast as runs finish: some wait, and no backlog grows. */
    async measureSteadyRuns({ type }: Activity, count: number): Promise<number> {
      const already = await succeeded();
      const beganMs = performance.now();
      let published = 0;
      for (let done = 0; done < count; done = (await succeeded()) - already) {
        const wanted = Math.min(done + IN_FLIGHT, count) - published;
        await Promise.all(Array.from({ length: wanted }, () => publish(type, crypto.randomUUID())));
        published += wanted;
        await Bun.sleep(SCRAPE_EVERY_MS);
      }
      return (count * 1000) / (performance.now() - beganMs);
    },

    /** Events a second that the router records where no activity takes them, unless they are of a type that one waits for. */
    async measureRouter(
      count: number,
      type = `bench.unmatched.${crypto.randomUUID()}`,
      payload?: object,
    ): Promise<number> {
      const beganMs = performance.now();
      await concurrently(count, () => publish(type, crypto.randomUUID(), payload));
      await eventually("the stream is empty", async () => (await countMessages(nats)) === 0, 60_000);
      return (count * 1000) / (performance.now() - beganMs);
    },

    /** Publishes at a steady rate: when the workflow was started, as Temporal has it, and its run closed, by the ledger. */
    async measureLatency({ id, type }: Activity, count: number, perSecond: number): Promise<Latency> {
      const publishedMs = await publishSteadily(type, count, perSecond);
      const runs = await eventually(
        "the runs are closed",
        async () => {
          const ours = (await listRuns(server, id)).filter(({ event_id }) => publishedMs.has(event_id));
          return ours.length === count && ours.every(({ finished_at }) => finished_at !== null) && ours;
        },
        120_000,
      );
      const since = ({ event_id }: RunRow, time: Date) => time.getTime() - (publishedMs.get(event_id) ?? 0);
      const startedMs: number[] = [];
      await concurrently(count, async (index) => {
        const run = runs[index] as RunRow;
        const { startTime } = await temporal.workflow.getHandle(run.workflow_id).describe();
        startedMs.push(since(run, startTime));
      });
      return { startedMs, closedMs: runs.map((run) => since(run, new Date(run.finished_at ?? 0))) };
    },

    async close(): Promise<void> {
      await nats.close();
      await connection.close();
    },
  };
}

export async function concurrently(count: number, body: (index: number) => Promise<unknown>): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index).values();
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      for (const index of indexes) await body(index);
    }),
  );
}

/** As a line shows it: `p50 8 ms, p99 40 ms`. */
export function describeQuantiles(values: readonly number[]): string {
  return `p50 ${Math.round(quantile(values, 0.5))} ms, p99 ${Math.round(quantile(values, 0.99))} ms`;
}
