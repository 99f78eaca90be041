/** What a run decides anew when one of its tasks is retried after its end. Pure. */
import type { TemplateDecision } from "./decision.ts";

interface Dependencies {
  key: string;
  depends_on?: readonly string[];
}

/**
 * Templates that were skipped because of one that they depend on, `key` among those before them, are not decided any more; whatever
 * holds of them is decided by the next round. Those in `pending` have recorded tasks, which may be done after all.
 */
export function undecide(
  decisions: readonly TemplateDecision[],
  templates: readonly Dependencies[],
  key: string,
  standing: ReadonlySet<string>,
): { templates: TemplateDecision[]; pending: string[] } {
  const after = findAfter(templates, key);
  const pending: string[] = [];
  const undecided = decisions.map((decision): TemplateDecision => {
    if (!after.has(decision.key) || decision.outcome !== "skipped" || decision.cause !== "dependency") return decision;
    const { cause: _, reason: _reason, ...kept } = decision;
    if (!standing.has(decision.key))
      return { key: decision.key, outcome: "waiting", reason: `waits for the retry of ${key}` };
    pending.push(decision.key);
    return { ...kept, outcome: "made" };
  });
  return { templates: undecided, pending };
}

/** The templates that depend on `key`, directly or over others. */
function findAfter(templates: readonly Dependencies[], key: string): Set<string> {
  const after = new Set<string>();
  const visit = (before: string) => {
    for (const { key: next, depends_on = [] } of templates) {
      if (after.has(next) || !depends_on.includes(before)) continue;
      after.add(next);
      visit(next);
    }
  };
  visit(key);
  return after;
}
