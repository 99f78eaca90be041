/** What the expressions of a definition may read, by where they stand. */
import { EVENT_NAMES, RUN_SCOPE } from "../context/run-scope.ts";
import type { Scope } from "../expression/scope.ts";

/** What the `when` of an event trigger may read: it is asked before there is a run. */
export const TRIGGER_SCOPE: Scope = { roots: ["event"], names: { event: EVENT_NAMES } };

/** What the definition's own `when` may read. */
export function runScope(sources: readonly string[]): Scope {
  return { roots: [...RUN_SCOPE.roots, "context"], names: { ...RUN_SCOPE.names, context: sources } };
}

export interface TemplateScopes {
  /** What `for_each` may read. */
  list: Scope;
  /** What `when` may read. */
  condition: Scope;
  /** What `params` may read. */
  params: Scope;
}

/** The scopes of a task template that may read the results of the templates of `before`. */
export function templateScopes(
  sources: readonly string[],
  before: readonly string[],
  { forEach }: { forEach: boolean },
): TemplateScopes {
  const names = { ...RUN_SCOPE.names, context: sources, tasks: before };
  const list = { roots: [...RUN_SCOPE.roots, "context", "tasks"], names };
  const condition = forEach ? { roots: [...list.roots, "item", "index"], names } : list;
  return { list, condition, params: { roots: [...condition.roots, "secret"], names } };
}
