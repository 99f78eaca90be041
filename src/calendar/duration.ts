/** Durations as users write them: `90s`, `5m`, `1h30m`, `250ms`, or a number of seconds. */
import { type TUnsafe, Type } from "@sinclair/typebox";
import { preview } from "../json/faults.ts";
import type { Fault } from "../kernel/errors.ts";

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
/** Longer ones overflow somewhere on their way through timers and engines. */
export const MAX_DURATION_MS = 365 * UNIT_MS.d;
const PATTERN = "^(\\d+(\\.\\d+)?(ms|s|m|h|d))+$";

/** The schema of a duration; what it accepts, `parseDuration` can read. */
export const DurationSchema = (options: { description: string; examples?: string[] }): TUnsafe<string | number> =>
  Type.Unsafe<string | number>(
    Type.Union([Type.String({ pattern: PATTERN, maxLength: 32 }), Type.Number({ minimum: 0 })], {
      ...options,
      expected: "a duration such as 90s, 5m, 1h30m or 90d, or a number of seconds",
    }),
  );

/** Milliseconds. The value has passed `DurationSchema`. */
export function parseDuration(value: string | number): number {
  if (typeof value === "number") return Math.round(value * 1000);
  let total = 0;
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  return Math.round(total);
}

/** As users write it: `90000` is `1m30s`. */
export function formatDuration(ms: number): string {
  let left = ms;
  const parts = Object.entries(UNIT_MS).map(([unit, size]) => {
    const amount = Math.floor(left / size);
    left -= amount * size;
    return amount === 0 ? "" : `${amount}${unit}`;
  });
  return parts.join("") || "0s";
}

/** Of a duration that is not within `minMs` and `maxMs`, both included. */
export function findDurationFaults(
  value: string | number | undefined,
  path: string,
  minMs: number,
  maxMs = MAX_DURATION_MS,
): Fault[] {
  if (value === undefined) return [];
  const ms = parseDuration(value);
  if (ms >= minMs && ms <= maxMs) return [];
  const bounds = `from ${describeMs(minMs)} to ${describeMs(maxMs)}`;
  return [{ path, message: `expected a duration ${bounds}, received ${preview(value)}` }];
}

function describeMs(ms: number): string {
  if (ms > 0 && ms % UNIT_MS.d === 0) return `${ms / UNIT_MS.d}d`;
  return ms % UNIT_MS.s === 0 ? `${ms / UNIT_MS.s}s` : `${ms}ms`;
}
