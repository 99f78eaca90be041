/**
 * Structured logs: JSON lines on stderr, or a readable form when stderr is a terminal.
 *
 * The logger is passed in, never imported: `log.child({ role: "router" })` gives each part its own bindings.
 * Call object first, then message: `log.info({ activity_id }, "schedule created")`. A call never throws and never waits for
 * long: a line that cannot be written is lost, and the next one that can be is preceded by one that says how many were.
 */
import pino from "pino";
import { prettyFactory } from "pino-pretty";
import { createLossyWriter } from "./line-writer.ts";

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
  const { write } = createLossyWriter(destination);
  const format = readable ? createReadableForm() : (line: string) => line;
  let lost = 0;
  return pino(options, {
    write(line) {
      if (lost > 0 && write(format(lossLine(lost)))) lost = 0;
      if (!write(format(line))) lost += 1;
    },
  });
}

function createReadableForm(): (line: string) => string {
  const options = { ignore: "pid", translateTime: "SYS:HH:MM:ss.l" };
  return prettyFactory(options);
}

function lossLine(lost: number): string {
  const line = { level: "warn", time: new Date().toISOString(), pid: process.pid, lost_lines: lost };
  return `${JSON.stringify({ ...line, msg: "lines of the log could not be written and are lost" })}\n`;
}
