/**
 * Schedules as they are kept in Temporal: by the projector, as definitions change, and by the sync's stage, over all of
 * them. In a namespace and a database of their own, without a worker; what others do is done with Temporal's client.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ScheduleNotFoundError, ScheduleOverlapPolicy } from "@temporalio/client";
import type { ScheduleTrigger } from "../../src/calendar/trigger.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import { ENGINE_TIME_ZONES } from "../../src/generated/time-zones.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { dueProgress } from "../../src/postgres/ledger-tables.ts";
import { createProjectionStore } from "../../src/postgres/schedule/projection-store.ts";
import { ORCHESTRATOR_QUEUE, RUN_ACTIVITY_WORKFLOW } from "../../src/run/run.ts";
import type { DriftKind } from "../../src/schedule/drift.ts";
import { planSchedule, type SchedulePlan, scheduleId } from "../../src/schedule/plan.ts";
import { createProjectorChore } from "../../src/schedule/projector.ts";
import { createScheduleSync } from "../../src/schedule/schedule-sync.ts";
import { createScheduler } from "../../src/temporal/schedules.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";
import { BY_TEST, bodyOf, replace, storeDefinition } from "../support/ledger.ts";
import { TASK_RULES } from "../support/own-engines.ts";
import { openTestNamespace } from "../support/workflow.ts";

setDefaultTimeout(30_000);
const log = createLog("silent");
const metrics = createMetrics();
const { signal } = new AbortController();
let temporal: Awaited<ReturnType<typeof openTestNamespace>>;
let database: TestDatabase;
let scheduler: ReturnType<typeof createScheduler>;
let deps: Parameters<typeof createScheduleSync>[0];
beforeAll(async () => {
  [temporal, database] = await Promise.all([openTestNamespace(), createTestDatabase()]);
  scheduler = createScheduler(temporal, metrics);
  deps = { store: createProjectionStore(database), scheduler, log };
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await temporal?.close();
  await database?.close();
});
beforeEach(() => metrics.scheduleChanges.reset());

const HOURLY = { trigger_type: "cron", cron_expression: "0 * * * *" } as const;

const define = (trigger_config: object = HOURLY, rest: object = {}) =>
  storeDefinition(database, { trigger_config, ...rest });
const edit = ({ id, name }: Definition, rest: object = {}) =>
  replace(database, id, bodyOf(name, { trigger_config: HOURLY, ...rest }));
const remove = ({ id }: Definition) => createDefinitionStore(database.db).remove(id, BY_TEST);

const handleOf = ({ id }: { id: string }) => temporal.client.schedule.getHandle(scheduleId(id));
const describeOf = (definition: { id: string }) => handleOf(definition).describe();
/** Not by `expect().rejects`: Bun waits in it without going on with gRPC, and the call runs into its deadline. */
async function isThere(definition: { id: string }): Promise<boolean> {
  try {
    await describeOf(definition);
    return true;
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return false;
    throw error;
  }
}
const sync = (options: { dryRun?: boolean } = {}) => createScheduleSync(deps)({ dryRun: false, signal, ...options });

/** One round of the projector: until nothing is behind. */
async function project(): Promise<void> {
  await createProjectorChore(deps).round(signal);
}

/** How often the engine was told of what. */
async function changes(): Promise<Record<string, number>> {
  const { values } = await metrics.scheduleChanges.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels.change, value]));
}

const driftOf = ({ id }: Definition, what: DriftKind, repaired = true) => ({
  schedule_id: scheduleId(id),
  activity_id: id,
  what,
  repaired,
});

/** So many dates, `step` days apart. */
const datesFrom = (first: string, count: number, step = 1) =>
  Array.from({ length: count }, (_, index) =>
    new Date(Date.parse(first) + index * step * 86_400_000).toISOString().slice(0, 10),
  );

/** Somebody else's, under any id. */
async function createForeign(id: string): Promise<void> {
  await temporal.client.schedule.create({
    scheduleId: id,
    spec: { intervals: [{ every: "1h" }] },
    action: { type: "startWorkflow", workflowType: "Theirs", taskQueue: "theirs", args: [] },
  });
}

describe("a definition's schedule", () => {
  test("is made as planned", async () => {
    const trigger = { ...HOURLY, cron_expression: "30 2 13 * SUN", timezone: "Europe/Berlin", jitter: "5s" };
    const definition = await define(trigger);
    await project();
    const { spec, action, policies, state, memo, typedSearchAttributes } = await describeOf(definition);
    expect([spec.timezone, spec.jitter]).toEqual(["Europe/Berlin", 5000]);
    // crontab's OR of the two days; eleven ends of a gap and eleven repeated hours, each as an interval that is due once.
    expect(spec.calendars).toHaveLength(2);
    expect(spec.intervals).toHaveLength(11 + 11);
    expect(spec.calendars?.[0]).toMatchObject({ dayOfMonth: [{ start: 13, end: 13 }], hour: [{ start: 2, end: 2 }] });
    expect(spec.calendars?.[1]).toMatchObject({ dayOfWeek: [{ start: "SUNDAY", end: "SUNDAY" }] });
    expect(action).toMatchObject({
      workflowType: RUN_ACTIVITY_WORKFLOW,
      workflowId: `activity-${definition.id}`,
      taskQueue: ORCHESTRATOR_QUEUE,
      args: [definition.id, {}],
    });
    expect(policies).toMatchObject({ overlap: "SKIP", catchupWindow: 10_000 });
    expect([state.paused, state.remainingActions, memo]).toEqual([false, undefined, { actcore: true }]);
    const attributes = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
    expect(attributes).toEqual({ ActivityId: definition.id, ActivityName: definition.name });
  });

  test.each<[policy: Partial<ScheduleTrigger>, overlap: string, window: number]>([
    [{}, "SKIP", 10_000],
    [{ misfire_policy: "catchup" }, "BUFFER_ALL", 86_400_000],
    [{ misfire_policy: "catchup", catchup_window: "2h" }, "BUFFER_ALL", 7_200_000],
    [{ misfire_policy: "compress" }, "BUFFER_ONE", 10_000],
  ])("has for %j the overlap policy %s and a catch-up window of %d ms", async (policy, overlap, catchupWindow) => {
    const definition = await define({ ...HOURLY, ...policy });
    await project();
    expect((await describeOf(definition)).policies).toMatchObject({ overlap, catchupWindow });
  });

  test("of an interval has the interval and its offset", async () => {
    const definition = await define({ trigger_type: "interval", every: "90s", offset: "10s" });
    await project();
    const { spec, info } = await describeOf(definition);
    expect(spec.intervals).toEqual([{ every: 90_000, offset: 10_000 }]);
    for (const time of info.nextActionTimes) expect(time.getTime() % 90_000).toBe(10_000);
  });

  test("of a one-shot is one date with one action, however late", async () => {
    const run_at = "2031-05-06T07:08:09+02:00";
    const definition = await define({ trigger_type: "scheduled", run_at });
    await project();
    const { spec, policies, state, info } = await describeOf(definition);
    expect(info.nextActionTimes).toEqual([new Date(run_at)]);
    expect([spec.timezone, state.remainingActions]).toEqual(["UTC", 1]);
    expect(policies.catchupWindow).toBe(365 * 86_400_000);
  });

  test("begins and ends with its trigger, and does without the dates that it leaves out", async () => {
    const bounds = { starts_at: "2031-05-05T09:00", ends_at: "2031-05-08T09:00", except: ["2031-05-07"] };
    const definition = await define({ ...HOURLY, cron_expression: "0 9 * * *", timezone: "Europe/Berlin", ...bounds });
    await project();
    const { info } = await describeOf(definition);
    expect(info.nextActionTimes).toEqual(["05", "06", "08"].map((day) => new Date(`2031-05-${day}T07:00:00Z`)));
  });

  test.each([
    ["one-shot", { trigger_type: "scheduled", run_at: "2031-05-06T07:08:09+02:00" }],
    ["cron with an end", { ...HOURLY, ends_at: "2031-05-06T07:08:09+02:00" }],
  ])("of a %s goes when it is accounted for to its end", async (_, trigger) => {
    const definition = await define(trigger);
    await project();
    expect(await isThere(definition)).toBe(true);
    const done_at = new Date("2031-05-07T00:00:00Z");
    const settled = { definition_id: definition.id, settled_until: done_at, done_at };
    await database.db
      .insert(dueProgress)
      .values(settled)
      .onConflictDoUpdate({ target: dueProgress.definition_id, set: settled });
    expect(await sync({ dryRun: true })).toMatchObject({ removed: 1, orphans_deleted: 0, drift: [] });
    await project();
    expect(await isThere(definition)).toBe(false);
    expect(await sync()).toMatchObject({ upserted: 0, removed: 0, drift: [], errors: [] });
    expect(await isThere(definition)).toBe(false);
  });

  test("is paused by disabling and goes on by enabling, without an update", async () => {
    const definition = await define();
    await project();
    await edit(definition, { enabled: false });
    await project();
    expect((await describeOf(definition)).state).toMatchObject({ paused: true, note: "disabled in actcore" });
    await edit(definition);
    await project();
    expect((await describeOf(definition)).state).toMatchObject({ paused: false, note: "enabled in actcore" });
    expect(await changes()).toEqual({ create: 1, pause: 1, unpause: 1 });
  });

  test("of a disabled definition is paused from its beginning, and goes with its definition", async () => {
    const definition = await define(HOURLY, { enabled: false });
    await project();
    expect((await describeOf(definition)).state.paused).toBe(true);
    await remove(definition);
    await project();
    expect(await isThere(definition)).toBe(false);
  });

  test("goes when its definition waits for events from now on", async () => {
    const definition = await define();
    await project();
    await edit(definition, { trigger_config: { trigger_type: "event", event_type: "x" } });
    await project();
    expect(await isThere(definition)).toBe(false);
  });

  test("is updated once by a new time, under its new name, and not at all by a new task", async () => {
    const definition = await define();
    await project();
    const task = { key: "t", type: "log", params: { message: "hi" } };
    await edit(definition, { task_templates: [task] });
    await project();
    expect(await changes()).toEqual({ create: 1 });
    const daily = { ...HOURLY, cron_expression: "@daily" };
    const name = `${definition.name}-daily`;
    await replace(database, definition.id, bodyOf(name, { trigger_config: daily }));
    await project();
    expect(await changes()).toEqual({ create: 1, update: 1 });
    const { spec } = await describeOf(definition);
    expect(spec.calendars?.[0]?.hour).toEqual([{ start: 0, end: 0, step: 1 }]);
    await eventually("the schedule's search attribute follows", async () => {
      const { typedSearchAttributes } = await describeOf(definition);
      return typedSearchAttributes.getAll().some(({ value }) => value === name);
    });
  });
});

test("the engine takes a schedule of whatever a definition may say, at its limits", async () => {
  const cron = (rest: object) => ({ trigger_type: "cron", cron_expression: "30 2 * * *", ...rest });
  const interval = (rest: object) => ({ trigger_type: "interval", ...rest });
  const zones = [...ENGINE_TIME_ZONES].filter((name, index) => index % 20 === 0 && name !== "Factory");
  const triggers = [
    ...zones.map((timezone) => cron({ timezone })),
    cron({ cron_expression: "*/1 0-4 * * *", timezone: "Antarctica/Troll" }),
    cron({ cron_expression: "0 0 29 2 */7", timezone: "Asia/Kathmandu" }),
    cron({ jitter: "1d", misfire_policy: "catchup", catchup_window: "365d" }),
    cron({ misfire_policy: "catchup", catchup_window: "1s", misfire_grace: "1s" }),
    interval({ every: "365d", offset: "364d", jitter: "1d" }),
    interval({ every: 1, jitter: 1, misfire_policy: "compress", misfire_grace: "365d" }),
    { trigger_type: "scheduled", run_at: "2100-12-31T23:59:59Z" },
    { trigger_type: "scheduled", run_at: "2000-01-01T00:00:00Z" },
    cron({
      cron_expression: Array.from({ length: 20 }, (_, n) => `*/1 0-4 L,${n + 1} * ${n % 7},FRI#2,SUNL`),
      timezone: "Antarctica/Troll",
    }),
    cron({ cron_expression: "* * * * *", timezone: "Europe/Berlin", except: datesFrom("2026-06-01", 6) }),
    cron({ cron_expression: "* 0-23 * * *", timezone: "Europe/Berlin", except: datesFrom("2026-06-01", 400, 2) }),
    interval({ every: "9s", timezone: "Pacific/Chatham", except: datesFrom("2026-06-01", 400, 2) }),
    interval({
      every: 1,
      anchor: "2000-01-01T00:00:00Z",
      starts_at: "2000-01-01T00:00:00Z",
      ends_at: "2100-12-31T23:59:59Z",
    }),
  ];
  const names = ["a", "\u{1f600}".repeat(100), "\u00e9".repeat(200), "x".repeat(200)];
  for (const [index, trigger_config] of triggers.entries()) {
    const body = parseDefinition({ name: names[index % names.length], trigger_config }, TASK_RULES);
    const definition = { ...body, id: crypto.randomUUID(), enabled: true } as unknown as Definition;
    const plan = planSchedule(definition, new Date("2026-06-01T00:00:00Z")) as SchedulePlan;
    expect(await scheduler.create(plan).then(() => "created", String)).toBe("created");
    // No definition is stored for it: a sync would count it among those that nobody has any more.
    await handleOf(definition).delete();
  }
});

describe("a pause that somebody made in Temporal", () => {
  test("stays over an edit, and ends when the definition is disabled and enabled again", async () => {
    const definition = await define();
    await project();
    await handleOf(definition).pause("holidays");
    await edit(definition, { trigger_config: { ...HOURLY, cron_expression: "5 * * * *" } });
    await project();
    const { state, spec } = await describeOf(definition);
    expect(state).toMatchObject({ paused: true, note: "holidays" });
    expect(spec.calendars?.[0]?.minute).toEqual([{ start: 5, end: 5, step: 1 }]);

    const again = { trigger_config: { ...HOURLY, cron_expression: "5 * * * *" } };
    await edit(definition, { ...again, enabled: false });
    await project();
    await edit(definition, again);
    await project();
    expect((await describeOf(definition)).state.paused).toBe(false);
  });

  test("is honoured and reported by every sync, until they end it", async () => {
    const definition = await define();
    await project();
    await handleOf(definition).pause("holidays");
    for (const dryRun of [true, false, false]) {
      expect((await sync({ dryRun })).drift).toEqual([driftOf(definition, "paused", false)]);
      expect((await describeOf(definition)).state.paused).toBe(true);
    }
    await handleOf(definition).unpause();
    expect((await sync()).drift).toEqual([]);
    expect(await changes()).toEqual({ create: 1 });
  });

  test("is not lost when it comes between our reading and our update", async () => {
    const definition = await define();
    await project();
    let raced = false;
    const racing = {
      ...scheduler,
      async describe(id: string) {
        const standing = await scheduler.describe(id);
        if (!raced) await handleOf(definition).pause("just now");
        raced = true;
        return standing;
      },
    };
    await edit(definition, { trigger_config: { ...HOURLY, cron_expression: "7 * * * *" } });
    const report = await createScheduleSync({ ...deps, scheduler: racing })({ dryRun: false, signal });
    expect(report).toMatchObject({ upserted: 1, drift: [driftOf(definition, "paused", false)], errors: [] });
    expect((await describeOf(definition)).state).toMatchObject({ paused: true, note: "just now" });
    await handleOf(definition).unpause();
  });
});

describe("a sync of schedules", () => {
  test("makes what is missing, and then has nothing to do and tells the engine nothing", async () => {
    await sync();
    const definitions = await Promise.all([
      define(),
      define(HOURLY, { enabled: false }),
      define({ trigger_type: "interval", every: 90 }),
      define({ trigger_type: "scheduled", run_at: "2032-01-01T00:00:00Z" }),
      define({
        ...HOURLY,
        cron_expression: ["30 2 L * *", "0 * * * FRI#2"],
        timezone: "Europe/Berlin",
        starts_at: "2020-01-01T00:00",
        ends_at: "2032-01-01T00:00:01Z",
        except: datesFrom("2026-12-25", 20, 40),
      }),
      define({ trigger_type: "event", event_type: "x" }),
    ]);
    const before = await sync({ dryRun: true });
    expect(before).toMatchObject({ upserted: 5, drift: [], errors: [] });
    expect(await Promise.all(definitions.map(isThere))).toEqual([false, false, false, false, false, false]);

    metrics.scheduleChanges.reset();
    expect(await sync()).toEqual(before);
    expect(await Promise.all(definitions.map(isThere))).toEqual([true, true, true, true, true, false]);
    expect(await changes()).toEqual({ create: 5 });

    metrics.scheduleChanges.reset();
    const { upserted, unchanged } = before;
    const nothing = { ...before, upserted: 0, unchanged: unchanged + upserted };
    for (const dryRun of [true, false, false]) expect(await sync({ dryRun })).toEqual(nothing);
    expect(await changes()).toEqual({});
  });

  test.each<[what: string, change: Parameters<ReturnType<typeof handleOf>["update"]>[0]]>([
    ["times", (previous) => ({ ...previous, spec: { calendars: [{ hour: 4 }] } })],
    ["policies", (previous) => ({ ...previous, policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL } })],
    ["action", (previous) => ({ ...previous, action: { ...previous.action, args: ["other", {}] } })],
  ])("repairs other %s, reports it, and then has nothing to do", async (_, change) => {
    const definition = await define();
    await sync();
    const { raw: __, ...before } = await describeOf(definition);
    metrics.scheduleChanges.reset();
    await handleOf(definition).update(change);
    expect((await sync({ dryRun: true })).drift).toEqual([driftOf(definition, "changed", false)]);
    expect(await sync()).toMatchObject({ upserted: 1, drift: [driftOf(definition, "changed")], errors: [] });
    const { raw: ___, ...after } = await describeOf(definition);
    expect({ ...after, info: null }).toEqual({ ...before, info: null } as never);
    expect(await sync()).toMatchObject({ upserted: 0, drift: [] });
    expect(await changes()).toEqual({ update: 1 });
  });

  test("finds what the listing does not show in turn, when there are too many to look at each", async () => {
    const definitions = await Promise.all(Array.from({ length: 8 }, () => define()));
    const { unchanged, upserted } = await sync();
    const all = unchanged + upserted;
    await eventually("the engine lists them", async () => (await scheduler.list()).length === all);
    await handleOf(definitions[3] as Definition).update((previous) => ({
      ...previous,
      policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL },
    }));
    let described = 0;
    const describe = (id: string) => {
      described++;
      return scheduler.describe(id);
    };
    const syncInTurn = createScheduleSync({ ...deps, scheduler: { ...scheduler, describe } }, { always: 3, forMs: -1 });
    let repaired = 0;
    for (let round = 0; round < Math.ceil(all / 3); round++) {
      const report = await syncInTurn({ dryRun: false, signal });
      expect(report.unchanged + report.upserted).toBe(all);
      repaired += report.drift.length;
    }
    expect(repaired).toBe(1);
    expect(described).toBe(3 * Math.ceil(all / 3));
  });

  test("makes a deleted one again, and reports it", async () => {
    const definition = await define();
    await sync();
    await handleOf(definition).delete();
    expect(await sync()).toMatchObject({ upserted: 1, drift: [driftOf(definition, "deleted")], errors: [] });
    expect(await isThere(definition)).toBe(true);
    expect(await sync()).toMatchObject({ upserted: 0, drift: [] });
  });

  test("pauses a disabled one again that somebody let run, and reports it", async () => {
    const definition = await define(HOURLY, { enabled: false });
    await sync();
    await handleOf(definition).unpause();
    expect(await sync()).toMatchObject({ upserted: 1, drift: [driftOf(definition, "unpaused")], errors: [] });
    expect((await describeOf(definition)).state.paused).toBe(true);
  });

  test("deletes schedules of ours without a definition, and leaves 50 of somebody else alone (I6)", async () => {
    const foreign = Array.from({ length: 50 }, (_, n) =>
      // The last of them with an id of our form.
      n < 49 ? `theirs-${crypto.randomUUID()}` : scheduleId(crypto.randomUUID()),
    );
    await Promise.all(foreign.map(createForeign));
    const theirs = () =>
      Promise.all(
        foreign.map(async (id) => (await temporal.client.schedule.getHandle(id).describe()).info.lastUpdatedAt),
      );
    const before = await theirs();

    const [lost, deleted, kept] = [await define(), await define(), await define()];
    await sync();
    await database.sql`delete from actcore.schedule_projections where definition_id = ${lost.id}`;
    await database.sql`delete from actcore.due_progress where definition_id = ${lost.id}`;
    await database.sql`delete from actcore.definition_versions where definition_id = ${lost.id}`;
    await database.sql`delete from actcore.definitions where id = ${lost.id}`;
    await remove(deleted);
    await eventually("the engine lists them", async () => {
      const listed = await scheduler.list();
      return [lost, deleted].every(({ id }) => listed.some(({ schedule_id }) => schedule_id === scheduleId(id)));
    });
    expect(await sync({ dryRun: true })).toMatchObject({ orphans_deleted: 2 });
    expect(await isThere(lost)).toBe(true);
    expect(await sync()).toMatchObject({ orphans_deleted: 2, removed: 0, upserted: 0, drift: [], errors: [] });
    expect(await Promise.all([lost, deleted, kept].map(isThere))).toEqual([false, false, true]);
    expect(await sync()).toMatchObject({ orphans_deleted: 0, drift: [], errors: [] });
    expect(await theirs()).toEqual(before);
  });

  test("leaves somebody else's schedule under our id alone, says so, and makes the others (I6)", async () => {
    const definition = await define();
    await createForeign(scheduleId(definition.id));
    const other = await define();
    const report = await sync();
    expect(report).toMatchObject({ upserted: 1, errors: [{ subject: definition.name }] });
    expect(report.errors[0]?.message).toContain("was not made by actcore");
    expect((await describeOf(definition)).action).toMatchObject({ workflowType: "Theirs" });
    expect(await isThere(other)).toBe(true);
    await handleOf(definition).delete();
    expect(await sync()).toMatchObject({ upserted: 1, errors: [] });
  });

  test("takes somebody else's schedule under a deleted definition's id for none of ours, and leaves it alone (I6)", async () => {
    const definition = await define();
    await sync();
    await handleOf(definition).delete();
    await createForeign(scheduleId(definition.id));
    await remove(definition);
    for (const dryRun of [true, false, false])
      expect(await sync({ dryRun })).toMatchObject({ orphans_deleted: 0, removed: 0, errors: [] });
    expect((await describeOf(definition)).action).toMatchObject({ workflowType: "Theirs" });
    expect((await deps.store.listStale(100)).map((each) => each.definition.id)).not.toContain(definition.id);
    await handleOf(definition).delete();
  });

  test("reports what the engine refuses, and makes the others", async () => {
    // A year that the engine does not know.
    const trigger_config = { trigger_type: "scheduled", run_at: "2150-01-01T00:00:00Z" } as const;
    const body = { ...bodyOf(crypto.randomUUID()), trigger_type: "scheduled", trigger_config } as const;
    const refused = await createDefinitionStore(database.db).create(body, "rest", BY_TEST);
    const other = await define();
    expect(await sync()).toMatchObject({ upserted: 1, errors: [{ subject: refused.name }] });
    expect(await isThere(other)).toBe(true);
    await remove(refused);
    expect(await sync()).toMatchObject({ errors: [] });
  });

  test("of several processes is one at a time, and the later ones have nothing to do", async () => {
    await sync();
    await Promise.all(Array.from({ length: 10 }, () => define()));
    metrics.scheduleChanges.reset();
    const reports = await Promise.all([sync(), sync(), sync()]);
    expect(reports.map(({ upserted }) => upserted).sort()).toEqual([0, 0, 10]);
    expect(await changes()).toEqual({ create: 10 });
  });
});
