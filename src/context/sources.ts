/**
 * The table of source types (a type is a file, context/{type}.ts, and a line here), what is wrong with the sources of a
 * definition, and what runs of them when nothing is.
 */
import { Type } from "@sinclair/typebox";
import { findDurationFaults, parseDuration } from "../calendar/duration.ts";
import { compileExpression, findExpressionFaults } from "../expression/expression.ts";
import type { Scope } from "../expression/scope.ts";
import { describeChoice, findFaults, preview } from "../json/faults.ts";
import { isFields } from "../json/fields.ts";
import type { Fault } from "../kernel/errors.ts";
import { eventsSource } from "./events.ts";
import { httpSource } from "./http.ts";
import { natsKvSource } from "./nats-kv.ts";
import { previousRunSource } from "./previous-run.ts";
import {
  type ContextSource,
  DEFAULT_RETRIES,
  DEFAULT_TIMEOUT_MS,
  MAX_TIMEOUT_MS,
  type SourceOf,
  sourceSchema,
} from "./source.ts";
import type { SourceRules, SourceType } from "./source-type.ts";
import { sqlSource } from "./sql.ts";
import { staticSource } from "./static.ts";

/** The source types, by the `type` that a definition names. */
export const SOURCE_TYPES = {
  static: staticSource,
  http: httpSource,
  sql: sqlSource,
  nats_kv: natsKvSource,
  previous_run: previousRunSource,
  events: eventsSource,
} satisfies Readonly<Record<string, SourceType>>;

type Table = typeof SOURCE_TYPES;
/** A source as a definition has it, told apart by its `type`. */
export type SourceInput = { [Name in keyof Table]: SourceOf<Name, Table[Name]["fields"]> }[keyof Table];

/** The schema of one source, whatever its type: for documents. An input is checked by the schema of its type. */
export function contextSourceSchema() {
  const schemas = Object.entries(SOURCE_TYPES).map(([name, type]) => sourceSchema(name, type as SourceType));
  return Type.Unsafe<SourceInput>(Type.Union(schemas, { expected: "a context source" }));
}

/** Every fault of the list, which is at `path` in the definition. */
export function findSourceFaults(sources: readonly unknown[], path: string, rules: SourceRules): Fault[] {
  const names = new Map<unknown, number>();
  return sources.flatMap((source, index) => {
    const at = `${path}/${index}`;
    if (!isFields(source)) return [{ path: at, message: `expected an object, received ${preview(source)}` }];
    const { name, type } = source;
    const faults = findOwnFaults(source, type, at, rules);
    const first = names.get(name);
    if (name === undefined || first === undefined) names.set(name, index);
    else faults.push({ path: `${at}/name`, message: `${preview(name)} is already the name of ${path}/${first}` });
    return faults;
  });
}

function findOwnFaults(source: object, typeName: unknown, path: string, rules: SourceRules): Fault[] {
  const type = isTypeName(typeName) ? (SOURCE_TYPES[typeName] as SourceType) : undefined;
  if (type === undefined)
    return [{ path: `${path}/type`, message: describeChoice(typeName, Object.keys(SOURCE_TYPES)) }];
  const faults = findFaults(sourceSchema(typeName as string, type), source, path);
  if (faults.length > 0) return faults;
  const { timeout, select } = source as SourceInput;
  return [
    ...findDurationFaults(timeout, `${path}/timeout`, 1, MAX_TIMEOUT_MS),
    ...(select === undefined ? [] : findExpressionFaults(select, `${path}/select`, answerScope(type))),
    ...type.findFaults(source as Record<string, unknown>, path, rules),
  ];
}

function isTypeName(name: unknown): name is keyof Table {
  return typeof name === "string" && Object.hasOwn(SOURCE_TYPES, name);
}

/** Compiles the sources of a definition that has no faults. */
export function compileSources(sources: readonly unknown[]): readonly ContextSource[] {
  return (sources as readonly SourceInput[]).map((source) => {
    const { name, timeout, retry = DEFAULT_RETRIES, optional = false } = source;
    const type = SOURCE_TYPES[source.type] as SourceType;
    const select = source.select === undefined ? undefined : compileExpression(source.select, answerScope(type));
    return {
      ...{ name, type: source.type, retries: retry, optional },
      timeoutMs: timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout),
      ...(select !== undefined && { select }),
      wants: (part) => (select === undefined ? (type.main ?? part) === part : select.reads.roots.has(part)),
      fields: type.compile(source as Record<string, unknown>),
    };
  });
}

function answerScope({ answer }: SourceType): Scope {
  return { roots: answer };
}
