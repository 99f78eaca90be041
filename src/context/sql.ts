/** The `sql` source: the rows of one query, over a connection that the operator named (ACTCORE_SQL_{NAME}). */
import { Type } from "@sinclair/typebox";
import { compileExpression, type Expression, findExpressionFaults } from "../expression/expression.ts";
import { hasTemplate } from "../expression/template.ts";
import { preview } from "../json/faults.ts";
import type { Fault } from "../kernel/errors.ts";
import { evaluateWithSecrets } from "../secret/with-secrets.ts";
import { ExpressionSchema } from "../task/template.ts";
import { SOURCE_SCOPE, type SourceRules, type SourceType } from "./source-type.ts";

const SqlFields = Type.Object({
  connection: Type.String({
    maxLength: 60,
    pattern: "^[a-z][a-z0-9_]*$",
    description: "The operator names the database: `shop` is the one of ACTCORE_SQL_SHOP.",
    expected: "the name of a connection, in small letters: shop is the one of ACTCORE_SQL_SHOP",
  }),
  query: Type.String({
    minLength: 1,
    maxLength: 20_000,
    description: "One query, as it is written, with $1, $2, … in the places of its arguments.",
    expected: "a query of up to 20,000 characters",
  }),
  args: Type.Optional(
    Type.Array(ExpressionSchema("Bound to the place of its number.", ["event.payload.id"]), {
      maxItems: 100,
      description: "Expressions: the first one is bound to $1.",
      expected: "a list of at most 100 expressions",
    }),
  ),
});

/** What stands between these words is a query that can stand within another one, as ours does. */
const QUERY = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/|\()*(?:select|with|values|table)\b/i;

interface SqlSource {
  readonly connection: string;
  readonly query: string;
  readonly args: readonly Expression[];
}

export const sqlSource: SourceType<typeof SqlFields, SqlSource> = {
  title: "SqlSource",
  fields: SqlFields,
  answer: ["rows", "row"],
  main: "rows",
  findFaults: ({ connection, query, args = [] }, path, rules) => [
    ...findConnectionFaults(connection, `${path}/connection`, rules),
    ...findQueryFaults(query, `${path}/query`),
    ...args.flatMap((text, index) => findExpressionFaults(text, `${path}/args/${index}`, SOURCE_SCOPE)),
  ],
  compile: ({ connection, query, args = [] }) => {
    return { connection, query, args: args.map((text) => compileExpression(text, SOURCE_SCOPE)) };
  },
  createReader:
    ({ sql, secrets }) =>
    async ({ args, ...query }, { values, leftMs, signal }) => {
      const bound = args.map((expression) => evaluateWithSecrets(expression, values, secrets));
      const rows = await sql.query({ ...query, args: bound, timeoutMs: leftMs, signal });
      return { rows, row: rows[0] ?? null };
    },
};

function findConnectionFaults(name: string, path: string, { connections }: SourceRules): Fault[] {
  if (connections === undefined || connections.includes(name)) return [];
  const known = connections.length === 0 ? "there is none" : `there is ${connections.join(", ")}`;
  const message = `${preview(name)} is no connection of this server: ${known}; ACTCORE_SQL_${name.toUpperCase()} makes it one`;
  return [{ path, message }];
}

function findQueryFaults(query: string, path: string): Fault[] {
  if (hasTemplate(query))
    return [
      { path, message: "a query has no {{ expressions }}: write $1 in their place, and the expression into args" },
    ];
  if (!QUERY.test(query))
    return [{ path, message: `expected a query: SELECT, WITH, VALUES or TABLE …, received ${preview(query)}` }];
  return [];
}
