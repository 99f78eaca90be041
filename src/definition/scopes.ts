/** What the expressions of a definition may read, by where they stand. */
import type { Scope } from "../expression/scope.ts";

/** What every expression of a run may read. */
const RUN_ROOTS = ["event", "trigger", "run", "now"] as const;

/** Of the definition's own `when`. */
export function runScope(sources: readonly string[]): Scope {
  return { roots: [...RUN_ROOTS, "context"], names: { context: sources } };
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
  const names = { context: sources, tasks: before };
  const list = { roots: [...RUN_ROOTS, "context", "tasks"], names };
  const condition = forEach ? { roots: [...list.roots, "item", "index"], names } : list;
  return { list, condition, params: { roots: [...condition.roots, "secret"], names } };
}
