/**
 * Round after round somebody edits definitions and others meddle with the schedules, and then two processes sync at the
 * same time. After each round every schedule is what its definition says, and nobody else's was touched (I6).
 *
 * At full size, 200 definitions, 20 rounds and 50 foreign schedules: ACTCORE_TEST_FULL=1 bun test … --timeout=900000
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { ScheduleNotFoundError, ScheduleOverlapPolicy } from "@temporalio/client";
import type { Definition } from "../../src/definition/schema.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { openPostgres, type Postgres } from "../../src/postgres/client.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createProjectionStore } from "../../src/postgres/schedule/projection-store.ts";
import { scheduleId } from "../../src/schedule/plan.ts";
import { createScheduleSync, type ScheduleSyncReport } from "../../src/schedule/schedule-sync.ts";
import { createScheduler } from "../../src/temporal/schedules.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf, replace, storeDefinition } from "../support/ledger.ts";
import { openTestNamespace } from "../support/workflow.ts";

const FULL = process.env.ACTCORE_TEST_FULL !== undefined;
const [DEFINITIONS, ROUNDS, FOREIGN, CHANGES] = FULL ? [200, 20, 50, 40] : [16, 4, 10, 8];
setDefaultTimeout(FULL ? 900_000 : 60_000);

const metrics = createMetrics();
const { signal } = new AbortController();
let temporal: Awaited<ReturnType<typeof openTestNamespace>>;
let database: TestDatabase;
let other: Postgres;
beforeAll(async () => {
  [temporal, database] = await Promise.all([openTestNamespace(), createTestDatabase()]);
  other = openPostgres(database.url, "test-other", 4);
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await temporal?.close();
  await other?.close();
  await database?.close();
});

const pick = (count: number) => Math.floor(Math.random() * count);
const triggerOf = (n: number) =>
  n % 2 === 0
    ? { trigger_type: "cron", cron_expression: `${n % 60} 4 * * *`, timezone: "Europe/Berlin" }
    : { trigger_type: "interval", every: `${3600 + n}s`, misfire_policy: "compress" };

/** What there should be, by the definition's id: the number that its trigger is made of, and whether it runs. */
interface Wanted {
  n: number;
  enabled: boolean;
  /** Somebody paused the schedule, which is honoured while the definition stays enabled. */
  heldBy?: "somebody";
}

test("two syncs at a time converge every round, whatever happened, and touch nobody else's schedules", async () => {
  const log = createLog("silent");
  // Each describes every schedule: what a listing does not show has to be found in its round.
  const all = { always: Number.POSITIVE_INFINITY, forMs: 0 };
  const scheduler = createScheduler(temporal, metrics);
  const syncs = [database, other].map((postgres) =>
    createScheduleSync({ store: createProjectionStore(postgres), scheduler, log }, all),
  );
  const handleOf = (id: string) => temporal.client.schedule.getHandle(scheduleId(id));
  const store = createDefinitionStore(database.db);
  const wanted = new Map<string, Wanted>();
  const names = new Map<string, string>();
  const restOf = ({ n, enabled }: Wanted) => ({ trigger_config: triggerOf(n), enabled });

  async function create(): Promise<Definition> {
    const want = { n: pick(60), enabled: Math.random() < 0.8 };
    const definition = await storeDefinition(database, restOf(want));
    wanted.set(definition.id, want);
    names.set(definition.id, definition.name);
    return definition;
  }
  async function change(id: string, to: Partial<Wanted>): Promise<void> {
    const want = { ...(wanted.get(id) as Wanted), ...to };
    if (!want.enabled) delete want.heldBy;
    wanted.set(id, want);
    await replace(database, id, bodyOf(names.get(id) as string, restOf(want)));
  }
  /** What somebody does. Those behind our back find a schedule that the round before made. */
  const deeds: ((id: string) => Promise<unknown>)[] = [
    () => create(),
    (id) => change(id, { n: pick(60) }),
    (id) => change(id, { enabled: true }),
    (id) => change(id, { enabled: false }),
    async (id) => {
      wanted.delete(id);
      await store.remove(id, BY_TEST);
    },
    async (id) => {
      await handleOf(id).pause("by somebody");
      const want = wanted.get(id) as Wanted;
      if (want.enabled) want.heldBy = "somebody";
    },
    (id) => handleOf(id).update((before) => ({ ...before, spec: { calendars: [{ hour: 3 }] } })),
    (id) => handleOf(id).update((before) => ({ ...before, policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL } })),
    async (id) => {
      await handleOf(id).delete();
      delete (wanted.get(id) as Wanted).heldBy;
    },
  ];

  const foreign = Array.from({ length: FOREIGN }, (_, n) => (n % 2 === 0 ? `theirs-${n}` : scheduleId(`theirs-${n}`)));
  const action = { type: "startWorkflow", workflowType: "Theirs", taskQueue: "theirs", args: [] } as const;
  for (const id of foreign)
    await temporal.client.schedule.create({ scheduleId: id, spec: { intervals: [{ every: "1h" }] }, action });
  const theirs = () =>
    Promise.all(
      foreign.map(async (id) => {
        const { raw } = await temporal.client.schedule.getHandle(id).describe();
        return JSON.stringify([raw.conflictToken, raw.info?.updateTime, raw.schedule]);
      }),
    );
  const before = await theirs();
  for (let n = 0; n < DEFINITIONS; n++) await create();

  for (let round = 0; round < ROUNDS; round++) {
    // Each definition at most once: a deed on what another deed just deleted would be none.
    const ids = [...wanted.keys()].sort(() => Math.random() - 0.5).slice(0, round === 0 ? 0 : CHANGES);
    for (const id of ids) await deeds[pick(deeds.length)]?.(id);

    const reports = await Promise.all(syncs.map((sync) => sync({ dryRun: false, signal })));
    const after = await Promise.all(syncs.map((sync) => sync({ dryRun: false, signal })));
    for (const { errors } of [...reports, ...after]) expect(errors).toEqual([]);
    for (const { upserted, removed, orphans_deleted, unchanged } of after)
      expect([upserted, removed, orphans_deleted, unchanged]).toEqual([0, 0, 0, wanted.size]);
    await expectConverged(after[0] as ScheduleSyncReport);
  }
  expect(await theirs()).toEqual(before);

  async function expectConverged({ paused, drift }: ScheduleSyncReport): Promise<void> {
    for (const [id, { n, enabled, heldBy }] of wanted) {
      const { spec, policies, state } = await handleOf(id).describe();
      const minute = spec.calendars?.[0]?.minute;
      if (n % 2 === 0) expect(minute).toEqual([{ start: n, end: n, step: 1 }]);
      else expect(spec.intervals).toEqual([{ every: (3600 + n) * 1000, offset: 0 }]);
      expect(policies.overlap).toBe(n % 2 === 0 ? "SKIP" : "BUFFER_ONE");
      expect(state.paused).toBe(!enabled || heldBy !== undefined);
    }
    for (const id of names.keys())
      if (!wanted.has(id)) {
        const error = await handleOf(id)
          .describe()
          .then(
            () => undefined,
            (reason: unknown) => reason,
          );
        expect(error).toBeInstanceOf(ScheduleNotFoundError);
      }
    expect(paused).toBe([...wanted.values()].filter(({ enabled }) => !enabled).length);
    const held = [...wanted].filter(([, { heldBy }]) => heldBy !== undefined).map(([id]) => id);
    expect(drift.map(({ activity_id }) => activity_id).sort()).toEqual(held.sort());
    expect(drift.every(({ what, repaired }) => what === "paused" && !repaired)).toBe(true);
  }
});
