/** A claim over a ledger in memory: what is judged, what is read, and how often. */
import { expect, test } from "bun:test";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import { type ActivityRow, createActivityCache } from "../../src/definition/activity.ts";
import { createClaims } from "../../src/occurrence/claim.ts";
import type { Segment } from "../../src/occurrence/due-facts.ts";
import type { JudgedStart, OccurrenceLedger } from "../../src/occurrence/ledger.ts";
import type { ClaimRequest } from "../../src/run/run.ts";

const now = new Date("2026-01-31T09:30:00Z");
const due = "2026-01-31T09:29:00.000Z";
const request: ClaimRequest = {
  ...{ activity_id: "a", workflow_id: "wf", first_execution_run_id: "first", trigger_event: { event_id: "e" } },
};
const dueRequest = { ...request, trigger_event: {}, scheduled_for: due };
const hourly = { trigger_type: "interval", every: "1h", offset: "29m" } as const;

function version(number: number, rest: Partial<ActivityRow> = {}): ActivityRow {
  const body = { trigger_config: hourly, task_templates: [] };
  return {
    ...{ id: "a", name: "a", version: number, enabled: true, deleted: false, since: new Date(0), body, ...rest },
  };
}

/** A ledger of a definition that has the versions `current`, one after the other: each refused claim meets the next one. */
function setUp(current: ActivityRow[], { segments = [] as Segment[], pinned = undefined as number | undefined } = {}) {
  const judged: JudgedStart[] = [];
  const reads: string[] = [];
  const ledger: OccurrenceLedger = {
    async findAccepted(_, run_id) {
      reads.push("accepted");
      return { kind: "due", key: due, trigger: "cron", run_id };
    },
    async findSegments() {
      reads.push("segments");
      return segments;
    },
    async findVersion(_, number) {
      reads.push(`version ${number}`);
      return version(number);
    },
    async claim(_, start) {
      judged.push(start);
      const [row] = current as [ActivityRow];
      if (start.version !== row.version) return { outcome: "not_judged", current: row };
      if (current.length > 1 && current.shift()) return { outcome: "not_judged", current: current[0] as ActivityRow };
      const held = { run_id: "r", version_used: pinned ?? row.version, start_latency_ms: 1 };
      return start.refusal === null
        ? { outcome: "claimed", ...held, reopened: 0 }
        : { outcome: "skipped", ...held, reason: start.refusal };
    },
  };
  return { claims: createClaims({ ledger, activities: createActivityCache() }), judged, reads };
}

test("the first claim of an activity learns its version; from then on one statement is enough", async () => {
  const { claims, judged, reads } = setUp([version(3)]);
  const claim = () => claims.claim(request, now);
  expect(await claim()).toMatchObject({ outcome: "claimed", run_id: "r", activity: { id: "a", version: 3 } });
  expect(judged.map((one) => one.version)).toEqual([null, 3]);
  await claim();
  expect(judged.map((one) => one.version)).toEqual([null, 3, 3]);
  expect(reads).toEqual([]);
});

test("what was judged by a version that is replaced before the claim is judged again by the new one", async () => {
  const { claims, judged } = setUp([version(1), version(2, { enabled: false })]);
  expect(await claims.claim(request, now)).toMatchObject({ outcome: "skipped", reason: "disabled" });
  expect(judged.map(({ version, refusal }) => [version, refusal])).toEqual([
    [null, null],
    [1, null],
    [2, "disabled"],
  ]);
});

test("a definition that changes again and again is left to a later try", async () => {
  const versions = Array.from({ length: 20 }, (_, index) => version(index + 1));
  await expect(setUp(versions).claims.claim(request, now)).rejects.toMatchObject({
    ...{ name: "RetryableError", code: "definition_changing" },
  });
});

test("a run that pinned an older version gets that version's activity, which is read once", async () => {
  const { claims, reads } = setUp([version(3)], { pinned: 2 });
  for (let times = 0; times < 2; times++)
    expect(await claims.claim(request, now)).toMatchObject({ activity: { version: 2 } });
  expect(reads).toEqual(["version 2"]);
});

test("a due time after the version was written reads no other version", async () => {
  const { claims, judged, reads } = setUp([version(1, { since: new Date("2026-01-31T09:28:59.999Z") })]);
  expect(await claims.claim(dueRequest, now)).toMatchObject({ outcome: "claimed" });
  expect(reads).toEqual([]);
  expect(judged.at(-1)?.event).toMatchObject({ kind: "due", key: due, trigger: "interval" });
});

test("a due time that is older than the version is judged by the version that counted then", async () => {
  const segments = [{ from: new Date(0), until: now, calendar: compileCalendar(hourly), enabled: false }];
  const { claims, reads } = setUp([version(1, { since: new Date(due) })], { segments });
  expect(await claims.claim(dueRequest, now)).toMatchObject({ outcome: "skipped", reason: "disabled" });
  expect(reads).toEqual(["segments"]);
});

test("the second pass of a repeated hour is the occurrence of the first one", async () => {
  const trigger_config = { trigger_type: "cron", cron_expression: "30 2 * * *", timezone: "Europe/Berlin" } as const;
  const { claims, judged } = setUp([version(1, { body: { trigger_config, task_templates: [] } })]);
  const second = new Date("2026-10-25T01:30:00Z");
  await claims.claim({ ...dueRequest, scheduled_for: second.toISOString() }, second);
  expect(judged.at(-1)?.event).toMatchObject({ key: "2026-10-25T00:30:00.000Z", trigger: "cron" });
});

test("a late due time whose run was accepted before is refused by what happened since, and not as late", async () => {
  const late = new Date("2026-01-31T12:00:00Z");
  const { claims, judged } = setUp([version(1)]);
  await claims.claim(dueRequest, late);
  expect(judged.at(-1)).toMatchObject({ refusal: "missed", acceptedRefusal: null });
  const off = setUp([version(1, { enabled: false })]);
  await off.claims.claim({ ...request, trigger_event: { run_id: crypto.randomUUID() } }, late);
  expect(off.judged.at(-1)).toMatchObject({ refusal: "disabled", acceptedRefusal: "disabled" });
});
