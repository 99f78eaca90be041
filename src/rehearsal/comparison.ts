/** How two versions of a definition differ in what they would do on one occasion. Pure. */
import { canonicalJson } from "../json/canonical.ts";
import { TEMPLATE_WORDS, type TemplateDecision } from "../run/decision.ts";
import type { TaskTemplate } from "../task/types.ts";
import type { Rehearsed, RehearsedTask } from "./rehearse.ts";

export const WHAT_IF_OUTCOMES = ["same", "now_runs", "no_longer_runs", "decides_otherwise", "unknown"] as const;
type WhatIfOutcome = (typeof WHAT_IF_OUTCOMES)[number];

export interface Comparison {
  outcome: WhatIfOutcome;
  /** In words. Null for a version that there is not: the definition is made, or removed. */
  before: string | null;
  after: string | null;
  /** In what two runs differ, or why it is not known whether they do. */
  difference: string | null;
}

/** What one version would do on the occasion, and its templates as they are written. */
export interface Side {
  rehearsed: Rehearsed;
  templates: readonly TaskTemplate[];
}

type Run = Extract<Rehearsed, { would: "run" }>;
type Difference = Pick<Comparison, "outcome" | "difference">;

export function compare(before: Side | undefined, after: Side | undefined): Comparison {
  return {
    before: before ? describeRehearsed(before.rehearsed) : null,
    after: after ? describeRehearsed(after.rehearsed) : null,
    ...findDifference(before, after),
  };
}

function findDifference(before: Side | undefined, after: Side | undefined): Difference {
  const [old, now] = [before?.rehearsed, after?.rehearsed];
  if (old?.would === "depend" || now?.would === "depend") return { outcome: "unknown", difference: null };
  const [ran, runs] = [makesRun(old), makesRun(now)];
  if (ran !== runs) return { outcome: runs ? "now_runs" : "no_longer_runs", difference: null };
  if (before === undefined || after === undefined || !ran) return { outcome: "same", difference: null };
  return compareRuns(before, after);
}

/** A run that fails is one. What the definition's `when` skips does nothing, and is none. */
function makesRun(rehearsed: Rehearsed | undefined): boolean {
  return rehearsed?.would === "run" || rehearsed?.would === "fail";
}

function compareRuns(before: Side, after: Side): Difference {
  const [old, now] = [before.rehearsed, after.rehearsed];
  if (old.would !== "run" || now.would !== "run")
    return { outcome: old.would === now.would ? "same" : "decides_otherwise", difference: null };
  if (old.placed?.detail !== now.placed?.detail)
    return { outcome: "decides_otherwise", difference: "when it runs, and with which other events" };
  const keys = [...new Set([...old.templates, ...now.templates].map(({ key }) => key))];
  const known = keys.flatMap((key) => compareTemplates(key, old, now) ?? compareOrder(key, before, after) ?? []);
  if (known.length > 0) return { outcome: "decides_otherwise", difference: known.join("; ") };
  const waiting = keys.filter((key) => isWaiting(key, old) && !hasSameRules(key, before, after));
  if (waiting.length === 0) return { outcome: "same", difference: null };
  return { outcome: "unknown", difference: `${waiting.join(", ")}: depends on the results of other tasks` };
}

function compareTemplates(key: string, before: Run, after: Run): string | undefined {
  const [old, now] = [templateOf(key, before), templateOf(key, after)];
  if (old === undefined) return `${key} is new`;
  if (now === undefined) return `${key} is gone`;
  if (old.outcome !== now.outcome) return `${describeTemplate(old)} → ${describeTemplate(now)}`;
  const made = before.tasks.filter((task) => task.key === key);
  const makes = after.tasks.filter((task) => task.key === key);
  if (made.length !== makes.length) return `${describeTemplate(old)} → ${describeTemplate(now)}`;
  for (const [index, task] of made.entries()) {
    const other = makes[index];
    if (task.instance !== other?.instance) return `${key} makes tasks for other items`;
    if (task.type !== other.type) return `${key} has the type ${other.type} in place of ${task.type}`;
    if (contentOf(task) !== contentOf(other))
      return `${key} has other params${task.instance === null ? "" : ` from item ${task.instance} on`}`;
  }
  return undefined;
}

/** A param that reads a secret is compared as it is written, with the other values that it reads. */
function contentOf({ params, sources = {} }: RehearsedTask): string {
  const secret = Object.entries(sources).filter(([, { values }]) => values !== undefined);
  return canonicalJson([params, Object.fromEntries(secret)]);
}

/** Whether its tasks would wait for others in another way, which shows only when those are over. */
function compareOrder(key: string, before: Side, after: Side): string | undefined {
  const [old, now] = [before, after].map(({ templates }) => {
    const { depends_on = [], run_when = "all_succeeded" } = templates.find((one) => one.key === key) ?? {};
    return depends_on.length === 0 ? "" : `${run_when} of ${[...depends_on].sort().join(", ")}`;
  });
  return old === now ? undefined : `${key} waits for ${now || "nothing"} in place of ${old || "nothing"}`;
}

function isWaiting(key: string, run: Run): boolean {
  return templateOf(key, run)?.outcome === "waiting";
}

function hasSameRules(key: string, before: Side, after: Side): boolean {
  const [old, now] = [before, after].map(({ templates }) => {
    const { type, when, for_each, params } = templates.find((one) => one.key === key) as TaskTemplate;
    return canonicalJson([type, when ?? null, for_each ?? null, params]);
  });
  return old === now;
}

function templateOf(key: string, { templates }: Run): TemplateDecision | undefined {
  return templates.find((template) => template.key === key);
}

/** Such as `runs: mail (3 tasks), report is skipped: …`. */
function describeRehearsed(rehearsed: Rehearsed): string {
  switch (rehearsed.would) {
    case "skip":
      return `does not run: ${rehearsed.detail}`;
    case "fail":
      return `fails: ${rehearsed.detail}`;
    case "depend":
      return `needs context: ${rehearsed.on.join(", ")}`;
    case "run":
      return `${rehearsed.placed ? `${rehearsed.placed.detail}; ` : ""}runs: ${
        rehearsed.templates.map(describeTemplate).join(", ") || "without tasks"
      }`;
  }
}

function describeTemplate({ key, outcome, count = 0, reason }: TemplateDecision): string {
  const why = reason === undefined ? "" : ` (${reason})`;
  if (outcome === "made") return count === 1 ? key : `${key} (${count} tasks)`;
  return `${key} ${TEMPLATE_WORDS[outcome]}${why}`;
}
