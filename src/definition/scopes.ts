/** What the expressions of a definition may read, by where they stand. */
import type { Scope } from "../expression/scope.ts";

/** The keys of an event, as event/envelope.ts makes them for expressions. */
const EVENT_NAMES = ["event_id", "type", "source", "subject", "occurred_at", "trace_id", "payload"];

/** Of the `when` of an event trigger: it is asked before there is a run. */
export const TRIGGER_SCOPE: Scope = { roots: ["event"], names: { event: EVENT_NAMES } };

/** What every expression of a run may read. */
const RUN_ROOTS = ["event", "trigger", "run", "now"] as const;

/** Of the definition's own `when`. */
export function runScope(sources: readonly string[]): Scope {
  return { roots: [...RUN_ROOTS, "context"], names: { event: EVENT_NAMES, context: sources } };
}

export interface TemplateScopes {
  /** Of `for_each`. */
  list: Scope;
  /** Of `when`. */
  condition: Scope;
  /** Of `params`. */
  params: Scope;
}

/** Of a task template that may read the results of those of `before`. */
export function templateScopes(
  sources: readonly string[],
  before: readonly string[],
  { forEach }: { forEach: boolean },
): TemplateScopes {
  const names = { event: EVENT_NAMES, context: sources, tasks: before };
  const list = { roots: [...RUN_ROOTS, "context", "tasks"], names };
  const condition = forEach ? { roots: [...list.roots, "item", "index"], names } : list;
  return { list, condition, params: { roots: [...condition.roots, "secret"], names } };
}
