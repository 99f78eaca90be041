/** `/healthz` and `/readyz` of the API; every process serves both on its metrics port too (http/monitor.ts). */
import { Type } from "@sinclair/typebox";
import { Nullable } from "../../json/schema-parts.ts";
import type { ReadinessReport } from "../../kernel/readiness.ts";
import { type Route, route } from "../route.ts";

const State = Type.Object({
  state: Type.String(),
  since: Type.String({ format: "date-time" }),
  error: Type.Optional(Type.String()),
  waiting_for: Type.Optional(Type.Array(Type.String())),
});
const MaybeTime = Nullable(Type.String({ format: "date-time" }));
const Sync = Type.Object(
  {
    last_success: MaybeTime,
    last_failure: MaybeTime,
    error: Nullable(Type.String()),
    duration_ms: Nullable(Type.Integer()),
  },
  { description: "Of this process: a sync that fails makes it no less ready." },
);
const Report = Type.Object(
  {
    status: Type.String(),
    process: Type.Object({ pid: Type.Integer(), started_at: Type.String({ format: "date-time" }) }),
    engines: Type.Record(Type.String(), State),
    roles: Type.Record(Type.String(), State),
    sync: Sync,
  },
  { title: "Readiness" },
);

/** 200 when ready, 503 otherwise: what a load balancer asks. */
export function readinessStatus(report: ReadinessReport): number {
  return report.status === "ready" ? 200 : 503;
}

/** Whether load balancers ask for this path. It is answered under any host name, and before the API opens. */
export function isHealth(path: string): boolean {
  return HEALTH_ROUTES.some((route) => route.path === path.replace(/(.)\/$/, "$1"));
}

export const LIVENESS_ROUTE = route({
  method: "GET",
  path: "/healthz",
  scope: null,
  summary: "Whether the process lives",
  answers: { 200: Type.Object({ status: Type.Literal("ok") }) },
  handle: async () => ({ body: { status: "ok" } }),
});

export const HEALTH_ROUTES: readonly Route[] = [
  LIVENESS_ROUTE,
  route({
    method: "GET",
    path: "/readyz",
    scope: null,
    summary: "Whether each engine and role is ready, by name",
    answers: { 200: Report, 503: Report },
    async handle({ services }) {
      const report = services.readiness.report();
      return { status: readinessStatus(report), body: report };
    },
  }),
];
