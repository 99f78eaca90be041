/**
 * The conformance data of CEL, through the environment that our expressions have. What is left out is named with the reason,
 * and counted, so that nothing falls out unseen.
 */
import { expect, test } from "bun:test";
import { getConformanceSuite, type IncrementalTestSuite } from "@bufbuild/cel-spec/testdata/tests.js";
import { toJson } from "@bufbuild/protobuf";
import { anyUnpack, DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { compileExpression, findExpressionFaults } from "../../src/expression/expression.ts";
import { ExpressionError } from "../../src/expression/expression-error.ts";
import { readNumber } from "../../src/json/exact-number.ts";

type Case = IncrementalTestSuite["tests"][number]["original"];
type Value = Extract<Case["resultMatcher"], { case: "value" }>["value"];

/** A value that JSON does not have. */
class NoJson extends Error {}

/** Of what a test fits, the first reason counts. */
const LEFT_OUT: readonly (readonly [reason: string, count: number, fits: (path: string, test: Case) => boolean])[] = [
  [
    "there are no protobuf messages, containers and enums",
    647,
    (_, { container, expr }) =>
      container !== "" || /google\.protobuf|TestAllTypes|GlobalEnum|proto\.\w+Ext|cel\.expr/.test(expr),
  ],
  [
    "the extensions bindings, block, math, encoders and optionals are not there",
    330,
    (path, { expr }) =>
      /^\/(bindings_ext|block_ext|math_ext|encoders_ext|optionals)\b/.test(path) ||
      /optional\b|strings\.quote/.test(expr),
  ],
  ["macros of two variables are not there", 46, (path) => path.startsWith("/macros2")],
  ["names in backquotes are not there", 6, (path) => path === "/fields/quoted_map_fields"],
  ["a root has no dots in its name", 6, (_, { bindings }) => Object.keys(bindings).some((name) => name.includes("."))],
  ["the values that are given are JSON", 35, (_, test) => !hasJsonBindings(test)],
  ["a result is JSON", 58, (_, { resultMatcher }) => !isJsonResult(resultMatcher)],
  ["texts are made of JSON", 12, (path, { expr }) => path === "/string_ext/format" && /NaN|Infinity|type\(/.test(expr)],
  ["a division by zero is an error for all numbers", 7, (_, { expr }) => expr.includes("0.0/0.0")],
  [
    "a double is compared with a whole number exactly",
    11,
    (_, { expr }) => expr.includes("dyn(9223372036854775807)") || expr.includes("dyn(9223372036854775808.0)"),
  ],
  [
    "unknown names and wrong constants are refused when they are stored",
    27,
    (path, { expr }) =>
      path === "/parse/receiver_function_names" ||
      /^(x|f_unknown\(17\)) \|\| true|&& 32|\|\| 32|'horses'|2 \/ 0 > 3/.test(expr),
  ],
  ["the library does not find keys of two types that are equal", 1, (_, { expr }) => expr.includes("{0: 1, 0u: 2}")],
];

const counts = new Map<string, number>();
const cases = casesOf(getConformanceSuite(), "").filter(([path, original]) => {
  const reason = LEFT_OUT.find(([, , fits]) => fits(path, original))?.[0];
  if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return reason === undefined;
});

test("what is left out is as much as is said", () => {
  expect(Object.fromEntries(counts)).toEqual(Object.fromEntries(LEFT_OUT.map(([reason, count]) => [reason, count])));
});

test("every other expression has the result that CEL says", () => {
  const wrong = cases.flatMap(([path, original]) => {
    const problem = run(original);
    return problem === undefined ? [] : [`${path} ${original.expr}: ${problem}`];
  });
  expect(wrong).toEqual([]);
  expect(cases.length).toBe(1158);
});

function run({ expr, bindings, resultMatcher }: Case): string | undefined {
  const values = Object.fromEntries(
    Object.entries(bindings).map(([name, { kind }]) => [name, toJsonOf(kind.value as Value)]),
  );
  const scope = { roots: Object.keys(values) };
  const isError = resultMatcher.case === "evalError" || resultMatcher.case === "anyEvalErrors";
  try {
    const result = compileExpression(expr, scope).evaluate(values);
    const expected = resultMatcher.case === "value" ? toJsonOf(resultMatcher.value) : true;
    if (isError || !Bun.deepEquals(result, expected, true)) return `gives ${JSON.stringify(result)}`;
    return findExpressionFaults(expr, "", scope)[0]?.message;
  } catch (error) {
    return isError && error instanceof ExpressionError ? undefined : String(error);
  }
}

function casesOf(suite: IncrementalTestSuite, path: string): [path: string, original: Case][] {
  return [
    ...suite.tests.map(({ original }) => [path, original] as [string, Case]),
    ...suite.suites.flatMap((inner) => casesOf(inner, `${path}/${inner.name}`)),
  ];
}

function hasJsonBindings({ bindings }: Case): boolean {
  return Object.values(bindings).every(({ kind }) => {
    const value = kind.value as Value;
    return isJson(value) && !["int64Value", "uint64Value", "bytesValue", "objectValue"].includes(value.kind.case ?? "");
  });
}

function isJsonResult(matcher: Case["resultMatcher"]): boolean {
  if (matcher.case === "value") return isJson(matcher.value);
  return matcher.case === undefined || matcher.case === "evalError" || matcher.case === "anyEvalErrors";
}

function isJson(value: Value): boolean {
  try {
    toJsonOf(value);
    return true;
  } catch (error) {
    if (error instanceof NoJson) return false;
    throw error;
  }
}

function toJsonOf({ kind }: Value): unknown {
  switch (kind.case) {
    case "nullValue":
      return null;
    case "stringValue":
    case "boolValue":
      return kind.value;
    case "int64Value":
    case "uint64Value":
      return readNumber(String(kind.value));
    case "doubleValue":
      if (!Number.isFinite(kind.value)) throw new NoJson();
      return kind.value + 0;
    case "bytesValue":
      return Buffer.from(kind.value).toString("base64");
    case "listValue":
      return kind.value.values.map(toJsonOf);
    case "mapValue":
      return Object.fromEntries(
        kind.value.entries.map(({ key, value }) => [String(toJsonOf(key as Value)), toJsonOf(value as Value)]),
      );
    case "objectValue": {
      const time = anyUnpack(kind.value, TimestampSchema);
      if (time !== undefined) return toJson(TimestampSchema, time);
      const duration = anyUnpack(kind.value, DurationSchema);
      if (duration !== undefined) return toJson(DurationSchema, duration);
    }
  }
  throw new NoJson();
}
