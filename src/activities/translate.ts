/** The one boundary where our errors become Temporal's: terminal → not retried, retryable → after the time it names. */
import { ApplicationFailure } from "@temporalio/common";
import { describeWithHint, RetryableError, TerminalError } from "../kernel/errors.ts";
import { maskError } from "../secret/mask-error.ts";
import type { Secrets } from "../secret/secrets.ts";

export function toFailure(error: unknown): unknown {
  if (error instanceof TerminalError)
    return ApplicationFailure.create({
      message: describeWithHint(error),
      type: error.code,
      nonRetryable: true,
      cause: error,
    });
  if (error instanceof RetryableError)
    return ApplicationFailure.create({
      message: describeWithHint(error),
      type: error.code,
      cause: error,
      // Temporal takes a delay of zero as "not again".
      ...(error.retryAfterMs !== undefined && error.retryAfterMs > 0 && { nextRetryDelay: error.retryAfterMs }),
    });
  return error;
}

/** The same function with its errors translated. */
export function translated<A extends unknown[], R>(step: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
  return (...args) => step(...args).catch((error) => Promise.reject(toFailure(error)));
}

/** The same steps; what they fail with goes into the history of a workflow, and has no secret in it (I10). */
export function maskFailures<Steps extends object>(steps: Steps, secrets: Secrets): Steps {
  const masked = Object.entries(steps).map(([name, step]) => {
    const run = (...args: unknown[]) =>
      step(...args).catch((error: unknown) => Promise.reject(maskError(error, secrets)));
    return [name, run];
  });
  return Object.fromEntries(masked);
}
