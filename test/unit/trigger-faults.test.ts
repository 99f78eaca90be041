/** Triggers that have due times: what is accepted, and how each fault is named. */
import { describe, expect, test } from "bun:test";
import { checkRunAt, parseRunAt } from "../../src/calendar/run-at.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import { ENGINE_TIME_ZONES } from "../../src/generated/time-zones.ts";
import type { Fault, InvalidInputError } from "../../src/kernel/errors.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const cron = (rest: object) => ({ trigger_type: "cron", cron_expression: "0 9 * * *", ...rest });
const interval = (rest: object) => ({ trigger_type: "interval", every: "5m", ...rest });
const scheduled = (run_at: unknown, timezone?: string) => ({
  trigger_type: "scheduled",
  run_at,
  ...(timezone && { timezone }),
});

/** So many dates from the first one on, `step` days apart. */
const days = (first: string, count: number, step = 1) =>
  Array.from({ length: count }, (_, index) =>
    new Date(Date.parse(first) + index * step * 86_400_000).toISOString().slice(0, 10),
  );

function faultsOf(trigger_config: object): readonly Fault[] {
  try {
    parseDefinition({ name: "a", trigger_config }, TASK_RULES);
  } catch (error) {
    return (error as InvalidInputError).faults;
  }
  return [];
}

test.each<[trigger: object]>([
  [cron({ timezone: "Europe/Berlin", dst_gap: "skip", jitter: "10s" })],
  [cron({ timezone: "UTC" })],
  [cron({ timezone: "US/Eastern" })],
  [cron({ timezone: "Asia/Calcutta" })],
  [cron({ timezone: "Etc/GMT+5" })],
  [cron({ cron_expression: "@daily", jitter: 0 })],
  [cron({ misfire_policy: "skip", misfire_grace: "5m" })],
  [cron({ misfire_policy: "catchup", catchup_window: "365d" })],
  [cron({ misfire_policy: "compress", jitter: "1d" })],
  [interval({})],
  [interval({ every: 1 })],
  [interval({ every: "1h30m", offset: "1h29m59s", jitter: "90m" })],
  [interval({ every: "1000ms", offset: 0 })],
  [interval({ every: "2d", jitter: "24h", misfire_policy: "catchup", catchup_window: 60 })],
  [scheduled("2026-12-24T18:00:00Z")],
  [scheduled("2026-12-24t18:00+01:00")],
  [scheduled("2001-01-01 00:00:00.000z")],
  [scheduled("2028-02-29T00:00:00-11:30")],
  [scheduled("2026-12-24T18:00", "Europe/Berlin")],
  [scheduled("2026-12-24T18:00:00Z", "Europe/Berlin")],
  [cron({ cron_expression: ["0 9 * * *"] })],
  [cron({ cron_expression: ["@daily", "0 9 * * *", "0 9 * * *"] })],
  [cron({ starts_at: "2027-01-01T00:00:00+01:00", ends_at: "2027-12-31 23:59Z" })],
  [cron({ starts_at: "2027-01-01T00:00", timezone: "Europe/Berlin" })],
  [cron({ starts_at: "2027-01-01T09:00Z", ends_at: "2027-01-01T09:00Z" })],
  [interval({ starts_at: "2027-01-01T00:00Z", ends_at: "2027-01-01T00:05", timezone: "UTC" })],
  [interval({ anchor: "2027-01-01T00:07:30", timezone: "Asia/Kathmandu" })],
  [cron({ except: [] })],
  [cron({ cron_expression: "* * * * *", except: days("2027-03-01", 6) })],
  [cron({ cron_expression: "* * * * *", except: days("2027-01-01", 400, 2) })],
  [cron({ except: ["2028-02-29", "2026-12-25", "2026-12-25"], timezone: "Europe/Berlin" })],
  [interval({ except: ["2026-12-25"] })],
  [interval({ anchor: "1999-12-31T23:59:59-01:00" })],
])("%j is a trigger", (trigger) => {
  expect(faultsOf(trigger)).toEqual([]);
});

test.each<[trigger: object, field: string, message: string]>([
  [cron({ cron_expression: "0 9 31 2 *" }), "cron_expression", "never fires"],
  [cron({ cron_expression: "@every 5m" }), "cron_expression", "interval"],
  [cron({ cron_expression: 5 }), "cron_expression", "received 5"],
  [cron({ timezone: "Mars/Base" }), "timezone", '"Mars/Base" is no IANA time zone'],
  [cron({ timezone: "" }), "timezone", "no IANA time zone"],
  [cron({ timezone: "+02:00" }), "timezone", "no IANA time zone"],
  [cron({ timezone: "Local" }), "timezone", "no IANA time zone"],
  [cron({ timezone: "PST" }), "timezone", "no IANA time zone"],
  [cron({ timezone: "europe/berlin" }), "timezone", "is written Europe/Berlin"],
  [cron({ timezone: "utc" }), "timezone", "is written UTC"],
  [cron({ timezone: "US/Pacific-New" }), "timezone", '"US/Pacific-New" is an IANA time zone no more'],
  [cron({ timezone: "Canada/East-Saskatchewan" }), "timezone", "is an IANA time zone no more"],
  [cron({ dst_gap: "twice" }), "dst_gap", "expected run or skip"],
  [cron({ jitter: -5 }), "jitter", "received -5"],
  [cron({ jitter: "-5s" }), "jitter", "received"],
  [cron({ jitter: "25h" }), "jitter", "from 0s to 1d"],
  [cron({ jitter: 1e300 }), "jitter", "from 0s to 1d"],
  [cron({ misfire_policy: "hope" }), "misfire_policy", "expected skip, catchup or compress"],
  [cron({ misfire_grace: -1 }), "misfire_grace", "received -1"],
  [cron({ misfire_grace: 0 }), "misfire_grace", "from 1s to 365d"],
  [cron({ catchup_window: "366d" }), "catchup_window", "from 1s to 365d"],
  [cron({ run_at: "2026-12-24T18:00:00Z" }), "run_at", "unknown field"],
  [cron({ cron_expression: [] }), "cron_expression", "a list of 1 to 20 of them, received []"],
  [cron({ cron_expression: ["0 9 * * *", 5] }), "cron_expression", "a list of 1 to 20 of them"],
  [cron({ cron_expression: Array(21).fill("0 9 * * *") }), "cron_expression", "a list of 1 to 20 of them"],
  [cron({ cron_expression: ["0 9 * * *", "0 9 31 2 *"] }), "cron_expression/1", "never fires"],
  [
    cron({ starts_at: "2027-01-01" }),
    "starts_at",
    "a time with its offset, such as 2026-12-24T18:00:00Z, or without one",
  ],
  [cron({ starts_at: "2027-01-01T00:00" }), "starts_at", "without an offset it needs a `timezone`"],
  [cron({ ends_at: "2027-02-30T00:00", timezone: "Europe/Berlin" }), "ends_at", "no such date"],
  [cron({ except: "2026-12-25" }), "except", "a list of at most 400 dates"],
  [cron({ except: ["2026-12-25", "25.12.2026"] }), "except/1", "expected a date such as 2026-12-25"],
  [cron({ except: ["2026-12-25T00:00Z"] }), "except/0", "expected a date such as 2026-12-25"],
  [cron({ except: ["2027-02-29"] }), "except/0", '"2027-02-29" is no date'],
  [cron({ except: ["1999-12-31"] }), "except/0", "before 2000"],
  [cron({ except: Array(401).fill("2026-12-25") }), "except", "a list of at most 400 dates"],
  [
    cron({ starts_at: "2027-01-01T00:00Z", ends_at: "2027-01-02T00:00Z", except: ["2027-01-01"] }),
    "ends_at",
    "nothing is due",
  ],
  [{ ...scheduled("2026-12-24T18:00:00Z"), except: [] }, "except", "unknown field"],
  [
    cron({ cron_expression: "* * * * *", except: days("2027-03-01", 7) }),
    "except",
    "leaves out 10080 due times in a row, and may leave out 10000: let one definition end with `ends_at`",
  ],
  [cron({ cron_expression: "* * * * MON", except: days("2027-01-04", 7, 7) }), "except", "leaves out 10080 due times"],
  [interval({ every: "2s", except: ["2027-03-01"] }), "except", "leaves out 43200 due times in a row"],
  [cron({ ends_at: "2101-01-01T00:00Z" }), "ends_at", "after 2100"],
  [
    cron({ starts_at: "2027-01-02T00:00Z", ends_at: "2027-01-01T00:00Z" }),
    "ends_at",
    '"2027-01-01T00:00Z" is before starts_at, "2027-01-02T00:00Z"',
  ],
  [cron({ starts_at: "2027-01-01T10:00Z", ends_at: "2027-01-02T08:00Z" }), "ends_at", "nothing is due from starts_at"],
  [interval({ starts_at: "2027-01-01T00:01Z", ends_at: "2027-01-01T00:04Z" }), "ends_at", "nothing is due"],
  [interval({ anchor: "2027-01-01T00:00" }), "anchor", "without an offset it needs a `timezone`"],
  [interval({ anchor: "2027-01-01T00:00:00.5Z" }), "anchor", "whole seconds"],
  [interval({ anchor: "2027-01-01T00:00Z", offset: "1m" }), "anchor", "in place of `offset`"],
  [interval({ every: 0 }), "every", "from 1s to 365d"],
  [interval({ every: "500ms" }), "every", "from 1s to 365d"],
  [interval({ every: 1.5 }), "every", "whole seconds"],
  [interval({ every: -60 }), "every", "received -60"],
  [interval({ every: "often" }), "every", "a duration such as"],
  [interval({ every: null }), "every", "received null"],
  [interval({ offset: "5m" }), "offset", 'is not shorter than every, "5m"'],
  [interval({ offset: "1500ms" }), "offset", "whole seconds"],
  [interval({ offset: -1 }), "offset", "received -1"],
  [interval({ jitter: "301s" }), "jitter", "from 0s to 300s"],
  [interval({ misfire_grace: "500d" }), "misfire_grace", "365d"],
  [interval({ timezone: "Mars/Base" }), "timezone", "no IANA time zone"],
  [scheduled("2026-12-24T18:00", "Mars/Base"), "timezone", "no IANA time zone"],
  [scheduled("2026-02-30T18:00", "Europe/Berlin"), "run_at", "no such date"],
  [scheduled("tomorrow"), "run_at", "a time with its offset"],
  [scheduled("2026-12-24T18:00:00"), "run_at", "a time with its offset"],
  [scheduled(1798135200), "run_at", "a time with its offset"],
  [scheduled("2026-02-30T18:00:00Z"), "run_at", "no such date"],
  [scheduled("2027-02-29T18:00:00Z"), "run_at", "no such date"],
  [scheduled("2026-12-24T24:00:00Z"), "run_at", "no such date"],
  [scheduled("2026-12-24T18:60:00Z"), "run_at", "no such date"],
  [scheduled("2026-12-24T18:00:60Z"), "run_at", "no such date"],
  [scheduled("2026-12-24T18:00:00+25:00"), "run_at", "no such date"],
  [scheduled("2026-12-24T18:00:00.5Z"), "run_at", "whole seconds"],
  [scheduled("2101-01-01T00:00:00Z"), "run_at", "after 2100"],
  [scheduled("2000-01-01T00:00:00+01:00"), "run_at", "before 2000"],
])("%j has a fault at %s: %s", (trigger, field, message) => {
  expect(faultsOf(trigger)).toEqual([{ path: `/trigger_config/${field}`, message: expect.stringContaining(message) }]);
});

test("all time zones that Intl lists are accepted, and all that the engine knows are, but for its placeholder", () => {
  expect(Intl.supportedValuesOf("timeZone").filter((timezone) => faultsOf(cron({ timezone })).length > 0)).toEqual([]);
  const refused = [...ENGINE_TIME_ZONES].filter((timezone) => faultsOf(cron({ timezone })).length > 0);
  expect(refused).toEqual(["Factory"]);
});

test("the faults of a trigger are named together", () => {
  const trigger = cron({ cron_expression: "@reboot", timezone: "Mars/Base", jitter: "2d", misfire_grace: 0 });
  expect(faultsOf(trigger).map(({ path }) => path.slice("/trigger_config/".length))).toEqual([
    "timezone",
    "cron_expression",
    "jitter",
    "misfire_grace",
  ]);
});

describe("the time of a one-shot", () => {
  const now = new Date("2026-12-24T18:00:00Z");
  const trigger = (run_at: string) => ({ trigger_type: "scheduled", run_at }) as const;

  test.each([
    ["2026-12-24T18:00:00Z", "2026-12-24T18:00:00.000Z"],
    ["2026-12-24 18:00+01:00", "2026-12-24T17:00:00.000Z"],
    ["2026-12-31t23:30:00.000-05:30", "2027-01-01T05:00:00.000Z"],
  ])("%s is the instant %s", (text, instant) => {
    expect(parseRunAt({ run_at: text })?.toISOString()).toBe(instant);
  });

  test.each([
    ["as clocks show it", "2026-12-24T18:00", "Europe/Berlin", "2026-12-24T17:00:00.000Z"],
    ["also west of UTC", "2026-12-24 18:00:30", "America/St_Johns", "2026-12-24T21:30:30.000Z"],
    ["with an offset by that", "2026-12-24T18:00:00Z", "Europe/Berlin", "2026-12-24T18:00:00.000Z"],
    ["in a gap at its end", "2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00:00.000Z"],
    ["right before a gap", "2026-03-29T01:59:59", "Europe/Berlin", "2026-03-29T00:59:59.000Z"],
    ["right after a gap", "2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00:00.000Z"],
    ["in a repeated hour in its first pass", "2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00.000Z"],
    ["after a repeated hour", "2026-10-25T03:00", "Europe/Berlin", "2026-10-25T02:00:00.000Z"],
    ["on a day that a zone left out at the end of it", "2011-12-30T09:00", "Pacific/Apia", "2011-12-30T10:00:00.000Z"],
  ])("is read without an offset %s: %s in %s", (_, run_at, timezone, instant) => {
    expect(parseRunAt({ run_at, timezone })?.toISOString()).toBe(instant);
  });

  test("is refused when it is new and not in the future", () => {
    expect(checkRunAt(trigger("2026-12-24T19:00:00+01:00"), now)).toEqual({
      path: "/trigger_config/run_at",
      message: '"2026-12-24T19:00:00+01:00" is past: a one-shot runs once, in the future',
    });
    expect(checkRunAt(trigger("2026-12-24T18:00:01Z"), now)).toBeUndefined();
    expect(checkRunAt({ trigger_type: "interval", every: "1s" }, now)).toBeUndefined();
  });
});
