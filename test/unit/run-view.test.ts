/** What a reader is told of a run's decisions. */
import { describe, expect, test } from "bun:test";
import { Ajv } from "ajv";
import { RUN_EXAMPLE } from "../../src/explain/run-example.ts";
import { describeRun, type RunFacts, RunView } from "../../src/explain/run-view.ts";
import type { TemplateDecision } from "../../src/run/decision.ts";

function runWith(templates: TemplateDecision[], summary: object = {}, rest: Partial<RunFacts> = {}) {
  const facts = {
    context_snapshot: null,
    context_sources: null,
    counts: [],
    tasks: [],
    gathered: null,
    outcome_event: null,
    ...rest,
  };
  return describeRun({
    ...facts,
    decisions: { round: 1, templates },
    summary: { status: "running", reason: null, finished_at: null, ...summary } as RunFacts["summary"],
  });
}

describe("a template", () => {
  test("that waits for results reads so while its run goes on", () => {
    expect(runWith([{ key: "a", outcome: "waiting" }]).templates).toMatchObject([{ outcome: "waiting", reason: null }]);
  });

  test("that still waited when its run ended was not reached, and says how the run ended", () => {
    const over = { status: "failed", reason: "timeout", finished_at: "2026-01-31T09:30:00.000Z" };
    const reason = "the run ended (failed: timeout) before it was decided";
    expect(runWith([{ key: "a", outcome: "waiting" }], over).templates).toMatchObject([
      { key: "a", outcome: "not_reached", reason, count: null, tasks_by_status: {} },
    ]);
  });

  test("that was skipped keeps its reason when its run has ended", () => {
    const skipped = { key: "a", outcome: "skipped", cause: "condition", reason: "event.payload.seats is 2" } as const;
    const { templates } = runWith([skipped], { status: "succeeded", finished_at: "2026-01-31T09:30:00.000Z" });
    expect(templates).toMatchObject([skipped]);
  });
});

test("a run names its events: those of its window, or its own one", () => {
  expect(runWith([], { event_id: "b" }, { gathered: ["a", "b"] }).event_ids).toEqual(["a", "b"]);
  expect(runWith([], { event_id: "b" }).event_ids).toEqual(["b"]);
  expect(runWith([], { event_id: null }).event_ids).toEqual([]);
});

test("a run of a release that recorded no decisions has none to tell, and its tasks all the same", () => {
  const task = { task_id: "t", key: "a", instance: null } as unknown as RunFacts["tasks"][number];
  const counts = [{ key: "a", status: "succeeded" as const, count: 1 }];
  const run = describeRun({
    ...{ summary: {} as RunFacts["summary"], context_snapshot: {}, context_sources: null, decisions: null },
    ...{ counts, tasks: [task], gathered: null, outcome_event: null },
  });
  expect(run).toMatchObject({ context: [], templates: null, tasks: [task], tasks_not_shown: 0 });
});

test("a context source that answered has no error, and says so", () => {
  const report = { name: "account", type: "http", status: "ok", duration_ms: 12, attempts: 1, bytes: 20 } as const;
  expect(runWith([], {}, { context_sources: [report] }).context).toEqual([{ ...report, code: null, error: null }]);
});

test("the example of the API's documents is a run as it is answered, without a field too many", () => {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  expect(ajv.validate(JSON.parse(JSON.stringify(RunView)), RUN_EXAMPLE), ajv.errorsText()).toBe(true);
  expect(Object.keys(RUN_EXAMPLE).sort()).toEqual(Object.keys(RunView.properties).sort());
});
