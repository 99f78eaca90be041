/**
 * Temporal stops for a while, with one schedule per misfire policy, and others that are edited or disabled meanwhile.
 * Afterwards every due time of the gap has a run or a reason (docs/schedules.md). Prints one line for each schedule.
 */
import type { DueTimeView } from "../../src/explain/due-time-views.ts";
import { eventually } from "../support/engines.ts";
import { readStatus, type Server } from "../support/server.ts";

export interface Outage {
  /** Of every schedule. */
  everySeconds: number;
  stoppedMs: number;
}

const POLICIES = ["skip", "catchup", "compress"] as const;
/** The engine's least catch-up window, and some time to act in: what was due within it may run by itself. */
const ENGINE_WINDOW_MS = 12_000;

export async function stopTemporal(server: Server, { everySeconds, stoppedMs }: Outage): Promise<void> {
  const create = async (name: string, misfire_policy: string) => {
    const trigger_config = { trigger_type: "interval", every: everySeconds, misfire_policy };
    const json = { name: `${name}-${crypto.randomUUID()}`, trigger_config, task_templates: [logTask("as it was")] };
    const { status, body } = await server.api("/activity-definitions", { json });
    if (status !== 201) throw new Error(`${name}: ${JSON.stringify(body)}`);
    return { name, id: body.id as string };
  };
  const put = async ({ id }: { id: string }, body: object) => {
    const init = { method: "PUT", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const answer = await server.api(`/activity-definitions/${id}`, init);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  };
  const [skip, catchup, compress] = await Promise.all(POLICIES.map((policy) => create(policy, policy)));
  const edited = await create("edited", "catchup");
  const disabled = await create("disabled", "catchup");
  const all = [skip, catchup, compress, edited, disabled].filter((each) => each !== undefined);

  const outcomes = async ({ id }: { id: string }, from: Date, to: Date): Promise<DueTimeView[]> => {
    const query = `from=${from.toISOString()}&to=${to.toISOString()}&limit=500`;
    return (await server.api(`/activity-definitions/${id}/occurrences?${query}`)).body;
  };
  await eventually(
    "each schedule has run",
    async () => {
      const seen = await Promise.all(all.map((each) => outcomes(each, new Date(Date.now() - 60_000), new Date())));
      return seen.every((views) => views.some(({ outcome }) => outcome === "run"));
    },
    (everySeconds + 30) * 1000,
  );

  // From between two due times to between two others, so that none is due in the very moment of a change.
  const everyMs = everySeconds * 1000;
  await Bun.sleep((1.5 * everyMs - (Date.now() % everyMs)) % everyMs);
  const temporal = (await readStatus(server)).engines.find(({ name }) => name === "temporal");
  const pid = temporal?.pid ?? 0;
  const updates = await countUpdates(server);
  process.kill(pid, "SIGSTOP");
  // What the engine began before it stopped still counts as on time.
  const from = new Date(Date.now() + 1000);
  let disabledAt: Date;
  try {
    await Bun.sleep(stoppedMs / 2);
    await put(edited, { task_templates: [logTask("edited")] });
    await put(disabled, { enabled: false });
    disabledAt = new Date();
    await Bun.sleep(stoppedMs / 2);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  // What was due in the last moments may run as if nothing had been.
  const to = new Date(Date.now() - 2000);

  const settled = async (each: { id: string }, until = to) => {
    const pending = async () => (await outcomes(each, from, until)).some(({ outcome }) => outcome === "pending");
    const going = ({ run_status }: DueTimeView) => run_status === "running";
    await eventually(
      "each due time has its outcome",
      async () => !(await pending()) && !(await outcomes(each, from, until)).some(going),
      120_000 + stoppedMs,
    );
    return outcomes(each, from, until);
  };
  const due = Math.floor((to.getTime() - from.getTime()) / everyMs);

  for (const each of all) {
    const views = await settled(each);
    const ran = views.filter(({ outcome }) => outcome === "run" || outcome === "late");
    const reasons = Object.groupBy(
      views.filter(({ outcome }) => outcome === "skipped"),
      ({ reason }) => reason ?? "none",
    );
    const told = Object.entries(reasons).map(([reason, skipped]) => `${skipped?.length} ${reason}`);
    console.log(`  ${each.name}: ${views.length} due, ${[`${ran.length} run`, ...told].join(", ")}`);
    if (views.length < due) throw new Error(`${each.name}: ${views.length} due times of ${due}`);
    check(each.name, views, ran);
  }
  // An edited task changes no schedule, and a disabled definition pauses its own.
  const unexpected = (await countUpdates(server)) - updates;
  if (unexpected > 0) throw new Error(`${unexpected} UpdateSchedule calls, and none was needed`);

  function check(name: string, views: DueTimeView[], ran: DueTimeView[]): void {
    const unequal = (wanted: string) => new Error(`${name}: ${wanted}, not ${JSON.stringify(views)}`);
    const runIds = new Set(ran.map(({ run_id }) => run_id));
    if (runIds.size !== ran.length) throw unequal("a run of its own for each due time");
    if (views.some(({ outcome, reason }) => outcome === "skipped" && reason === null))
      throw unequal("a reason for each");
    const inWindow = ({ scheduled_for }: DueTimeView) => Date.parse(scheduled_for) > to.getTime() - ENGINE_WINDOW_MS;
    // The latest one is still within its grace, and no later one is due.
    const isLatest = ({ scheduled_for }: DueTimeView) => scheduled_for === views.at(-1)?.scheduled_for;
    if (name === "skip" && !ran.every((view) => inWindow(view) || isLatest(view)))
      throw unequal("at most the latest run");
    // One run stands for all of them; those that a claim refused have a run of their own, which did nothing.
    const standing = new Set(views.filter(({ run_status }) => run_status !== "skipped").map(({ run_id }) => run_id));
    if (name === "compress" && (standing.size !== 1 || ran.length > 1)) throw unequal("one run");
    if ((name === "catchup" || name === "edited") && ran.length !== views.length) throw unequal("all run");
    const afterDisabling = ({ scheduled_for }: DueTimeView) => Date.parse(scheduled_for) > disabledAt.getTime();
    if (name === "disabled" && ran.some(afterDisabling)) throw unequal("none run after it was disabled");
  }
}

const logTask = (message: string) => ({ key: "log", type: "log", params: { message, level: "debug" } });

async function countUpdates(server: Server): Promise<number> {
  const { text } = await server.monitor("/metrics");
  return Number(/^actcore_schedule_changes_total\{change="update"\} (\d+)/m.exec(text)?.[1] ?? 0);
}
