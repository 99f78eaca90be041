/** Times from outside: which are accepted, and that every door reads them alike. */
import { describe, expect, test } from "bun:test";
import { readKeyRequest } from "../../src/access/key-request.ts";
import { parseTime } from "../../src/calendar/time.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import { findEnvelopeFaults } from "../../src/event/envelope.ts";
import { listQuery, readQuery, Since } from "../../src/http/query.ts";
import { scheduleRoutes } from "../../src/http/routes/schedule-routes.ts";
import type { Services } from "../../src/http/services.ts";
import { type Fault, InvalidInputError } from "../../src/kernel/errors.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const ACCEPTED: [text: string, instant: string][] = [
  ["2096-12-24T18:00:00Z", "2096-12-24T18:00:00.000Z"],
  ["2096-12-24t18:00:00z", "2096-12-24T18:00:00.000Z"],
  ["2096-12-24 18:00:00+01:00", "2096-12-24T17:00:00.000Z"],
  ["2096-12-24T18:00+0530", "2096-12-24T12:30:00.000Z"],
  ["2096-12-31T23:30:00.000-05:30", "2097-01-01T05:00:00.000Z"],
  ["2096-02-29T00:00:00-00:00", "2096-02-29T00:00:00.000Z"],
];
const FINER: [text: string, instant: string][] = [
  ["2096-12-24T18:00:00.5Z", "2096-12-24T18:00:00.500Z"],
  ["2096-12-24T18:00:00.123456789Z", "2096-12-24T18:00:00.123Z"],
  ["1970-01-01T00:00:00.001+14:00", "1969-12-31T10:00:00.001Z"],
];
const REFUSED = [
  "",
  "now",
  "2096-12-24",
  "2096-12-24T18:00:00",
  "2096-12-24 18:00",
  "9:00 AM",
  "2096-12-24 9:00 AM",
  "2096-11-26 (banana)",
  "2096-11-26T09:00:00Z (banana)",
  " 2096-12-24T18:00:00Z",
  "2096-12-24T18:00:00Z\n",
  "2096-12-24T18:00:00 01:00",
  "2096-12-24T18:00:00 CET",
  "2096-12-24T18:00:00+1:00",
  "2096-12-24T18:00:00+24:00",
  "2096-12-24T18:00:00+01:60",
  "2096-12-24T24:00:00Z",
  "2096-12-24T18:60:00Z",
  "2096-12-24T18:00:60Z",
  "2096-02-30T18:00:00Z",
  "2097-02-29T18:00:00Z",
  "2096-13-01T18:00:00Z",
  "2096-W52-1T18:00:00Z",
  "20961224T180000Z",
  "+102096-12-24T18:00:00Z",
  "Thu, 24 Dec 2096 18:00:00 GMT",
  "4006130400",
];

test.each([...ACCEPTED, ...FINER])("%j is the instant %s", (text, instant) => {
  expect(parseTime(text)?.toISOString()).toBe(instant);
});

test.each(REFUSED)("%j is no time", (text) => {
  expect(parseTime(text)).toBeUndefined();
});

/** What a request with this time lacks, by each way in. */
const DOORS: Record<string, (time: string) => unknown> = {
  "an event's occurred_at": (occurred_at) => findEnvelopeFaults({ event_id: "e", type: "t", source: "s", occurred_at }),
  "a one-shot's run_at": (run_at) =>
    faultsOf(() => parseDefinition({ name: "a", trigger_config: { trigger_type: "scheduled", run_at } }, TASK_RULES)),
  "a key's expires_at": (expires_at) => faultsOf(() => readKeyRequest({ name: "k", scopes: ["trigger"], expires_at })),
  "a list's since": (since) => faultsOf(() => readQuery(listQuery({ since: Since }), new URLSearchParams({ since }))),
  "from of the occurrences": (from) => take("GET", "occurrences", { query: { from } }),
  "to of the occurrences": (to) => take("GET", "occurrences", { query: { to } }),
  "from of a backfill": (from) => take("POST", "backfill", { body: { from, to: LATER } }),
  "to of a backfill": (to) => take("POST", "backfill", { body: { from: "2026-01-01T00:00:00Z", to } }),
};
const LATER = "2096-12-31T00:00:00Z";

function faultsOf(body: () => unknown): readonly Fault[] {
  try {
    body();
    return [];
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.faults;
  }
}

/** Faults that name what was given; a range in the future is another one. */
function take(method: string, name: string, { query, body }: { query?: Record<string, string>; body?: object }) {
  const route = scheduleRoutes(TASK_TYPES).find((route) => route.method === method && route.path.endsWith(name));
  if (route === undefined) throw new Error(`there is no ${method} ${name}`);
  const faults = faultsOf(() => {
    if (route.query) readQuery(route.query, new URLSearchParams(query));
    route.body?.read(body, { headers: new Headers(), services: {} as Services });
  });
  return faults.filter(({ message }) => message.startsWith("expected"));
}

describe.each(Object.entries(DOORS))("%s", (_, faultsAt) => {
  test.each(ACCEPTED)("may be %j", async (time) => {
    expect(await faultsAt(time)).toEqual([]);
  });

  test.each(REFUSED)("may not be %j", async (time) => {
    expect(await faultsAt(time)).toHaveLength(1);
  });
});
