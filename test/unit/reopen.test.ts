/** What a run that is opened again decides anew. */
import { expect, test } from "bun:test";
import type { TemplateDecision } from "../../src/run/decision.ts";
import { undecide } from "../../src/run/reopen.ts";

const TEMPLATES = [
  { key: "load" },
  { key: "other" },
  { key: "check", depends_on: ["load"] },
  { key: "report", depends_on: ["check"] },
  { key: "alert", depends_on: ["load"] },
  { key: "unwanted", depends_on: ["load"] },
  { key: "apart", depends_on: ["other"] },
];
const byDependency = { outcome: "skipped", cause: "dependency", reason: "load failed" } as const;
const DECISIONS: TemplateDecision[] = [
  { key: "load", outcome: "made", count: 1 },
  { key: "other", outcome: "made", count: 1 },
  { key: "check", count: 2, left_out: 1, ...byDependency },
  { key: "report", ...byDependency },
  { key: "alert", outcome: "made", count: 1 },
  { key: "unwanted", outcome: "skipped", cause: "condition", reason: "event.payload.n is 1" },
  { key: "apart", ...byDependency },
];

test("what was skipped because of the task is decided again: with its recorded tasks, or from the start", () => {
  const standing = new Set(["load", "other", "check", "alert"]);
  const { templates, pending } = undecide(DECISIONS, TEMPLATES, "load", standing);
  expect(pending).toEqual(["check"]);
  expect(templates).toEqual([
    { key: "load", outcome: "made", count: 1 },
    { key: "other", outcome: "made", count: 1 },
    { key: "check", outcome: "made", count: 2, left_out: 1 },
    { key: "report", outcome: "waiting", reason: "waits for the retry of load" },
    { key: "alert", outcome: "made", count: 1 },
    { key: "unwanted", outcome: "skipped", cause: "condition", reason: "event.payload.n is 1" },
    { key: "apart", ...byDependency },
  ]);
});
