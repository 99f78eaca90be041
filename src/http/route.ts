/** A route as data: what it is called, what it takes, what it answers. http/app.ts serves the table of them. */
import { type Static, type TObject, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Scope } from "../access/scope.ts";
import { findFaults } from "../definition/faults.ts";
import { type Fault, InvalidInputError, TerminalError } from "../errors.ts";
import type { Page } from "../ledger/reader.ts";
import { isUuid } from "../stable-id.ts";
import type { Services } from "./services.ts";

export interface RouteInput {
  params: Record<string, string>;
  /** Converted and checked by the route's `query`. */
  query: Record<string, unknown>;
  /** Parsed JSON; the handler checks it. */
  body: unknown;
  headers: Headers;
  url: URL;
  /** Who asks, for the audit log: `key:{name}` or `anonymous`. */
  actor: string;
  services: Services;
}

export interface Reply {
  status?: number;
  /** Absent: an answer without one. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Route {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Without a trailing slash; `:name` is a parameter. */
  path: string;
  tag: string;
  /** What a key must be allowed; null: asked of nobody. */
  scope: Scope | null;
  summary: string;
  params?: TObject;
  query?: TObject;
  body?: TSchema;
  /** An empty body is none. */
  bodyOptional?: true;
  /** The schema of each answer, by status. */
  answers: Record<number, TSchema>;
  handle(input: RouteInput): Promise<Reply>;
}

export const PageQuery = {
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

export const Since = Type.String({
  pattern: "^\\d{4}-\\d\\d-\\d\\d([Tt ].+)?$",
  description: "RFC 3339; rows recorded since then.",
  expected: "an RFC 3339 time",
});

/** The query, converted from text. @throws InvalidInputError */
export function readQuery<T extends TObject>(schema: T, text: Record<string, string>): Static<T> {
  const query = Value.Convert(schema, { ...text });
  const faults = findFaults(schema, query).map(({ path, message }) => ({ path: `?${path.slice(1)}`, message }));
  if (faults.length > 0) throw new InvalidInputError("the query is not valid", faults, "invalid_query");
  return query as Static<T>;
}

/** Checked here because a wrong one is a wrong request (400), and an unknown one is not there (404). */
export function requireUuid(params: Record<string, string>, name: string): string {
  const value = params[name] ?? "";
  if (!isUuid(value)) {
    const fault: Fault = {
      path: `{${name}}`,
      message: `expected a UUID, received ${JSON.stringify(value.slice(0, 80))}`,
    };
    throw new InvalidInputError("the path is not valid", [fault], "invalid_path");
  }
  return value.toLowerCase();
}

export function requireFound<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new TerminalError("not_found", `${what} is not there`);
  return value;
}

/** A page of the ledger, newest first. @throws InvalidInputError for a cursor that we did not make */
export function readPage({ limit = 100, cursor }: { limit?: number; cursor?: string }): Page {
  if (cursor === undefined) return { limit };
  if (isUuid(cursor)) return { limit, after: cursor };
  throw new InvalidInputError(
    "the query is not valid",
    [{ path: "?cursor", message: "is none that actcore gave" }],
    "invalid_query",
  );
}

/** The `Link` header to the next page, when this one is full. */
export function linkNext(
  url: URL,
  rowCount: number,
  limit: number,
  cursor: string | undefined,
): Record<string, string> {
  if (rowCount < limit || cursor === undefined) return {};
  const next = new URL(url);
  next.searchParams.set("cursor", cursor);
  return { link: `<${next.pathname}${next.search}>; rel="next"` };
}

/** The filter of a checked query: without the page, and with its time read. @throws InvalidInputError */
export function filterOf({ limit: _, cursor: __, since, ...filter }: Record<string, unknown>): object {
  return { ...filter, ...(typeof since === "string" && { since: readTime(since) }) };
}

function readTime(text: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new InvalidInputError(
      "the query is not valid",
      [{ path: "?since", message: `expected an RFC 3339 time, received ${JSON.stringify(text)}` }],
      "invalid_query",
    );
  return time;
}
