import { describe, expect, test } from "bun:test";
import type { Flow } from "../../src/definition/flow.ts";
import { judgeLine, type LineFacts } from "../../src/flow/gate.ts";

const NOW = new Date("2026-01-31T09:30:00.000Z");
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const line = (facts: Partial<LineFacts>): LineFacts => {
  return { going: 0, holders: [], recent: 0, oldest: undefined, queued: [], ...facts };
};
const judge = (flow: Flow, facts: Partial<LineFacts>) => judgeLine(flow, line(facts), NOW);
const one = { count: 1, onExcess: "queue" } as const;

describe("max_concurrent_runs", () => {
  test("lets the oldest begin where there is room, and names the runs that the others wait for", () => {
    const flow: Flow = { maxConcurrent: { count: 3, onExcess: "queue" } };
    expect(judge(flow, { going: 1, holders: ["h"], queued: ["a", "b", "c"] })).toEqual({
      ...{ run: ["a", "b"], skip: [] },
      waitsFor: { kind: "max_concurrent_runs", holders: ["h", "a", "b"] },
    });
  });

  test("skips what comes while it is full, and says which run went, where the definition says so", () => {
    const flow: Flow = { maxConcurrent: { count: 1, onExcess: "skip" } };
    const verdict = judge(flow, { queued: ["a", "b"] });
    const detail = "max_concurrent_runs lets 1 run go at a time: a";
    expect(verdict).toEqual({ run: ["a"], skip: [{ run_id: "b", reason: "max_concurrent_runs", detail }] });
  });

  test("lets nothing begin while more go than it says, as when runs were opened again", () => {
    const flow: Flow = { maxConcurrent: { count: 2, onExcess: "queue" } };
    expect(judge(flow, { going: 2, holders: ["x", "y"], queued: ["a"] }).run).toEqual([]);
  });
});

describe("rate_limit", () => {
  const rateLimit = { count: 2, perMs: 60_000, onExcess: "queue" } as const;

  test("lets so many begin, and says when the next one may", () => {
    expect(judge({ rateLimit }, { recent: 1, oldest: ago(50_000), queued: ["a", "b"] })).toEqual({
      ...{ run: ["a"], skip: [] },
      waitsFor: { kind: "rate_limit", until: new Date(NOW.getTime() + 10_000) },
    });
  });

  test("counts from now where none began lately", () => {
    const { run, waitsFor } = judge({ rateLimit }, { queued: ["a", "b", "c"] });
    expect([run, waitsFor]).toEqual([["a", "b"], { kind: "rate_limit", until: new Date(NOW.getTime() + 60_000) }]);
  });

  test("drops what comes too fast, and says how many began, where the definition says so", () => {
    const { run, skip, waitsFor } = judge(
      { rateLimit: { ...rateLimit, perMs: 90_000, onExcess: "drop" } },
      { recent: 2, oldest: ago(1), queued: ["a"] },
    );
    const detail = "rate_limit lets 2 runs begin in 1m30s, and so many have begun";
    expect([run, skip, waitsFor]).toEqual([[], [{ run_id: "a", reason: "rate_limit", detail }], undefined]);
  });
});

describe("both together", () => {
  const rateLimit = { count: 1, perMs: 60_000 } as const;
  const full = { going: 1, holders: ["h"] };
  const fast = { recent: 1, oldest: ago(1_000) };

  test("a run waits for both, and is skipped by the one that lets none wait", () => {
    const queues: Flow = { rateLimit: { ...rateLimit, onExcess: "queue" }, maxConcurrent: one };
    expect(judge(queues, { ...full, ...fast, queued: ["a"] }).waitsFor?.kind).toBe("max_concurrent_runs");
    expect(judge(queues, { ...fast, queued: ["a"] }).waitsFor?.kind).toBe("rate_limit");
    const drops: Flow = { rateLimit: { ...rateLimit, onExcess: "drop" }, maxConcurrent: one };
    expect(judge(drops, { ...full, ...fast, queued: ["a"] }).skip).toMatchObject([{ reason: "rate_limit" }]);
    expect(judge(drops, { ...full, queued: ["a"] }).waitsFor?.kind).toBe("max_concurrent_runs");
  });
});

test("without gates, as when a definition has lost them, all begin", () => {
  expect(judge({}, { queued: ["a", "b"] })).toEqual({ run: ["a", "b"], skip: [] });
});
