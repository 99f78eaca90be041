/** What is wrong with the rules of a definition: its conditions, lists and templates, and what its tasks depend on. Pure. */
import { compileExpression, findExpressionFaults } from "../expression/expression.ts";
import type { Reads, Scope } from "../expression/scope.ts";
import { compileTemplate, findTemplateFaults } from "../expression/template.ts";
import { preview } from "../json/faults.ts";
import type { Fault } from "../kernel/errors.ts";
import type { TaskType } from "../task/task-type.ts";
import { TASK_TYPES, type TaskTemplate } from "../task/types.ts";
import { findExpectationFaults } from "./expectation.ts";
import { findDedupeFaults, findFlowFaults } from "./flow.ts";
import type { DefinitionInput } from "./schema.ts";
import { runScope, templateScopes } from "./scopes.ts";
import { findGraphFaults, keysBefore } from "./task-graph.ts";

/** Every fault of the rules of a definition whose shape is right. */
export function findRuleFaults(definition: DefinitionInput): Fault[] {
  const { when, task_templates = [], context_sources = [] } = definition;
  const path = "/task_templates";
  const sources = context_sources.map(({ name }) => name);
  const keys = task_templates.map(({ key }) => key);
  const graph = findGraphFaults(task_templates, path);
  const hasEvents = definition.trigger_config.trigger_type === "event";
  return [
    ...(when === undefined ? [] : findExpressionFaults(when, "/when", runScope(sources))),
    ...findExpectationFaults(definition),
    ...findFlowFaults(definition.flow, hasEvents),
    ...findDedupeFaults(definition.dedupe_key_strategy, hasEvents),
    ...graph,
    ...task_templates.flatMap((template, at) => {
      // Where the graph has a fault, nobody can say which results are there.
      const before = graph.length > 0 ? new Set(keys) : keysBefore(task_templates, template.key);
      return findTemplateRuleFaults(template, `${path}/${at}`, sources, keys, before);
    }),
  ];
}

function findTemplateRuleFaults(
  template: TaskTemplate,
  path: string,
  sources: readonly string[],
  keys: readonly string[],
  before: ReadonlySet<string>,
): Fault[] {
  const { key, type, when, for_each, depends_on = [], run_when, params } = template;
  const faults: Fault[] = [];
  const scopes = templateScopes(sources, keys, { forEach: for_each !== undefined });
  const addUnreached = (reads: Reads, at: string) => {
    for (const read of reads.names("tasks")) {
      if (before.has(read)) continue;
      const own =
        read === key
          ? "the results of its own tasks are not there yet"
          : `depends_on does not lead to ${preview(read)}`;
      faults.push({ path: at, message: `reads tasks.${read}, and ${own}` });
    }
  };
  const checkExpression = (text: string | undefined, at: string, scope: Scope) => {
    if (text === undefined) return;
    const found = findExpressionFaults(text, at, scope);
    faults.push(...found);
    if (found.length === 0) addUnreached(compileExpression(text, scope).reads, at);
  };
  checkExpression(for_each, `${path}/for_each`, scopes.list);
  checkExpression(when, `${path}/when`, scopes.condition);
  const { findShellTexts }: Partial<TaskType> = TASK_TYPES[type] ?? {};
  const shellPaths = findShellTexts?.(params).map((at) => `${path}/params${at}`);
  const found = findTemplateFaults(params, `${path}/params`, scopes.params, shellPaths);
  faults.push(...found);
  if (found.length === 0) addUnreached(compileTemplate(params, scopes.params).reads, `${path}/params`);
  const twice = depends_on.findIndex((wanted, at) => depends_on.indexOf(wanted) < at);
  if (twice >= 0) faults.push({ path: `${path}/depends_on/${twice}`, message: "is named twice" });
  if (run_when !== undefined && depends_on.length === 0)
    faults.push({
      path: `${path}/run_when`,
      message: "says how the templates of depends_on must have ended, and there are none",
    });
  return faults;
}
