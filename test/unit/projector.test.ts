/** What a schedule becomes when the projector dies between the engine and its note. */
import { expect, test } from "bun:test";
import type { Definition } from "../../src/definition/schema.ts";
import { createLog } from "../../src/kernel/log.ts";
import type { ToldSchedule } from "../../src/schedule/drift.ts";
import { hashPlan, planSchedule, type SchedulePlan } from "../../src/schedule/plan.ts";
import { bringUp, type ProjectorDeps } from "../../src/schedule/projector.ts";

test("a pause of ours that was not noted ends when the definition is enabled again", async () => {
  const definition = (enabled: boolean, version: number) =>
    ({
      ...{ id: "1", name: "heartbeat", version, enabled },
      trigger_config: { trigger_type: "interval", every: "1m" },
    }) as Definition;
  const planOf = (enabled: boolean, version: number) =>
    planSchedule(definition(enabled, version), new Date(0)) as SchedulePlan;

  let told: ToldSchedule = { version: 1, plan_hash: hashPlan(planOf(true, 1)), paused: false, engine_hash: "e" };
  const standing = { schedule_id: "activity-schedule-1", paused: false, engine_hash: "e", mark: 1 };
  const setPaused = async (_: unknown, paused: boolean) => Object.assign(standing, { paused });
  let isDead = false;
  const deps = {
    store: {
      async markProjected(_: string, now: ToldSchedule) {
        if (isDead) throw new Error("it died");
        told = now;
      },
    },
    scheduler: {
      describe: async () => ({ ...standing }),
      update: (_plan: unknown, paused: boolean) => setPaused(_plan, paused),
      async setPaused(_: unknown, paused: boolean) {
        isDead = true;
        return setPaused(_, paused);
      },
    },
    log: createLog("silent"),
  } as unknown as ProjectorDeps;
  const project = (enabled: boolean, version: number) =>
    bringUp(
      deps,
      { definition: definition(enabled, version), deleted: false, done_at: null, told },
      planOf(enabled, version),
    );

  await expect(project(false, 2)).rejects.toThrow("it died");
  expect(standing.paused).toBe(true);
  isDead = false;
  await project(true, 3);
  expect(standing.paused).toBe(false);
});
