/** Temporal's native core, installed once per process: its signals are ours, its logs go into ours, its metrics are scraped. */
import { DefaultLogger, makeTelemetryFilterString, Runtime } from "@temporalio/worker";
import type { Log, LogLevel } from "../log.ts";

const LEVELS: Record<string, LogLevel> = { TRACE: "trace", DEBUG: "debug", INFO: "info", WARN: "warn", ERROR: "error" };

/** `metricsAddress` is `host:port`; the core serves its Prometheus text there. */
export function installRuntime(log: Log, metricsAddress: string): void {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger("INFO", ({ level, message, meta }) => {
      // The task worker has none by design: a warning that nobody can act on.
      if (message.startsWith("No workflows registered")) return;
      if (message === "Activity failed") return; // activities/execute-task.ts says it, in fewer words
      // "info" of the SDK is its own book-keeping; ours says what matters to an operator.
      const at = LEVELS[level] === "info" ? "debug" : (LEVELS[level] ?? "info");
      log[at as "debug"]({ ...meta }, message);
    }),
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: "WARN" }), forward: {} },
      metrics: { prometheus: { bindAddress: metricsAddress, unitSuffix: true, useSecondsForDurations: true } },
    },
  });
}
