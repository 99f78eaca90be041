/** `actcore import celery-beat`: what Celery itself printed, its beat_schedule and the tables of django-celery-beat, as activities. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import { nextTimesToRun } from "../../src/calendar/due-times.ts";
import type { ScheduleTrigger } from "../../src/calendar/trigger.ts";
import { isFault, readDocuments, type TreeDocument } from "../../src/document/document.ts";
import { importCeleryBeat } from "../../src/import/celery-beat.ts";
import { toTrigger } from "../../src/import/celery-schedule.ts";
import { finishImport } from "../../src/import/import.ts";
import { parseJson } from "../../src/json/parse.ts";
import type { InvalidInputError, TerminalError } from "../../src/kernel/errors.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const readSample = async (name: string) =>
  parseJson(await Bun.file(join(import.meta.dir, "../support/imports", name)).text());

function importJson(input: unknown) {
  const { drafts, ...remarks } = importCeleryBeat(input, {
    ...{ app: "shop", celery: "/srv/venv/bin/celery", workdir: "/srv/shop", timezone: "UTC", shadow: false },
    file: "beat.json",
  });
  const imported = finishImport(drafts, remarks, TASK_RULES);
  const bodies = imported.activities.map(({ text }) => {
    const [document] = [...readDocuments(text, "a.yaml", TASK_RULES)];
    if (document === undefined || isFault(document)) throw new Error(`faulty: ${text}`);
    return (document as TreeDocument & { kind: "activity" }).body;
  });
  return { ...imported, bodies };
}

describe("a beat_schedule", async () => {
  const imported = importJson(await readSample("beat-schedule.json"));
  const bodyOf = (name: string) => imported.bodies.find((body) => body.name === name);
  const argvOf = (name: string) =>
    (bodyOf(name)?.task_templates[0]?.params as { argv: string[] } | undefined)?.argv ?? [];

  test("becomes activities that send its tasks as before, by Celery's own program", () => {
    expect(
      imported.activities.find(({ name }) => name === "every-ten-minutes")?.text,
    ).toBe(`# every-ten-minutes, from beat.json.
name: every-ten-minutes
trigger_config: {trigger_type: interval, every: 10m}
task_templates:
  - key: send
    type: command
    timeout: 1m
    params:
      argv: [/srv/venv/bin/celery, -A, shop, call, tasks.poll, --queue=slow, --expires=300]
      cwd: /srv/shop
      stdin: null
`);
    expect(argvOf("add-every-30-seconds").slice(3)).toEqual(["call", "tasks.add", "--args=[16,16]"]);
    expect(argvOf("monday-morning").at(-1)).toBe('--kwargs={"to":"ops","title":"{{ "{{" }} week }}"}');
  });

  test("is due when Celery's own code says, also where days must match both fields and hours go over midnight", async () => {
    const due = (await readSample("beat-due-times.json")) as Record<string, string[]>;
    const names = Object.keys(due).filter((name) => bodyOf(name) !== undefined);
    expect(names).toHaveLength(7);
    for (const name of names) {
      // Celery was asked in UTC.
      const trigger = { ...bodyOf(name)?.trigger_config, timezone: "UTC" } as ScheduleTrigger;
      const times = nextTimesToRun(compileCalendar(trigger), new Date("2026-01-01T00:00Z"), 60);
      expect([name, times.map((at) => at.toISOString().replace(":00.000Z", "Z"))]).toEqual([
        name,
        due[name] as string[],
      ]);
    }
  });

  test("names what it cannot carry over", () => {
    expect(imported.refused.map(({ place, message }) => [place, message])).toEqual([
      ["both-days", expect.stringContaining("Celery runs on days that match both")],
      ["sunset", expect.stringContaining('"solar"')],
      ["half-second", "0.5 seconds are no interval in whole seconds"],
    ]);
    expect(imported.notes).toMatchObject([{ place: "every-ten-minutes", message: "is not carried over: priority" }]);
  });

  test("names `relative`, an option of the entry and not of the message", () => {
    const { notes } = importJson({ a: { task: "t", schedule: 60, relative: true }, b: { task: "t", schedule: 60 } });
    expect(notes).toMatchObject([{ place: "a", message: "is not carried over: relative" }]);
  });
});

test("rows of django-celery-beat become activities with their bounds, zones and state", async () => {
  const { bodies, refused, notes, activities } = importJson(await readSample("periodic-tasks.json"));
  expect(bodies.map(({ name, enabled, trigger_config }) => ({ name, enabled, trigger_config }))).toEqual([
    { name: "poll-the-shop", enabled: true, trigger_config: { trigger_type: "interval", every: "10m" } },
    {
      name: "nightly-report",
      enabled: false,
      trigger_config: {
        ...{ trigger_type: "cron", cron_expression: "30 2 * * 1-5", timezone: "Europe/Berlin" },
        ...{ starts_at: "2026-03-01T00:00:00Z", ends_at: "2027-03-01T00:00:00Z" },
      },
    },
    { name: "new-year", enabled: true, trigger_config: { trigger_type: "scheduled", run_at: "2030-01-01T09:00:00Z" } },
  ] as never);
  expect(activities[0]?.text).toStartWith("# Asks the shop for new orders.\n# Poll the shop, from beat.json.\n");
  expect(activities[0]?.text).toContain(`- --kwargs={"deep":{"x":[true,null]}}`);
  expect(refused.map(({ place }) => place)).toEqual(["sunrise", "once", "half"]);
  expect(notes.map(({ place, message }) => [place, message])).toEqual([
    ["Poll the shop", "is not carried over: priority"],
  ]);
});

test.each<[string, object, string]>([
  ["ranges over the end of a field", { hour: "22-2", minute: 0 }, "0 0-2,22,23 * * *"],
  [
    "names in full and of months",
    { minute: 0, hour: 0, day_of_week: "monday-wed", month_of_year: "jan,dec" },
    "0 0 * 1,12 1-3",
  ],
  ["steps, alone and beside others", { minute: "*/15", hour: "*/6,9-17/4" }, "*/15 0,6,9,12,13,17,18 * * *"],
  ["lists of numbers", { minute: [30, 0], hour: "{9, 17}" }, "0,30 9,17 * * *"],
  [
    "both days where a step says one of them",
    { minute: 0, hour: 0, day_of_month: "1-10", day_of_week: "0,6" },
    "0 0 1-10 * */6",
  ],
  [
    "both days where they are weeks of a month",
    { minute: 0, hour: 0, day_of_month: "1-14", day_of_week: "mon,fri" },
    "0 0 * * 1#1,1#2,5#1,5#2",
  ],
])("a crontab of Celery is written with %s", (_, schedule, expression) => {
  expect(toTrigger({ __type__: "crontab", ...schedule }, "UTC")).toEqual({
    ...{ trigger_type: "cron", cron_expression: expression, timezone: "UTC" },
  } as never);
});

test.each<[unknown, string]>([
  [{ minute: "61" }, '"61" of "61" is not within 0 to 59'],
  [{ day_of_week: "7" }, "is not within 0 to 6"],
  [{ minute: "*/0" }, "has no range"],
  [{ minute: "5/10" }, "has no range"],
  [{ hour: "1-2-3" }, "is no range"],
  [{ __type__: "rrule" }, 'the type "rrule"'],
  [{ every: 5, period: "fortnights" }, "expected an interval"],
  ["daily", "no number of seconds"],
])("the schedule %j is refused", (schedule, message) => {
  expect(() => toTrigger(schedule, "UTC")).toThrow(
    expect.objectContaining({ message: expect.stringContaining(message) }) as TerminalError,
  );
});

test.each([[5], [[{ a: 1 }]]])("%j is no file of periodic tasks", (input) => {
  expect(() => importJson(input)).toThrow(expect.objectContaining({ code: "invalid_import" }) as InvalidInputError);
});

test("an entry without a task, a schedule or a list of arguments is named", () => {
  const { refused } = importJson({ a: {}, b: { task: "b" }, c: { task: "c", schedule: 5, args: "x" }, d: 7 });
  expect(refused.map(({ place, message }) => [place, message])).toEqual([
    ["a", "names no task"],
    ["b", "has no schedule"],
    ["c", "its args are no list, or its kwargs no object"],
    ["d", "names no task"],
  ]);
});
