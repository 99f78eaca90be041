/**
 * A route as data: what it is called, what it takes, what it answers. http/app.ts serves the table of them, and gives a
 * handler nothing that was not checked.
 */
import type { Static, TObject, TSchema } from "@sinclair/typebox";
import type { Scope } from "../access/scope.ts";
import { TerminalError } from "../kernel/errors.ts";
import type { Services } from "./services.ts";

/** What a handler gets. */
export interface Input<Params = unknown, Query = unknown, Body = unknown> {
  /** Of the path, checked by the route's `params`: UUIDs are in lower case, and an activity's name is its UUID. */
  params: Params;
  /** Converted and checked by the route's `query`. */
  query: Query;
  /** What the route's `body` read. */
  body: Body;
  headers: Headers;
  url: URL;
  /** Who asks, for the audit log: `key:{name}` or `anonymous`. */
  actor: string;
  /** The remote one. */
  address: string;
  /** Whether the caller has this scope besides that of the route: an answer shows no more than it allows. */
  may(scope: Scope): boolean;
  services: Services;
}

export interface Reply {
  status?: number;
  /** Absent: an answer without one. */
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Body<T> {
  /** What the API's document shows; `read` checks it. */
  schema: TSchema;
  /** A body to try: /docs shows it, which would else make one up from the patterns. */
  example: object;
  /** An empty body is none. */
  optional?: true;
  /** `read` gets the bytes as they came, and not their JSON. */
  raw?: true;
  /** Of a raw one, where it is not the usual bound. */
  maxBytes?: number;
  /** What the handler gets for this JSON, for these bytes, or for no body. @throws InvalidInputError with every fault */
  read(sent: unknown, request: Pick<Input, "headers" | "services">): T;
}

interface Described {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Without a trailing slash; `:name` is a parameter. */
  path: string;
  /** What a key must be allowed; null: asked of nobody. */
  scope: Scope | null;
  summary: string;
  /** Milliseconds, where more than some seconds is no sign of an engine that hangs. */
  answerWithinMs?: number;
  /** The schema of each answer, by status. */
  answers: Record<number, TSchema>;
}

export interface Route extends Described {
  params?: TObject;
  query?: TObject;
  body?: Body<unknown>;
  handle(input: Input): Promise<Reply>;
}

/** A route and the heading under which the documentation shows it. */
export type TaggedRoute = Route & { tag: string };

/** What is absent of a request. */
export type None = TObject<Record<never, never>>;

/** A route whose handler gets params, query and body with the types of their schemas. */
export function route<Params extends TObject = None, Query extends TObject = None, T = undefined>(
  described: Described & {
    params?: Params;
    query?: Query;
    body?: Body<T>;
    handle(input: Input<Static<Params>, Static<Query>, T>): Promise<Reply>;
  },
): Route {
  return described;
}

export function requireFound<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new TerminalError("not_found", `${what} is not there`);
  return value;
}

/** Of a route that shows more than its own scope allows. @throws TerminalError `scope_missing` */
export function requireScope(may: Input["may"], scope: Scope, why: string): void {
  if (may(scope)) return;
  throw new TerminalError("scope_missing", `this needs the scope ${scope} too: ${why}`, {
    hint: `use a key with ${scope} or admin`,
    details: { scope },
  });
}
