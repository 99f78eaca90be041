/** The query of a request: what is asked for, and which page of it. A fault in it is named as `?name`. */
import { KindGuard, type Static, type TObject, type TProperties, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../calendar/time.ts";
import type { Page } from "../explain/ledger-reader.ts";
import { findFaults } from "../json/faults.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import { isUuid } from "../kernel/stable-id.ts";

const PageQuery = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 500, default: 100, expected: "a whole number from 1 to 500" }),
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: 500,
      pattern: "^[^\\u0000]*$",
      expected: "a cursor that actcore gave",
      description: 'From the `Link: rel="next"` header.',
    }),
  ),
};

/** A `+` in a query is a space. */
const EXPECTED = `${EXPECTED_TIME} (a + is written %2B in a URL)`;

export const QueryTime = (description: string) => TimeSchema(description, EXPECTED);

export const Since = QueryTime("rows recorded since then.");

/** The query of a list: a page, and `filters`. */
export function listQuery<Filters extends TProperties>(filters: Filters) {
  return Type.Object({ ...PageQuery, ...filters }, { additionalProperties: false });
}

/** The query, converted from text. @throws InvalidInputError */
export function readQuery<T extends TObject>(schema: T, params: URLSearchParams): Static<T> {
  const text = Object.fromEntries(params);
  const query = Value.Convert(schema, { ...text }) as Record<string, unknown>;
  // Converted, `1.5` would be 1 and `0x10` would be 16.
  for (const [name, property] of Object.entries(schema.properties))
    if (KindGuard.IsInteger(property) && name in text && !/^\d+$/.test(text[name] ?? "")) query[name] = text[name];
  const repeated = Object.keys(text).filter((name) => params.getAll(name).length > 1);
  const faults = [
    ...repeated.map((name) => ({ path: `?${name}`, message: "is given more than once" })),
    ...findFaults(schema, query).map(({ path, message }) => ({ path: `?${path.slice(1)}`, message })),
  ];
  if (faults.length > 0) throw invalid(faults);
  return query as Static<T>;
}

/** A page of the ledger, newest first. @throws InvalidInputError for a cursor that we did not make */
export function readPage({ limit = 100, cursor }: { limit?: number; cursor?: string }): Page {
  if (cursor === undefined) return { limit };
  if (isUuid(cursor)) return { limit, after: cursor };
  throw invalid([{ path: "?cursor", message: "is none that actcore gave" }]);
}

/** The `Link` header to the next page, when this one is full. */
export function linkNext(
  url: URL,
  rowCount: number,
  limit: number,
  cursor: string | undefined,
): Record<string, string> {
  return rowCount < limit || cursor === undefined ? {} : linkTo(url, cursor);
}

export function linkTo(url: URL, cursor: string): { link: string } {
  const next = new URL(url);
  next.searchParams.set("cursor", cursor);
  return { link: `<${next.pathname}${next.search}>; rel="next"` };
}

export function readSince(text: unknown): { since?: Date } {
  return typeof text === "string" ? { since: readTime(text, "?since") } : {};
}

/** A time of the query. @throws InvalidInputError for one that is none */
export function readTime(text: string, path: string): Date {
  const time = parseTime(text);
  if (time === undefined) throw invalid([{ path, message: `expected ${EXPECTED}, received ${JSON.stringify(text)}` }]);
  return time;
}

function invalid(faults: Fault[]): InvalidInputError {
  return new InvalidInputError("the query is not valid", faults, "invalid_query");
}
