/** What the schedules of definitions are to somebody else: read back with Temporal's Python SDK, nothing of ours in it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { eventually } from "../support/engines.ts";
import { callClient, findPythonFault, PYTHON_TIMEOUT_MS, preparePython } from "../support/python.ts";
import { readEndpoints, type Server } from "../support/server.ts";
import { define, useServer } from "../support/shared-server.ts";

const fault = findPythonFault();
if (fault !== undefined) console.warn(`the tests with Python clients are skipped: ${fault}`);

/** As read_schedules.py prints it; ranges are [start, end, step], times are in seconds. */
interface PythonSchedule {
  timezone: string;
  calendars: Record<"year" | "month" | "day" | "weekday" | "hour" | "minute" | "second", number[][]>[];
  intervals: number[][];
  jitter: number;
  overlap: string;
  catchup_window: number;
  paused: boolean;
  note: string | null;
  limited: boolean;
  remaining: number;
  next: string[];
}

const EVERY = { month: [[1, 12, 1]], second: [[0, 0, 1]], year: [] };
const EVERY_DAY = { day: [[1, 31, 1]], weekday: [[0, 6, 1]] };
const at = (time: Partial<PythonSchedule["calendars"][number]>) => ({ ...EVERY, ...EVERY_DAY, ...time });
/** Far enough not to fire in a test. */
const YEARLY = { trigger_type: "cron", cron_expression: "30 4 1 1 *" } as const;
const YEARLY_CALENDAR = at({ month: [[1, 1, 1]], day: [[1, 1, 1]], hour: [[4, 4, 1]], minute: [[30, 30, 1]] });
const UNLIMITED = { limited: false, remaining: 0, paused: false, note: null };

describe.skipIf(fault !== undefined)("a Python client reads", () => {
  let server: Server;
  let python: string;
  const made: string[] = [];
  beforeAll(async () => {
    [server, python] = await Promise.all([useServer(), preparePython()]);
  }, PYTHON_TIMEOUT_MS);
  afterAll(async () => {
    for (const id of made) await remove(id);
  });

  async function read(...ids: string[]): Promise<(PythonSchedule | null)[]> {
    const { temporalHost } = readEndpoints(server);
    const scheduleIds = ids.map((id) => `activity-schedule-${id}`);
    const answer = JSON.parse(await callClient(python, "read_schedules.py", temporalHost, ...scheduleIds));
    return scheduleIds.map((id) => answer[id]);
  }
  async function create(trigger_config: object, rest: object = {}) {
    const definition = await define(server, { trigger_config, ...rest });
    made.push(definition.id);
    return definition;
  }
  const remove = (id: string) =>
    fetch(`http://${server.flags.apiAddr}/activity-definitions/${id}`, { method: "DELETE" });
  const patch = (id: string, change: object) =>
    server.api(`/activity-definitions/${id}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(change),
    });
  /** Of one definition, as soon as the condition holds. */
  const eventuallyRead = (what: string, id: string, holds: (schedule: PythonSchedule | null) => boolean) =>
    eventually(
      what,
      async () => {
        const [schedule = null] = await read(id);
        return holds(schedule) && { schedule };
      },
      30_000,
    );

  test("each kind and each policy as it was planned, with memo, search attributes and action", async () => {
    const SKIP = { overlap: "SKIP", catchup_window: 10 };
    const cases: [trigger: object, expected: object][] = [
      [YEARLY, { timezone: "UTC", calendars: [YEARLY_CALENDAR], jitter: 0, ...SKIP, ...UNLIMITED }],
      [{ ...YEARLY, misfire_policy: "skip", catchup_window: "2h" }, SKIP],
      [
        { ...YEARLY, misfire_policy: "catchup" },
        { overlap: "BUFFER_ALL", catchup_window: 86_400 },
      ],
      [
        { ...YEARLY, misfire_policy: "catchup", catchup_window: "2h", jitter: "1m" },
        { overlap: "BUFFER_ALL", catchup_window: 7200, jitter: 60 },
      ],
      [
        { ...YEARLY, misfire_policy: "compress", timezone: "Asia/Tokyo" },
        { overlap: "BUFFER_ONE", catchup_window: 10, timezone: "Asia/Tokyo" },
      ],
      [
        { trigger_type: "cron", cron_expression: "*/20 9 13 JAN FRI", timezone: "UTC" },
        {
          calendars: [
            at({ month: [[1, 1, 1]], day: [[13, 13, 1]], hour: [[9, 9, 1]], minute: [[0, 40, 20]] }),
            at({ month: [[1, 1, 1]], weekday: [[5, 5, 1]], hour: [[9, 9, 1]], minute: [[0, 40, 20]] }),
          ],
        },
      ],
      [
        { trigger_type: "interval", every: "8760h", offset: "1h", misfire_policy: "compress" },
        { intervals: [[31_536_000, 3600]], calendars: [], overlap: "BUFFER_ONE", catchup_window: 10, ...UNLIMITED },
      ],
      [
        { trigger_type: "scheduled", run_at: "2031-05-06T07:08:09+02:00" },
        {
          ...{ timezone: "UTC", overlap: "SKIP", catchup_window: 365 * 86_400, limited: true, remaining: 1 },
          next: ["2031-05-06T05:08:09+00:00"],
        },
      ],
    ];
    const definitions = await Promise.all(cases.map(([trigger]) => create(trigger)));
    const ids = definitions.map(({ id }) => id);
    const schedules = await eventually(
      "all are there",
      async () => {
        const found = await read(...ids);
        return found.every((schedule) => schedule !== null) && found;
      },
      30_000,
    );
    for (const [index, [, expected]] of cases.entries()) {
      const { id, name } = definitions[index] as (typeof definitions)[number];
      const attributes = { ActivityId: id, ActivityName: name };
      expect(schedules[index]).toMatchObject({
        ...expected,
        workflow: "RunActivityWorkflow",
        workflow_id: `activity-${id}`,
        task_queue: "orchestrator-tq",
        args: [id, {}],
        memo: { actcore: true },
        search_attributes: attributes,
        action_search_attributes: attributes,
      });
    }
  }, 60_000);

  test("that what a gap of the clocks removes is due right after it", async () => {
    const { id } = await create({ trigger_type: "cron", cron_expression: "30 2 28 3 *", timezone: "Europe/Berlin" });
    const { schedule } = await eventuallyRead("it is there", id, (found) => found !== null);
    const next = (schedule as PythonSchedule).next.map((time) => new Date(time));
    const expected = next.map((time) => {
      const year = time.getUTCFullYear();
      const weekday = new Date(Date.UTC(year, 2, 28)).getUTCDay();
      // Clocks are put forward from 02:00 to 03:00, at 01:00 UTC, on the month's last Sunday.
      const isGap = weekday === 0;
      const isSummer = weekday >= 1 && weekday <= 3;
      return new Date(Date.UTC(year, 2, 28, isSummer ? 0 : 1, isGap ? 0 : 30));
    });
    expect(next).toEqual(expected);
    expect(next.filter((time) => time.getUTCMinutes() === 0).length).toBeGreaterThan(0);
    expect(new Set(next.map((time) => time.getUTCFullYear())).size).toBe(10);
  }, 60_000);

  test("a disabled definition's schedule paused, an enabled one's running, and a deleted one's not at all", async () => {
    const { id } = await create(YEARLY, { enabled: false });
    const isPaused = (paused: boolean) => (found: PythonSchedule | null) => found?.paused === paused;
    await eventuallyRead("it is there, paused", id, isPaused(true));
    await patch(id, { enabled: true });
    const { schedule } = await eventuallyRead("it runs", id, isPaused(false));
    expect(schedule).toMatchObject({ calendars: [YEARLY_CALENDAR], note: "enabled in actcore" });
    await patch(id, { enabled: false });
    await eventuallyRead("it is paused", id, isPaused(true));
    expect((await remove(id)).status).toBe(204);
    await eventuallyRead("it is gone", id, (found) => found === null);
  }, 120_000);
});
