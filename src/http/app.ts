/**
 * The REST API: the table of routes, served by Elysia. Everything that goes in is checked here or by the handler;
 * everything that fails goes out as a problem.
 */
import { Elysia } from "elysia";
import { describeError, RetryableError, TerminalError } from "../errors.ts";
import { inTime } from "../lifecycle.ts";
import type { Log } from "../log.ts";
import { readJson } from "./body.ts";
import { DEFINITION_ROUTES } from "./definition-routes.ts";
import { createDocs } from "./docs.ts";
import { EVENT_ROUTES } from "./event-routes.ts";
import { HEALTH_ROUTES } from "./health-routes.ts";
import { LEDGER_ROUTES } from "./ledger-routes.ts";
import { problemResponse } from "./problem.ts";
import { type Route, readQuery } from "./route.ts";
import type { Services } from "./services.ts";

export const ROUTES: readonly Route[] = [...DEFINITION_ROUTES, ...LEDGER_ROUTES, ...EVENT_ROUTES, ...HEALTH_ROUTES];

/** Milliseconds. An engine that hangs must not let a caller hang: what was asked for may still be done. */
const ANSWER_WITHIN_MS = 15_000;
const noAnswer = () =>
  new RetryableError("no_answer_in_time", `an engine did not answer within ${ANSWER_WITHIN_MS / 1000} s`, {
    hint: "/readyz says which; the request may still take effect",
  });

/** The application, not listening yet. */
export function createApp(services: Services, log: Log) {
  const app = new Elysia({ normalize: false })
    .onError(({ code, error, request }) => {
      if (code === "NOT_FOUND") return notFound(request);
      log.error({ error }, "request failed unexpectedly");
      return problemResponse(error);
    })
    .use(createDocs(ROUTES));
  for (const route of ROUTES) {
    app.route(
      route.method,
      route.path,
      ({ request, params }) => answer(route, request, params as Record<string, string>),
      {
        parse: "none",
      },
    );
  }

  async function answer(route: Route, request: Request, params: Record<string, string>): Promise<Response> {
    try {
      const url = new URL(request.url);
      const query = route.query === undefined ? {} : readQuery(route.query, Object.fromEntries(url.searchParams));
      const body = route.body === undefined ? undefined : await readJson(request);
      const reply = await inTime(route.handle({ params, query, body, url, services }), ANSWER_WITHIN_MS, noAnswer);
      return Response.json(reply.body, { status: reply.status ?? 200, headers: reply.headers ?? {} });
    } catch (error) {
      const response = problemResponse(error);
      if (response.status === 500) log.error({ path: route.path, error }, "request failed unexpectedly");
      else if (response.status > 500) log.warn({ path: route.path, reason: describeError(error) }, "request refused");
      return response;
    }
  }
  return app;
}

/** 404, or 405 with `Allow` where the path has other methods. */
function notFound(request: Request): Response {
  const path = new URL(request.url).pathname.replace(/(.)\/$/, "$1");
  const allowed = ROUTES.filter((route) => pathPattern(route.path).test(path)).map(({ method }) => method);
  if (allowed.length === 0) return problemResponse(new TerminalError("not_found", `there is no ${path}`));
  const error = new TerminalError("method_not_allowed", `${path} takes ${allowed.join(", ")}, not ${request.method}`);
  return problemResponse(error, { allow: allowed.join(", ") });
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`);
}
