/** What a sync of schedules does when the engine fails it in the middle; the rest is tested with the real engine. */
import { expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import { RetryableError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import type { StandingSchedule } from "../../src/schedule/drift.ts";
import type { SchedulePlan } from "../../src/schedule/plan.ts";
import type { Projection, ProjectionStore } from "../../src/schedule/projector.ts";
import { createScheduleSync, type ScheduleSyncDeps } from "../../src/schedule/schedule-sync.ts";

const AWAY = new RetryableError("temporal_unavailable", "Temporal: away");
const CONFLICT = new RetryableError("schedule_conflict", "schedule: somebody else");
const running = new AbortController().signal;

function projectionOf(n: number): Projection {
  const trigger_config = { trigger_type: "interval", every: 60 } as const;
  const definition = { id: `${n}`, name: `d-${n}`, enabled: true, version: 1, trigger_config } as unknown as Definition;
  const told = { version: null, plan_hash: null, paused: false, engine_hash: null };
  return { definition, deleted: false, done_at: null, told };
}

/** `count` definitions without a schedule, and an engine that makes one of each unless `create` says otherwise. */
function setUp(count: number, create: (n: number) => Promise<unknown> = async () => {}) {
  const calls = { describe: 0, create: 0, marked: 0 };
  const standing = ({ schedule_id }: SchedulePlan): StandingSchedule => ({
    schedule_id,
    paused: false,
    engine_hash: "e",
    mark: undefined,
  });
  const store = {
    listAll: async () => Array.from({ length: count }, (_, n) => projectionOf(n)),
    markProjected: async () => void calls.marked++,
    inTurn: (body: () => Promise<unknown>) => body(),
  } as unknown as ProjectionStore;
  const scheduler = {
    list: async () => [],
    async describe() {
      calls.describe++;
      return undefined;
    },
    async create(plan: SchedulePlan) {
      await create(calls.create++);
      return standing(plan);
    },
  } as unknown as ScheduleSyncDeps["scheduler"];
  return { calls, sync: createScheduleSync({ store, scheduler, log: createLog("silent") }) };
}

const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

test("an engine that went away is not asked for every schedule, and the rest is told in one sentence", async () => {
  const { sync, calls } = setUp(500, async (n) => {
    if (n >= 100) throw AWAY;
  });
  const { upserted, errors } = await sync({ dryRun: false, signal: running });
  expect(upserted).toBe(100);
  expect(calls.marked).toBe(100);
  expect(calls.create).toBeLessThan(150);
  const last = errors.at(-1);
  expect(errors[0]?.message).toBe("Temporal: away");
  expect(last?.subject).toBe("schedules");
  expect(last?.message).toStartWith(`${500 - calls.create} were not looked at: `);
});

test("an engine that is away now and then is an error of the schedules that it failed", async () => {
  const { sync } = setUp(100, async (n) => {
    if (n % 10 === 0) throw AWAY;
  });
  const { upserted, errors } = await sync({ dryRun: false, signal: running });
  expect([upserted, errors.length]).toEqual([90, 10]);
});

test("a schedule that somebody changes all the time is given up after some tries", async () => {
  const { sync, calls } = setUp(1, async () => {
    throw CONFLICT;
  });
  const { upserted, errors } = await sync({ dryRun: false, signal: running });
  expect([upserted, errors]).toEqual([0, [{ subject: "d-0", message: "schedule: somebody else" }]]);
  expect(calls.create).toBe(4);
});

test("a sync that is to end does not look at the next schedule", async () => {
  const end = new AbortController();
  const { sync, calls } = setUp(500, async (n) => {
    if (n === 40) end.abort(new Error("enough"));
  });
  expect(await errorOf(sync({ dryRun: false, signal: end.signal }))).toMatchObject({ message: "enough" });
  expect(calls.create).toBeLessThan(80);
});

test("a dry run creates nothing and notes nothing", async () => {
  const { sync, calls } = setUp(3);
  expect(await sync({ dryRun: true, signal: running })).toMatchObject({ upserted: 3, errors: [] });
  expect(calls).toEqual({ describe: 3, create: 0, marked: 0 });
});
