/** A route as data: what it is called, what it takes, what it answers. http/app.ts serves the table of them. */
import type { TObject, TSchema } from "@sinclair/typebox";
import type { Scope } from "../access/scope.ts";
import { type Fault, InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { isUuid } from "../kernel/stable-id.ts";
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
  /** A body to try, where there is one: /docs shows it, which would else make one up from the patterns. */
  example?: object;
  /** An empty body is none. */
  bodyOptional?: true;
  /** Milliseconds, where more than some seconds is no sign of an engine that hangs. */
  answerWithinMs?: number;
  /** The schema of each answer, by status. */
  answers: Record<number, TSchema>;
  handle(input: RouteInput): Promise<Reply>;
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
