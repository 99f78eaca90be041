/**
 * The REST API: the table of routes, served by Elysia. Everything that goes in is checked here or by the handler;
 * everything that fails goes out as a problem.
 */
import { type AnyElysia, Elysia } from "elysia";
import { type Authenticator, type Caller, requireScope } from "../access/authenticate.ts";
import { findRefusal, type HostPolicy } from "../access/same-origin.ts";
import { allows, type Scope } from "../access/scope.ts";
import { renderDocumentSchema } from "../document/document-schema.ts";
import { type ActcoreError, describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { inTime } from "../kernel/wait.ts";
import type { TaskTypes } from "../task/task-type.ts";
import { readBytes, readJson } from "./body.ts";
import { createDocs } from "./docs.ts";
import { resolveIds } from "./ids.ts";
import { problemResponse } from "./problem.ts";
import { readQuery } from "./query.ts";
import type { Route, TaggedRoute } from "./route.ts";
import { ACCESS_ROUTES } from "./routes/access-routes.ts";
import { DEAD_LETTER_ROUTES } from "./routes/dead-letter-routes.ts";
import { definitionRoutes } from "./routes/definition-routes.ts";
import { DELIVERY_ROUTE, isDelivery } from "./routes/delivery-route.ts";
import { dryRunRoutes } from "./routes/dry-run-routes.ts";
import { EVENT_ROUTES } from "./routes/event-routes.ts";
import { EVENT_TYPE_ROUTES } from "./routes/event-type-routes.ts";
import { EXPLAIN_ROUTES } from "./routes/explain-routes.ts";
import { HEALTH_ROUTES, isHealth, LIVENESS_ROUTE } from "./routes/health-routes.ts";
import { HOOK_ROUTES } from "./routes/hook-routes.ts";
import { humanRoutes } from "./routes/human-routes.ts";
import { REPLAY_ROUTES } from "./routes/replay-routes.ts";
import { RUN_ROUTES } from "./routes/run-routes.ts";
import { scheduleRoutes } from "./routes/schedule-routes.ts";
import { OCCURRENCE_ROUTES } from "./routes/skipped-routes.ts";
import { SYNC_ROUTES } from "./routes/sync-routes.ts";
import { taskRoutes } from "./routes/task-routes.ts";
import { WAITING_ROUTES } from "./routes/waiting-routes.ts";
import type { Services } from "./services.ts";

/** The table of routes, where tasks may be of these types; by the names under which the documentation shows them. */
const routesByTag = (types: TaskTypes): Readonly<Record<string, readonly Route[]>> => ({
  Definitions: [...definitionRoutes(types), ...dryRunRoutes(types)],
  Schedules: [...scheduleRoutes(types), ...OCCURRENCE_ROUTES],
  Runs: [...RUN_ROUTES, ...WAITING_ROUTES],
  Tasks: [...taskRoutes(types), ...humanRoutes],
  Events: EVENT_ROUTES,
  "Dead letters and replay": [...DEAD_LETTER_ROUTES, ...REPLAY_ROUTES],
  "Event types": EVENT_TYPE_ROUTES,
  Hooks: [...HOOK_ROUTES, DELIVERY_ROUTE],
  Explain: EXPLAIN_ROUTES,
  Sync: SYNC_ROUTES,
  Access: ACCESS_ROUTES,
  Health: HEALTH_ROUTES,
});
export const createRoutes = (types: TaskTypes): TaggedRoute[] =>
  Object.entries(routesByTag(types)).flatMap(([tag, routes]) => routes.map((route) => ({ ...route, tag })));

/** Who gets in. */
export interface Access extends Authenticator {
  readonly hosts: HostPolicy;
  /** Why nothing but health is answered yet; undefined once the API is open. */
  closed(): ActcoreError | undefined;
}

/** Milliseconds. An engine that hangs must not let a caller hang: what was asked for may still be done. */
const ANSWER_WITHIN_MS = 15_000;
const noAnswer = (withinMs: number) =>
  new RetryableError("no_answer_in_time", `an engine did not answer within ${withinMs / 1000} s`, {
    hint: "/readyz says which; the request may still take effect",
  });

/** An application that does not listen yet. */
export type App = AnyElysia;

/** The REST API. */
export function createApp(services: Services, access: Access, log: Log, types: TaskTypes): App {
  const routes = createRoutes(types);
  return serveRoutes(routes, services, access, log).use(createDocs(routes, renderDocumentSchema(types)));
}

/** What of the API may be exposed to everybody: POST /hooks/{name}, whose requests prove themselves, and `/healthz`. */
export function createHooksApp(services: Services, log: Log): App {
  const access = {
    authenticate: () => Promise.reject(new Error("no route of the hooks asks for a key")),
    hosts: { loopback: false, hosts: [] },
    closed: () => undefined,
  };
  return serveRoutes([DELIVERY_ROUTE, LIVENESS_ROUTE], services, access, log);
}

function serveRoutes(routes: readonly Route[], services: Services, access: Access, log: Log) {
  // Bun's own page for an error, which nothing here should let through, would show the code.
  const app = new Elysia({ normalize: false, serve: { development: false, error: problemResponse } })
    // Before routing: it holds for every route, for the documentation, and for what is no route.
    .onRequest(({ request }) => {
      const refusal = refuse(request);
      return refusal && problemResponse(refusal);
    })
    .onError(({ code, error, request }) => {
      if (code === "NOT_FOUND") return notFound(routes, request);
      return unexpected(error);
    });
  for (const route of routes) {
    app.route(
      route.method,
      route.path,
      ({ request, params, server }) => {
        // Else the server closes the connection when nothing is sent on it for some time.
        if (route.answerWithinMs !== undefined) server?.timeout(request, Math.ceil(route.answerWithinMs / 1000) + 5);
        const address = server?.requestIP(request)?.address ?? "unknown";
        // Elysia has no value for a parameter whose bytes are not UTF-8.
        const texts = Object.keys(route.params?.properties ?? {}).map((name) => [name, params[name as never] ?? ""]);
        return answer(route, request, Object.fromEntries(texts), address);
      },
      { parse: "none" },
    );
  }

  function unexpected(error: unknown, details: object = {}): Response {
    log.error({ ...details, error }, "request failed unexpectedly");
    return problemResponse(error);
  }

  function refuse(request: Request): ActcoreError | undefined {
    const { method, headers } = request;
    if (!URL.canParse(request.url)) return new TerminalError("host_not_allowed", "the Host header is no host");
    const url = new URL(request.url);
    if (isDelivery(method, url.pathname)) return undefined;
    const health = isHealth(url.pathname);
    const host = headers.get("host") ?? url.host;
    const refusal = findRefusal({ method, anyHost: health, host, headers }, access.hosts);
    return refusal ?? (health ? undefined : access.closed());
  }

  async function answer(route: Route, request: Request, params: Record<string, string>, address: string) {
    try {
      const reply = await handle(route, request, params, address);
      const init = { status: reply.status ?? 200, headers: reply.headers ?? {} };
      return reply.body === undefined ? new Response(null, init) : Response.json(reply.body, init);
    } catch (error) {
      const response = problemResponse(error);
      if (response.status === 500) return unexpected(error, { path: route.path });
      if (response.status > 500) log.warn({ path: route.path, reason: describeError(error) }, "request refused");
      return response;
    }
  }

  /** Authenticates the caller before it reads the query and the body. */
  async function handle(route: Route, request: Request, params: Record<string, string>, address: string) {
    const { headers } = request;
    let caller: Caller = { actor: "anonymous", scopes: [] };
    if (route.scope !== null) {
      caller = await access.authenticate(headers, address);
      requireScope(caller, route.scope);
    }
    const { actor, scopes } = caller;
    const may = (scope: Scope) => allows(scopes, scope);
    const url = new URL(request.url);
    const asked = route.query === undefined ? {} : readQuery(route.query, url.searchParams);
    const sent =
      route.body &&
      (await (route.body.raw ? readBytes(request, route.body.maxBytes) : readJson(request, route.body.optional)));
    const definitions = () => services.definitions;
    const input = {
      params: await resolveIds(route.params, params, definitions),
      query: await resolveIds(route.query, asked, definitions),
      body: route.body?.read(sent, { headers, services }),
      ...{ headers, url, actor, address, may, services },
    };
    const withinMs = route.answerWithinMs ?? ANSWER_WITHIN_MS;
    return inTime(route.handle(input), withinMs, () => noAnswer(withinMs));
  }
  return app;
}

/** 404, or 405 with `Allow` where the path has other methods. */
function notFound(routes: readonly Route[], request: Request): Response {
  const path = new URL(request.url).pathname.replace(/(.)\/$/, "$1");
  const allowed = routes.filter((route) => pathPattern(route.path).test(path)).map(({ method }) => method);
  if (allowed.length === 0) return problemResponse(new TerminalError("not_found", `there is no ${path}`));
  const error = new TerminalError("method_not_allowed", `${path} takes ${allowed.join(", ")}, not ${request.method}`);
  return problemResponse(error, { allow: allowed.join(", ") });
}

function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`);
}
