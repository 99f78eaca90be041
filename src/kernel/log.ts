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
import { inLines, inOneLine } from "./printable.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Log = pino.Logger;

/** Takes secrets out of texts, and out of JSON. */
export interface Masking {
  mask(text: string): string;
  maskJson(value: unknown): unknown;
}

/** `destination` is a file descriptor; `readable` chooses the terminal form; `masking` goes over every line. */
export function createLog(
  level: LogLevel,
  {
    destination = 2,
    readable = process.stderr.isTTY === true,
    masking,
  }: { destination?: number; readable?: boolean; masking?: Masking } = {},
): Log {
  const options: pino.LoggerOptions = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
  };
  const write = createLossyWriter(destination);
  const form = readable ? createReadableForm() : inLines;
  const format = (line: string) => form(masking === undefined ? line : maskLine(line, masking));
  let lost = 0;
  return pino(options, {
    write(line) {
      if (lost > 0 && write(format(lossLine(lost)))) lost = 0;
      if (!write(format(line))) lost += 1;
    },
  });
}

/** Only a line that has something to mask is read as JSON, so that it stays JSON whatever the secret is. */
function maskLine(line: string, { mask, maskJson }: Masking): string {
  return mask(line) === line ? line : `${JSON.stringify(maskJson(JSON.parse(line)))}\n`;
}

/** JSON line → lines for a terminal, in which nothing that was logged can pass for another line. */
function createReadableForm(): (line: string) => string {
  const prettify = prettyFactory({ ignore: "pid", translateTime: "SYS:HH:MM:ss.l" });
  return (line) =>
    prettify(JSON.parse(line, (key, value) => (typeof value === "string" ? showable(key, value) : value)));
}

/** Fields whose text the readable form prints as it is. It prints the others as JSON, which escapes all controls but DEL and C1. */
const PRINTED_AS_THEY_ARE = new Set(["msg", "name", "hostname", "caller"]);

function showable(key: string, text: string): string {
  if (PRINTED_AS_THEY_ARE.has(key)) return inOneLine(text);
  return key === "stack" ? inLines(text) : text.replace(/[\x7f-\x9f]/g, inOneLine);
}

function lossLine(lost: number): string {
  const line = { level: "warn", time: new Date().toISOString(), pid: process.pid, lost_lines: lost };
  return `${JSON.stringify({ ...line, msg: "lines of the log could not be written and are lost" })}\n`;
}
