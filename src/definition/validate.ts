/**
 * From an unknown value to a definition body, or every fault at once.
 *
 * A union is resolved by its discriminator first (`trigger_type`, task `type`), so that an error speaks of the field
 * that is wrong and not of "a union".
 */
import { Type } from "@sinclair/typebox";
import { findDurationFaults } from "../calendar/duration.ts";
import { findTriggerValueFaults } from "../calendar/trigger-faults.ts";
import { findSourceFaults } from "../context/sources.ts";
import { findAmountFaults } from "../expression/amount.ts";
import { findExpressionFaults } from "../expression/expression.ts";
import { hasTemplate } from "../expression/template.ts";
import { MAX_DEPTH } from "../json/depth.ts";
import { isExactNumber } from "../json/exact-number.ts";
import { describeChoice, findFaults, preview } from "../json/faults.ts";
import { type Fields, isFields } from "../json/fields.ts";
import { pointTo, valueAt } from "../json/pointer.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import { findTypePatternFaults } from "../match/type-pattern.ts";
import type { OwnEngines } from "../outbound/own-engines.ts";
import type { TaskRules, TaskType } from "../task/task-type.ts";
import { templateSchema } from "../task/template.ts";
import type { TaskTemplate } from "../task/types.ts";
import { findRuleFaults } from "./rule-faults.ts";
import {
  type DefinitionBody,
  type DefinitionInput,
  definitionInputSchema,
  type EventTrigger,
  TRIGGER_SCHEMAS,
  TRIGGER_TYPES,
} from "./schema.ts";
import { TRIGGER_SCOPE } from "./scopes.ts";

/** The input without a schema of its trigger and its tasks: those are checked by the schema of their type. */
const OuterSchema = Type.Composite(
  [
    Type.Omit(definitionInputSchema({}), ["trigger_config", "context_sources", "task_templates"]),
    Type.Object({
      trigger_config: Type.Object({}, { additionalProperties: true, expected: "an object with a trigger_type" }),
      context_sources: Type.Optional(
        Type.Array(Type.Unknown(), { maxItems: 20, expected: "a list of at most 20 context sources" }),
      ),
      task_templates: Type.Optional(
        Type.Array(Type.Unknown(), { maxItems: 100, expected: "a list of at most 100 task templates" }),
      ),
    }),
  ],
  { additionalProperties: false },
);

/**
 * The definition body with its defaults filled in. Its tasks are checked by `rules`. What stands under the
 * top-level keys that are `kept` was accepted before: a rule that is stricter since then does not refuse it.
 * @throws InvalidInputError code `invalid_definition`, with every fault.
 */
export function parseDefinition(input: unknown, rules: TaskRules, kept: readonly string[] = []): DefinitionBody {
  const found = isFields(input) ? findDefinitionFaults(input, rules) : [{ path: "/", message: "expected an object" }];
  const faults = found.filter(({ path }) => !kept.includes(path.split("/")[1] ?? ""));
  if (faults.length > 0) throw new InvalidInputError("the definition is not valid", faults, "invalid_definition");

  const {
    name,
    enabled = true,
    context_sources = [],
    task_templates = [],
    when,
    timeout,
    max_parallel,
    dedupe_key_strategy = "event_id",
  } = input as DefinitionInput;
  const { shadow, expect, flow, publish_outcome } = input as DefinitionInput;
  const trigger_config = withTriggerType(input as Fields) as DefinitionInput["trigger_config"];
  const { trigger_type } = trigger_config;
  const rest = { context_sources, dedupe_key_strategy };
  const given = { when, timeout, max_parallel, shadow, expect, flow, publish_outcome };
  const ofRuns = Object.entries(given).filter(([, value]) => value !== undefined);
  return { name, enabled, trigger_type, trigger_config, task_templates, ...rest, ...Object.fromEntries(ofRuns) };
}

/** What cannot be stored is the only fault that is told: no schema finds it, and the other checks may fail on it. */
function findDefinitionFaults(input: Fields, rules: TaskRules): Fault[] {
  const unstorable = findUnstorable(input);
  if (unstorable.length > 0) return unstorable;
  const tooMany = findAmountFaults(input);
  if (tooMany.length > 0) return tooMany;
  const faults = findFaults(OuterSchema, input);
  faults.push(...findStrayTemplates(input.name, "/name"));
  if (isFields(input.trigger_config)) faults.push(...findTriggerFaults(input));
  if (Array.isArray(input.context_sources))
    faults.push(...findSourceFaults(input.context_sources, "/context_sources", rules));
  if (Array.isArray(input.task_templates)) faults.push(...findTaskFaults(input.task_templates, rules));
  if (typeof input.timeout === "string" || typeof input.timeout === "number")
    faults.push(...findDurationFaults(input.timeout, "/timeout", 1000));
  // Rules speak of each other, so their shape has to be right first.
  return faults.length > 0 ? faults : findRuleFaults(input as DefinitionInput);
}

/** `trigger_type` may stand at the top level, in trigger_config, or in both when they agree. */
function withTriggerType(input: Fields): Fields {
  const trigger = input.trigger_config as Fields;
  return "trigger_type" in trigger || input.trigger_type === undefined
    ? trigger
    : { trigger_type: input.trigger_type, ...trigger };
}

function findTriggerFaults(input: Fields): Fault[] {
  const trigger = withTriggerType(input);
  const type = trigger.trigger_type;
  const path = "/trigger_config";
  if (!isKeyOf(TRIGGER_SCHEMAS, type)) {
    return [{ path: `${path}/trigger_type`, message: describeChoice(type, TRIGGER_TYPES) }];
  }
  if (input.trigger_type !== undefined && input.trigger_type !== type) {
    return [
      {
        path: "/trigger_type",
        message: `says ${preview(input.trigger_type)}, but trigger_config says ${preview(type)}`,
      },
    ];
  }
  const faults = findFaults(TRIGGER_SCHEMAS[type], trigger, path);
  if (faults.length > 0) return faults;
  const config = trigger as DefinitionBody["trigger_config"];
  return config.trigger_type === "event" ? findEventTriggerFaults(config, path) : findTriggerValueFaults(config, path);
}

function findEventTriggerFaults({ event_type, filters = {}, when }: EventTrigger, path: string): Fault[] {
  return [
    ...findStrayTemplates(event_type, `${path}/event_type`),
    ...findStrayTemplates(filters, `${path}/filters`),
    ...findTypePatternFaults(event_type, `${path}/event_type`),
    ...(when === undefined ? [] : findExpressionFaults(when, `${path}/when`, TRIGGER_SCOPE)),
  ];
}

/** Expressions in a place where nothing evaluates them: they would be taken for text, and nobody told. */
function findStrayTemplates(value: unknown, path: string): Fault[] {
  if (typeof value === "string")
    return hasTemplate(value)
      ? [{ path, message: `${preview(value)} has an expression, and is taken as it is written here` }]
      : [];
  if (typeof value !== "object" || value === null || isExactNumber(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...findStrayTemplates(key, pointTo(path, key)),
    ...findStrayTemplates(inner, pointTo(path, key)),
  ]);
}

function findTaskFaults(templates: unknown[], { types, engines, refused = {} }: TaskRules): Fault[] {
  const faults: Fault[] = [];
  const keys = new Map<unknown, number>();
  templates.forEach((template, index) => {
    const path = `/task_templates/${index}`;
    if (!isFields(template)) {
      faults.push({ path, message: `expected an object, received ${preview(template)}` });
      return;
    }
    const name = template.type;
    const type = isKeyOf(types, name) ? types[name] : undefined;
    const refusal = type === undefined || !Object.hasOwn(refused, name as string) ? undefined : refused[name as string];
    if (refusal !== undefined) faults.push({ path: `${path}/type`, message: refusal });
    else if (type !== undefined) {
      const schema = templateSchema(name as string, type);
      const found = findFaults(schema, template, path).filter((fault) => !isEvaluated(template, path, fault));
      faults.push(...(found.length > 0 ? found : findTaskValueFaults(template as TaskTemplate, type, path, engines)));
    } else faults.push({ path: `${path}/type`, message: describeChoice(name, Object.keys(types)) });
    const first = keys.get(template.key);
    if (template.key !== undefined && first !== undefined)
      faults.push({
        path: `${path}/key`,
        message: `${preview(template.key)} is already the key of /task_templates/${first}`,
      });
    else keys.set(template.key, index);
  });
  return faults;
}

/** Whether a fault is about a text of the params that expressions make: what it will be is not known yet. */
function isEvaluated(template: Fields, path: string, { path: at }: Fault): boolean {
  const value = valueAt(template, at.slice(path.length));
  return at.startsWith(`${path}/params/`) && typeof value === "string" && hasTemplate(value);
}

/** What a schema does not say: durations that the engine can keep, and what the type of the task checks. */
function findTaskValueFaults(
  { params, timeout, retry }: TaskTemplate,
  type: TaskType,
  path: string,
  engines: OwnEngines,
): Fault[] {
  const computed = type.findComputedFaults?.(params, `${path}/params`) ?? [];
  if (computed.length > 0) return computed;
  return [
    ...findDurationFaults(timeout, `${path}/timeout`, 1),
    ...findDurationFaults(retry?.initial_interval, `${path}/retry/initial_interval`, 1),
    ...findDurationFaults(retry?.max_interval, `${path}/retry/max_interval`, 1),
    ...type.findFaults(params, `${path}/params`, engines),
  ];
}

/** Text that Postgres cannot keep (NUL, half a surrogate pair), as key or value, and nesting without end. */
export function findUnstorable(value: unknown, path = "", depth = 0): Fault[] {
  if (typeof value === "string") {
    const message = describeUnstorable(value);
    return message === undefined ? [] : [{ path: path || "/", message }];
  }
  if (typeof value !== "object" || value === null || isExactNumber(value)) return [];
  if (depth === MAX_DEPTH) return [{ path: path || "/", message: `is nested deeper than ${MAX_DEPTH} levels` }];
  return Object.entries(value).flatMap(([key, inner]) => {
    const message = describeUnstorable(key);
    if (message !== undefined) return [{ path: path || "/", message: `its key ${preview(key)} ${message}` }];
    return findUnstorable(inner, pointTo(path, key), depth + 1);
  });
}

function describeUnstorable(text: string): string | undefined {
  if (text.includes("\0")) return "has a NUL character";
  return text.isWellFormed() ? undefined : "has half of a surrogate pair";
}

function isKeyOf<T extends object>(table: T, key: unknown): key is keyof T {
  return typeof key === "string" && Object.hasOwn(table, key);
}
