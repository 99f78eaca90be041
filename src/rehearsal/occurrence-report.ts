/** From what a rehearsal found of an occasion to what is answered, within bounds. Pure. */
import type { Snapshot } from "../context/snapshot.ts";
import type { DefinitionBody } from "../definition/schema.ts";
import { MAX_INSTANCES, type RehearsedOccurrence } from "./dry-run-report.ts";
import type { Occasion } from "./occasion.ts";
import type { Rehearsed } from "./rehearse.ts";

export interface Finding {
  occasion: Occasion;
  rehearsed: Rehearsed;
  snapshot?: Snapshot;
  /** The definition is disabled: the rest is what it would do if it were not. */
  isDisabled?: boolean;
}

/** The most bytes of the contexts and params of one answer, as JSON. */
const MAX_BYTES = 4_194_304;

/** Describes findings for one answer, which has room for MAX_BYTES of contexts and params: what comes first is shown first. */
export function createReporter({
  when,
  shadow = false,
  task_templates,
}: DefinitionBody): (finding: Finding) => RehearsedOccurrence {
  let left = MAX_BYTES;
  const templates = new Map(task_templates.map((template) => [template.key, template]));

  function hasRoom(value: unknown): boolean {
    const bytes = Buffer.byteLength(JSON.stringify(value) ?? "");
    if (bytes > left) return false;
    left -= bytes;
    return true;
  }

  function listTasks(rehearsed: Rehearsed): Pick<RehearsedOccurrence, "tasks" | "tasks_not_shown"> {
    if (rehearsed.would !== "run") return { tasks: [], tasks_not_shown: 0 };
    const shown = [...Map.groupBy(rehearsed.tasks, ({ key }) => key).values()].flatMap((ofKey) =>
      ofKey.slice(0, MAX_INSTANCES),
    );
    const tasks = shown
      .filter(({ params }) => hasRoom(params))
      .map(({ key, instance, type, params, released }) => {
        const { depends_on = [], run_when = "all_succeeded" } = templates.get(key) ?? {};
        return { key, instance, type, params, depends_on, run_when, released };
      });
    return { tasks, tasks_not_shown: rehearsed.tasks.length - tasks.length };
  }

  return ({ occasion, rehearsed, snapshot, isDisabled = false }) => {
    const { envelope, due, run } = occasion;
    const values = snapshot?.values ?? {};
    const isShown = Object.keys(values).length > 0 && hasRoom(values);
    const condition = "when" in rehearsed ? rehearsed.when : undefined;
    const decided = rehearsed.would === "run" ? rehearsed.templates : [];
    return {
      event_id: envelope?.event_id ?? null,
      event_type: envelope?.type ?? null,
      scheduled_for: due?.toISOString() ?? null,
      run_id: run?.run_id ?? null,
      ...(isDisabled
        ? { outcome: "skip", reason: "disabled", detail: describeDisabled(rehearsed) }
        : shadow && rehearsed.would === "run"
          ? { outcome: "run", reason: "shadow", detail: IN_SHADOW }
          : describeOutcome(rehearsed)),
      context: (snapshot?.sources ?? []).map((source) => ({ code: null, error: null, ...source })),
      context_snapshot: isShown ? values : null,
      when: condition === undefined || when === undefined ? null : { expression: when, ...condition },
      templates: decided.map((decision) => ({ count: null, left_out: null, cause: null, reason: null, ...decision })),
      ...listTasks(rehearsed),
      faults: rehearsed.would === "fail" ? [...rehearsed.faults] : [],
    };
  };
}

const IN_SHADOW = "the definition is a shadow: its tasks would be recorded, and none would be done";

function describeOutcome(rehearsed: Rehearsed): Pick<RehearsedOccurrence, "outcome" | "reason" | "detail"> {
  if (rehearsed.would === "run") {
    const { outcome: place = "run", detail = null } = rehearsed.placed ?? {};
    return { outcome: "run", reason: place === "run" ? null : place, detail };
  }
  if (rehearsed.would === "depend")
    return {
      outcome: "unknown",
      reason: "needs_context",
      detail: `it reads the context ${rehearsed.on.join(", ")}, which is not known`,
    };
  const { would: outcome, reason, detail } = rehearsed;
  return { outcome, reason, detail };
}

function describeDisabled(rehearsed: Rehearsed): string {
  const { outcome, detail } = describeOutcome(rehearsed);
  const would = outcome === "run" ? "it would run" : outcome === "unknown" ? "it may run" : `it would ${outcome}`;
  return `the definition is disabled; if it were enabled, ${would}${detail === null ? "" : `: ${detail}`}`;
}
