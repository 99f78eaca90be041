/**
 * Hooks for as long as the database is away: as they were read lately. Many a sender sends a request once and never again, and
 * what it becomes needs the stream only.
 */
import { RetryableError } from "../kernel/errors.ts";
import { createRecentlyUsed } from "../kernel/recently-used.ts";
import { inTime } from "../kernel/wait.ts";
import type { HookReader, StoredHook } from "./hook-reader.ts";

const ANSWER_WITHIN_MS = 2_000;
/** A hook that was changed by a process that reaches the database counts as it was for no longer than this. */
const KNOWN_MS = 600_000;
/** Hooks that are kept. */
const MAX_KNOWN = 1_000;
const tooLate = () =>
  new RetryableError("postgres_unavailable", `Postgres: no answer within ${ANSWER_WITHIN_MS / 1000} s`);

/** `nowMs` is a clock that only runs forward. `find` throws what `reader` throws where the hook was not read lately. */
export function createLastKnownHooks(reader: HookReader, nowMs = () => performance.now()): HookReader {
  const known = createRecentlyUsed<{ hook: StoredHook | undefined; readMs: number }>(MAX_KNOWN);
  return {
    async find(name) {
      const readMs = nowMs();
      try {
        const hook = await inTime(reader.find(name), ANSWER_WITHIN_MS, tooLate);
        // Names that nobody has are not kept: anybody may ask for as many as they like.
        if (hook !== undefined || known.get(name) !== undefined) known.put(name, { hook, readMs });
        return hook;
      } catch (error) {
        const last = known.get(name);
        if (!(error instanceof RetryableError) || last === undefined || nowMs() - last.readMs > KNOWN_MS) throw error;
        return last.hook;
      }
    },
  };
}
