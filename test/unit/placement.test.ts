import { describe, expect, test } from "bun:test";
import { compileDedupe, compileFlow, type DedupeInput, type FlowInput } from "../../src/definition/flow.ts";
import { createPlacing } from "../../src/flow/placement.ts";
import { decideClosing } from "../../src/flow/window.ts";
import { activityOf, bodyOf, envelopeOf } from "../support/ledger.ts";

const SECOND = 1_000;

function place(flow?: FlowInput, dedupe: DedupeInput = "event_id", event = {}) {
  const activity = { version: 3, flow: compileFlow(flow), dedupe: compileDedupe(dedupe) };
  return createPlacing(envelopeOf("e", { payload: { n: 1, list: [] }, subject: "s", ...event }))(activity);
}

describe("an event that passes a trigger", () => {
  test.each<[what: string, flow: FlowInput | undefined, placed: object]>([
    ["runs at once without a flow", undefined, { outcome: "run" }],
    [
      "is collected by a debounce until it was quiet",
      { debounce: "5s", max_wait: "1m" },
      {
        outcome: "collected",
        flow_key: "",
        window: { kind: "debounce", quiet_ms: 5 * SECOND, max_wait_ms: 60 * SECOND, max_events: 1_000 },
      },
    ],
    [
      "is collected by a batch, which further events do not put off",
      { batch: { size: 20, within: "10s", key: "event.payload.n" } },
      {
        outcome: "collected",
        flow_key: "1",
        window: { kind: "batch", quiet_ms: 10 * SECOND, max_wait_ms: 10 * SECOND, max_events: 20 },
      },
    ],
    [
      "is queued under the key of a gate, with the version that its run uses",
      { rate_limit: { count: 1, per: "1m" }, max_concurrent_runs: { count: 1, key: "event.subject" } },
      { outcome: "queued", flow_key: '"s"', version: 3 },
    ],
    [
      "is collected first where its run has to wait too",
      { debounce: "5s", max_concurrent_runs: 1 },
      expect.objectContaining({ outcome: "collected", flow_key: "" }),
    ],
    [
      "fails where its key is a list",
      { batch: { size: 2, within: "1s", key: "event.payload.list" } },
      { outcome: "failed_expression", reason: expect.stringContaining("event.payload.list is a list") },
    ],
    [
      "fails where its key cannot be evaluated",
      { max_concurrent_runs: { count: 1, key: "event.payload.gone" } },
      { outcome: "failed_expression", reason: expect.stringContaining("gone") },
    ],
  ])("%s", (_, flow, placed) => {
    expect(place(flow)).toEqual(placed as ReturnType<typeof place>);
  });

  test("has a dedupe key for as long as its window says, and none where the key is null", () => {
    expect(place(undefined, "subject")).toEqual({ outcome: "run", dedupe_key: '"s"', dedupe_ms: null });
    expect(place(undefined, { key: "event.payload.n", window: "1h" })).toMatchObject({
      dedupe_key: "1",
      dedupe_ms: 3_600_000,
    });
    expect(place(undefined, "subject", { subject: undefined })).toEqual({ outcome: "run" });
    expect(place(undefined, { key: "event.payload" })).toMatchObject({ outcome: "failed_expression" });
  });
});

describe("a window that is due", () => {
  const closing = (flow: FlowInput, state: object = {}) => {
    const stored = { ...bodyOf("d", { flow }), id: "d", version: 1, updated_at: new Date().toISOString() };
    const activity = { ...activityOf(stored as unknown as Parameters<typeof activityOf>[0]), ...state };
    return decideClosing(activity, envelopeOf("last", { payload: { n: 2 } }));
  };

  test("makes a run, which is queued where its activity has gates", () => {
    expect(closing({ debounce: "5s" })).toEqual({ status: "running" });
    const gated = { debounce: "5s", max_concurrent_runs: { count: 1, key: "event.payload.n" } };
    expect(closing(gated)).toEqual({ status: "queued", flow_key: "2" });
    // What its events were gathered by may be gone from the definition meanwhile.
    expect(closing({})).toEqual({ status: "running" });
  });

  test("makes none of an activity that does not run, or whose gates cannot count it", () => {
    const skipped = (reason: string) => ({ status: "none" as const, outcome: "skipped" as const, reason });
    expect(closing({ debounce: "5s" }, { enabled: false })).toEqual(skipped("disabled"));
    expect(closing({ debounce: "5s" }, { enabled: false, deleted: true })).toEqual(skipped("deleted"));
    const failing = { debounce: "5s", rate_limit: { count: 1, per: "1m", key: "event.payload.gone" } };
    expect(closing(failing)).toMatchObject({ status: "none", outcome: "failed_expression" });
  });
});
