/** The sentence about a due time, for each thing that may have become of it. */
import { describe, expect, test } from "bun:test";
import { findDueAround } from "../../src/explain/due-around.ts";
import type { DueTimeFacts } from "../../src/explain/due-time-explanation.ts";
import type { DueTimeView } from "../../src/explain/due-time-views.ts";
import { explainDueTime } from "../../src/explain/explain-due-time.ts";
import type { ActivityHistory, Version } from "../../src/explain/explained-activity.ts";
import type { ExplainedRun } from "../../src/explain/explained-run.ts";
import { bodyOf } from "../support/ledger.ts";

const AT = new Date("2026-01-31T09:00:00Z");
const NOW = new Date("2026-01-31T12:00:00Z");
const BACKFILL =
  'POST /activity-definitions/id/backfill with {"from": "2026-01-31T09:00:00.000Z", "to": "2026-01-31T09:00:00.000Z"} runs it now';

function version(number: number, written_at: string, trigger: object = {}, rest: object = {}): Version {
  const trigger_config = { trigger_type: "cron", cron_expression: "0 * * * *", timezone: "UTC", ...trigger };
  return { version: number, written_at: new Date(written_at), body: bodyOf("report", { trigger_config, ...rest }) };
}

function historyOf(versions: Version[], rest: Partial<ActivityHistory> = {}): ActivityHistory {
  const [first] = versions as [Version];
  return {
    ...{ activity_id: "id", activity_name: "report", created_at: first.written_at },
    ...{ retired_at: null, deleted_at: null, versions, ...rest },
  };
}

const run = (rest: Partial<ExplainedRun> = {}): ExplainedRun => ({
  ...{ run_id: "run-1", trigger: "cron", status: "succeeded", reason: null, detail: null, error: null },
  ...{ scheduled_for: AT.toISOString(), event_id: null, fired_at: "2026-01-31T09:00:02.000Z" },
  ...{ finished_at: "2026-01-31T09:00:32.000Z", version_used: 1, rerun_of: null, ...rest },
});

const view = (rest: Partial<DueTimeView> = {}): DueTimeView => ({
  ...{ scheduled_for: AT.toISOString(), outcome: "skipped", reason: null, run_id: null },
  ...{ run_status: null, delay_ms: null, ...rest },
});
const ofRun = (one: ExplainedRun, outcome: DueTimeView["outcome"] = "run", delay_ms = 2_000) =>
  view({ outcome, run_id: one.run_id, run_status: one.status, reason: one.reason, delay_ms });

function tell(
  due: DueTimeView | undefined,
  rest: Partial<DueTimeFacts> & { trigger?: object } = {},
  now = NOW,
): string {
  const { trigger, ...facts } = rest;
  const history = facts.history ?? historyOf([version(1, "2026-01-01T00:00:00Z", trigger)]);
  const at = facts.at ?? AT;
  const explanation = explainDueTime(
    {
      ...{ history, at, around: findDueAround(history, at), views: due === undefined ? [] : [due] },
      ...{ run: undefined, repeats: [], waitsFor: undefined, holder: undefined, sweptRun: undefined },
      ...{ seenPausedAt: null, absence: undefined, events: [], ...facts },
    },
    now,
    90 * 86_400_000,
  );
  return explanation.summary;
}

describe("a due time that", () => {
  test("ran says when it began and how it ended", () => {
    expect(tell(ofRun(run()), { run: run() })).toBe(
      "report ran for 2026-01-31T09:00:00+00:00: run run-1 began 2s after it was due, and succeeded after 30s.",
    );
  });

  test("ran late and failed says what can be done", () => {
    const failed = run({ status: "failed", error: "task report: 500." });
    expect(tell(ofRun(failed, "late", 3_723_000), { run: failed })).toBe(
      "report ran for 2026-01-31T09:00:00+00:00: run run-1 began 1h2m after it was due, which is late, and failed after 30s: " +
        'task report: 500; when the cause is mended, POST /runs/run-1/rerun with {"from": "failed"} does what is left.',
    );
  });

  test("failed and was rerun tells how the rerun stands", () => {
    const failed = run({ status: "failed", error: "broke" });
    const again = run({ run_id: "run-2", trigger: "rerun", rerun_of: "run-1" });
    expect(tell(ofRun(failed), { run: failed, repeats: [again] })).toEndWith(
      "failed after 30s: broke; it was repeated as run run-2, which succeeded after 30s.",
    );
  });

  test("waits says for which run", () => {
    const queued = run({ status: "queued", finished_at: null });
    const waitsFor = { kind: "max_concurrent_runs", holders: ["run-0"], until: null } as const;
    expect(tell(ofRun(queued), { run: queued, waitsFor: { ...waitsFor, holders: ["run-0"] } })).toBe(
      "report has the run run-1 for 2026-01-31T09:00:00+00:00, which waits for run run-0 to end (max_concurrent_runs).",
    );
  });

  test.each<[string, Partial<DueTimeView>, Partial<DueTimeFacts> & { trigger?: object }, string]>([
    [
      "was missed",
      { reason: "missed" },
      { absence: { from: new Date("2026-01-31T08:59:00Z"), until: new Date("2026-01-31T09:30:00Z") } },
      "because nothing started it when it was due (no worker looked at due times from 2026-01-31T08:59:00.000Z until " +
        "2026-01-31T09:30:00.000Z), and misfire_policy skip runs nothing that is more than 1m late or that a later due time has " +
        `followed; ${BACKFILL}, and misfire_policy catchup or compress would make up for such times by itself.`,
    ],
    [
      "gave way to a run that still goes",
      { reason: "overlap" },
      { holder: run({ run_id: "run-0", status: "running", fired_at: "2026-01-31T08:00:00.000Z", finished_at: null }) },
      `because the run before it, run-0, which has been running since 2026-01-31T08:00:00.000Z, was still going; ${BACKFILL}.`,
    ],
    [
      "gave way to a run that is not known",
      { reason: "overlap" },
      {},
      `because the run before it was still going; ${BACKFILL}.`,
    ],
    [
      "went into another one's run",
      { reason: "compressed", run_id: "run-9" },
      {
        trigger: { misfire_policy: "compress" },
        run: run({ run_id: "run-9", scheduled_for: "2026-01-31T11:00:00.000Z" }),
      },
      "because run run-9, of 2026-01-31T11:00:00.000Z, stands for it and the others of its gap (misfire_policy compress); " +
        "misfire_policy catchup would run each of them.",
    ],
    [
      "was too late for catching up",
      { reason: "outside_catchup_window" },
      { trigger: { misfire_policy: "catchup", catchup_window: "1h" } },
      `because nothing started it within its catchup_window of 1h; ${BACKFILL}.`,
    ],
    [
      "was paused",
      { reason: "paused" },
      { seenPausedAt: new Date("2026-01-31T10:00:00Z") },
      "because somebody had paused its schedule in Temporal, which was seen last at 2026-01-31T10:00:00.000Z; " +
        `${BACKFILL}; the pause ends in Temporal's Web UI.`,
    ],
    [
      "was left out by its date",
      { reason: "excepted" },
      { trigger: { except: ["2026-01-31"] } },
      "because the definition leaves out the date 2026-01-31 (except); POST /activity-definitions/id/trigger runs it by hand.",
    ],
  ])("%s says so", (_, due, facts, words) => {
    expect(tell(view(due), facts)).toBe(`report did not run at 2026-01-31T09:00:00+00:00, ${words}`);
  });

  test("was removed by a clock change says so", () => {
    const at = new Date("2026-03-29T01:00:00Z");
    const trigger = { cron_expression: "30 2 * * *", timezone: "Europe/Berlin", dst_gap: "skip" };
    const due = view({ scheduled_for: at.toISOString(), reason: "dst_gap" });
    expect(tell(due, { trigger, at }, new Date("2026-04-01T00:00:00Z"))).toBe(
      "report did not run at 2026-03-29T03:00:00+02:00, because clocks were put forward then, and the definition leaves out what that " +
        "removes (dst_gap: skip); dst_gap: run would run it at the end of the gap.",
    );
  });

  test("fell into a disabled version names the version, and how to enable it where it still is", () => {
    const off = version(2, "2026-01-30T00:00:00Z", {}, { enabled: false });
    const history = historyOf([version(1, "2026-01-01T00:00:00Z"), off]);
    expect(tell(view({ reason: "disabled" }), { history })).toBe(
      "report did not run at 2026-01-31T09:00:00+00:00, because the definition was disabled then (version 2, of " +
        '2026-01-30T00:00:00.000Z); PATCH /activity-definitions/id with {"enabled": true} enables it, and what is due from then on runs.',
    );
    const retired = { ...history, retired_at: NOW };
    expect(tell(view({ reason: "disabled" }), { history: retired })).toEndWith(
      "; the file that made the definition is gone: put it back, and sync.",
    );
  });

  test("was claimed too late says what became of its run", () => {
    const skipped = run({ status: "skipped", reason: "missed" });
    expect(tell(ofRun(skipped, "skipped", 300_000), { run: skipped })).toContain(
      "has followed (its run run-1 began 5m after that, and did nothing); ",
    );
  });

  test("had a run that its condition or its activity's gates skipped says why", () => {
    const condition = run({ status: "skipped", reason: "condition", detail: "context.n is 0: context.n > 0 is false" });
    expect(tell(ofRun(condition, "skipped"), { run: condition })).toBe(
      "report did not run at 2026-01-31T09:00:00+00:00: its run run-1 was skipped, because the condition (when) of the definition " +
        "does not hold: context.n is 0: context.n > 0 is false.",
    );
    const full = run({
      status: "skipped",
      reason: "max_concurrent_runs",
      detail: "max_concurrent_runs lets 1 run go at a time: run-0",
    });
    expect(tell(ofRun(full, "skipped"), { run: full })).toEndWith(
      "was skipped, because max_concurrent_runs lets 1 run go at a time: run-0.",
    );
  });

  test.each<[string, Partial<DueTimeFacts> & { trigger?: object }, number, string]>([
    [
      "is seconds old",
      {},
      5,
      "5s ago, and is not started yet: Temporal has 15s to start it, and after that a worker runs it or records a reason.",
    ],
    [
      "nobody looks at",
      { absence: { from: new Date("2026-01-31T08:59:00Z") } },
      60,
      "1m ago, and is not started yet: no worker has looked at due times since 2026-01-31T08:59:00.000Z; /readyz of the workers says what they wait for.",
    ],
    [
      "waits for a run",
      {
        holder: run({ run_id: "run-0", status: "running", finished_at: null }),
        trigger: { misfire_policy: "catchup" },
      },
      60,
      "1m ago, and is not started yet: it waits for run run-0, which has been running since 2026-01-31T09:00:02.000Z.",
    ],
    [
      "belongs to a gap that goes on",
      { trigger: { misfire_policy: "compress" } },
      60,
      "1m ago, and is not started yet: under misfire_policy compress one run is made when the gap that it belongs to is over.",
    ],
  ])("%s is pending for that reason", (_, facts, second, words) => {
    expect(tell(view({ outcome: "pending" }), facts, new Date(AT.getTime() + second * 1000))).toBe(
      `report was due at 2026-01-31T09:00:00+00:00, ${words}`,
    );
  });

  test("is to come says when, and whether it will run", () => {
    const before = new Date("2026-01-31T08:30:00Z");
    expect(tell(view({ outcome: "upcoming" }), {}, before)).toBe("report is due at 2026-01-31T09:00:00+00:00, in 30m.");
    const history = historyOf([version(1, "2026-01-01T00:00:00Z", {}, { enabled: false })]);
    expect(tell(view({ outcome: "upcoming" }), { history }, before)).toStartWith(
      "report would be due at 2026-01-31T09:00:00+00:00, in 30m, and will not run, because the definition is disabled; ",
    );
    expect(tell(view({ outcome: "upcoming" }), { trigger: { except: ["2026-01-31"] } }, before)).toStartWith(
      "report will not run at 2026-01-31T09:00:00+00:00, because the definition leaves out the date 2026-01-31 (except); ",
    );
  });

  test("is not kept any more says how long such things are kept", () => {
    expect(tell(view({ outcome: "expired" }))).toBe(
      "What became of report at 2026-01-31T09:00:00+00:00 is not known any more: runs, and the reasons of what did not run, are kept for 90d.",
    );
    expect(tell(view({ outcome: "expired" }), { sweptRun: "run-1" })).toStartWith(
      "report had the run run-1 for 2026-01-31T09:00:00+00:00, and how that ended is not known any more: ",
    );
  });
});

describe("a time that is no due time", () => {
  test("is told by what leaves it out, and by its neighbours", () => {
    const [before, after] = ["2026-01-31T09:00:00.000Z", "2026-01-31T10:00:00.000Z"];
    const views = [ofRun(run()), view({ scheduled_for: after, reason: "missed" })];
    expect(tell(undefined, { at: new Date("2026-01-31T09:30:00Z"), views })).toBe(
      "report was not due at 2026-01-31T09:30:00+00:00: its minute field does not name minute 30; the due time before is " +
        "2026-01-31T09:00:00+00:00, which ran (succeeded); the next one is 2026-01-31T10:00:00+00:00, which was skipped (missed).",
    );
    expect(before).toBe(AT.toISOString());
  });

  test("that is now is told by the due times around it alone", () => {
    const views = [
      ofRun(run({ status: "running" })),
      view({ scheduled_for: "2026-01-31T10:00:00.000Z", outcome: "upcoming" }),
    ];
    const now = new Date("2026-01-31T09:30:00Z");
    const told = (due: DueTimeView[]) => tell(undefined, { at: now, views: due }, now);
    expect(told(views)).toBe(
      "report is not due at this moment; the due time before is 2026-01-31T09:00:00+00:00, which began and still runs; " +
        "the next one is 2026-01-31T10:00:00+00:00.",
    );
    expect(told([ofRun(run({ status: "queued" }))])).toBe(
      "report is not due at this moment; the due time before is 2026-01-31T09:00:00+00:00, which has a run that waits to begin (queued).",
    );
    expect(told([ofRun(run(), "late", 90_000)])).toEndWith("which ran 1m30s late (succeeded).");
  });

  test("lies before the activity was made, or after it was deleted", () => {
    const history = historyOf([version(1, "2026-02-01T00:00:00Z")]);
    expect(tell(undefined, { history })).toBe(
      "report had no due time then: it was created later, at 2026-02-01T00:00:00.000Z.",
    );
    const deleted_at = new Date("2026-01-31T08:30:00Z");
    expect(tell(undefined, { history: historyOf([version(1, "2026-01-01T00:00:00Z")], { deleted_at }) })).toBe(
      "report had no due time then: it was deleted at 2026-01-31T08:30:00.000Z.",
    );
  });

  test("belongs to a version that waited for events, whatever the definition says now", () => {
    const waiting = { ...version(1, "2026-01-01T00:00:00Z"), body: bodyOf("report", {}) };
    const history = historyOf([waiting, version(2, "2026-02-01T00:00:00Z")]);
    const event = {
      event_id: "e-1",
      type: "report",
      outcome: "dispatched",
      received_at: "2026-01-31T08:00:00.000Z",
    } as const;
    expect(tell(undefined, { history, events: [event] })).toBe(
      "report waits for events of the type report: it has no due times; GET /explain?event_id=e-1&activity_id=id says what came of " +
        "the last event before.",
    );
  });
});
