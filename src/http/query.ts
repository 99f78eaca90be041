/** The query of a request: what is asked for, and which page of it. A fault in it is named as `?name`. */
import { KindGuard, type Static, type TObject, type TProperties, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../calendar/time.ts";
import { findFaults } from "../json/faults.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";

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
/** Tells a time from every other text; a symbol stands in no document. */
const IS_TIME = Symbol("time");

/** A time, which the handler gets as a Date. */
export const QueryTime = (description: string) =>
  Type.Unsafe<Date>({ ...TimeSchema(description, EXPECTED), [IS_TIME]: true });

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
  if (faults.length > 0) throw invalidQuery(faults);
  for (const [name, property] of Object.entries(schema.properties))
    if (IS_TIME in property && name in text) query[name] = readTime(text[name] ?? "", `?${name}`);
  return query as Static<T>;
}

/** The `Link` header to the next page. */
export function linkTo(url: URL, cursor: string): { link: string } {
  const next = new URL(url);
  next.searchParams.set("cursor", cursor);
  return { link: `<${next.pathname}${next.search}>; rel="next"` };
}

/** A time of the query. @throws InvalidInputError for one that is none */
export function readTime(text: string, path: string): Date {
  const time = parseTime(text);
  if (time !== undefined) return time;
  throw invalidQuery([{ path, message: `expected ${EXPECTED}, received ${JSON.stringify(text)}` }]);
}

export function invalidQuery(faults: Fault[]): InvalidInputError {
  return new InvalidInputError("the query is not valid", faults, "invalid_query");
}

/** A cursor that actcore did not make. */
export function invalidCursor(): InvalidInputError {
  return invalidQuery([{ path: "?cursor", message: "is none that actcore gave" }]);
}
