/**
 * Structured logs: JSON lines on stderr, or a readable form when stderr is a terminal.
 *
 * The logger is passed in, never imported: `log.child({ role: "router" })` gives each part its own bindings.
 * Call object first, then message: `log.info({ activity_id }, "schedule created")`.
 */
import pino from "pino";
import pretty from "pino-pretty";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Log = pino.Logger;

/** `destination` is a file descriptor; `readable` chooses the terminal form. */
export function createLog(level: LogLevel, destination = 2, readable = process.stderr.isTTY === true): Log {
  const options: pino.LoggerOptions = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
  };
  return readable
    ? pino(options, pretty({ destination, sync: true, ignore: "pid", translateTime: "SYS:HH:MM:ss.l" }))
    : pino(options, pino.destination({ dest: destination, sync: true }));
}
