/** Temporal's native core, installed once per process: its signals are ours, its logs go into ours, its metrics are scraped. */
import { DefaultLogger, type LogEntry, makeTelemetryFilterString, Runtime } from "@temporalio/worker";
import { describeError } from "../kernel/errors.ts";
import type { Log, LogLevel } from "../kernel/log.ts";

/** `metricsAddress` is `host:port`; the core serves its Prometheus text there. */
export function installRuntime(log: Log, metricsAddress: string): void {
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger("INFO", (entry) => {
      const line = translateEntry(entry);
      if (line !== undefined) log[line.level as "debug"](line.fields, line.message);
    }),
    telemetryOptions: {
      logging: { filter: makeTelemetryFilterString({ core: "WARN" }), forward: {} },
      metrics: { prometheus: { bindAddress: metricsAddress, unitSuffix: true, useSecondsForDurations: true } },
    },
  });
}

/** What our log says of an entry of the SDK's; undefined: nothing, because we say it ourselves or nobody can act on it. */
export function translateEntry({
  level,
  message,
  meta,
}: Pick<LogEntry, "level" | "message" | "meta">): { level: LogLevel; fields: object; message: string } | undefined {
  // The task worker has none by design: a warning that nobody can act on.
  if (message.startsWith("No workflows registered")) return undefined;
  if (message === "Activity failed") return undefined; // activities/execute-task.ts says it, in fewer words
  if (message === "Workflow failed") return describeFailedWorkflow(meta);
  // "info" of the SDK is its own book-keeping; ours says what matters to an operator.
  const ours = level === "INFO" ? "debug" : (level.toLowerCase() as LogLevel);
  return { level: ours, fields: { ...meta }, message };
}

/**
 * A run that failed fails its workflow on purpose, and activities/run-steps.ts says so. Of the failure's class only the first
 * word of the stack comes out of the workflow's thread. The stack itself is one of the bundled workflow code.
 */
function describeFailedWorkflow(meta: LogEntry["meta"]): ReturnType<typeof translateEntry> {
  const error: unknown = meta?.error;
  if (error instanceof Error && error.stack?.startsWith("ApplicationFailure")) return undefined;
  return {
    level: "warn",
    fields: { workflow_id: meta?.workflowId, reason: describeError(error) },
    message: "workflow failed",
  };
}
