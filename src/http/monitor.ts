/**
 * The listener of every process, whatever its roles: `/metrics` (actcore's own and the Temporal SDK's in one scrape),
 * `/healthz`, `/readyz`.
 */
import type { Address } from "../kernel/address.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Readiness } from "../kernel/readiness.ts";
import { readinessStatus } from "./routes/health-routes.ts";
import { foldForeignNames } from "./sdk-metrics.ts";

export interface MonitorDeps {
  metrics: Metrics;
  readiness: Readiness;
  /** Where the SDK's core serves its metrics; undefined when this process has no worker. */
  sdkMetricsUrl?: string;
}

/** @throws Error with code EADDRINUSE */
export function startMonitor({ host, port }: Address, { metrics, readiness, sdkMetricsUrl }: MonitorDeps) {
  async function scrape(): Promise<Response> {
    const sdk = sdkMetricsUrl === undefined ? "" : await readSdkMetrics(sdkMetricsUrl);
    const body = `${await metrics.registry.metrics()}\n${sdk}`;
    return new Response(body, { headers: { "content-type": metrics.registry.contentType } });
  }
  return Bun.serve({
    hostname: host,
    port,
    development: false, // Bun's page for an error would show the code
    routes: {
      "/metrics": scrape,
      "/healthz": () => Response.json({ status: "ok" }),
      "/readyz": () => {
        const report = readiness.report();
        return Response.json(report, { status: readinessStatus(report) });
      },
    },
    fetch: () => new Response("this port has /metrics, /healthz and /readyz\n", { status: 404 }),
  });
}

/** Empty while the core has not started: the scrape must not fail for it. */
async function readSdkMetrics(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000), proxy: false });
    return foldForeignNames(await response.text());
  } catch {
    return "";
  }
}
