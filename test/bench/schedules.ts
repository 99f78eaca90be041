/**
 * Many schedules that are all due at once, every minute, for a while: none may be missed or doubled, and the lateness is
 * told, from the due time to the claim of its run. Part of `make bench`; docs/performance.md says how to read it.
 *
 * usage: bun test/bench/schedules.ts [minutes, 10] [schedules, 100]
 */
import type { DueTimeView } from "../../src/explain/due-time-views.ts";
import { eventually } from "../support/engines.ts";
import { startServer } from "../support/server.ts";
import { print, quantile } from "./figures.ts";

const [minutes = 10, schedules = 100] = process.argv.slice(2).map(Number);
const MINUTE_MS = 60_000;
const WANTED_P99_MS = 3_000;

const server = await startServer();
let failures = 0;
try {
  await server.ready(60_000);
  const ids = await Promise.all(Array.from({ length: schedules }, (_, index) => create(`bench-${index}`)));
  const from = new Date((Math.floor(Date.now() / MINUTE_MS) + 1) * MINUTE_MS);
  const to = new Date(from.getTime() + (minutes - 1) * MINUTE_MS);
  await Bun.sleep(to.getTime() + 10_000 - Date.now());

  const read = async () => (await Promise.all(ids.map((id) => readDueTimes(id, from, to)))).flat();
  const isOver = ({ outcome, run_status }: DueTimeView) => outcome !== "pending" && run_status !== "running";
  await eventually("each due time has its outcome", async () => (await read()).every(isOver), 120_000);
  const views = await read();
  const runIds = new Set(views.map(({ run_id }) => run_id));
  const delays = views.flatMap(({ delay_ms }) => (delay_ms === null ? [] : [delay_ms]));
  const at = (share: number) => quantile(delays, share);
  print("due times", `${views.length} of ${schedules * minutes}; ${runIds.size} runs`);
  print("outcomes", JSON.stringify(Object.entries(Object.groupBy(views, ({ outcome }) => outcome)).map(count)));
  print("lateness", `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms; wanted p99 ${WANTED_P99_MS} ms`);
  const minuteOf = Map.groupBy(views, ({ scheduled_for }) => scheduled_for);
  const latest = [...minuteOf.values()].map((minute) => Math.max(...minute.map(({ delay_ms }) => delay_ms ?? 0)));
  print("the latest of each", `minute: ${latest.join(", ")} ms`);
  const unlike = views.filter(({ run_status }) => run_status !== "succeeded");
  if (views.length !== schedules * minutes || runIds.size !== views.length || unlike.length > 0) failures++;
  if (at(0.99) > WANTED_P99_MS) failures++;
} finally {
  await server.destroy();
}
process.exit(failures === 0 ? 0 : 1);

async function create(name: string): Promise<string> {
  const trigger_config = { trigger_type: "cron", cron_expression: "* * * * *" };
  const task_templates = [{ key: "log", type: "log", params: { message: name, level: "debug" } }];
  const { status, body } = await server.api("/activity-definitions", {
    json: { name, trigger_config, task_templates },
  });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body.id;
}

async function readDueTimes(id: string, from: Date, to: Date): Promise<DueTimeView[]> {
  const query = `from=${from.toISOString()}&to=${to.toISOString()}&limit=500`;
  return (await server.api(`/activity-definitions/${id}/occurrences?${query}`)).body;
}

function count([outcome, views]: [string, DueTimeView[] | undefined]): string {
  return `${views?.length} ${outcome}`;
}
