/** The one boundary where our errors become Temporal's: terminal → not retried, retryable → after the time it names. */
import { ApplicationFailure } from "@temporalio/common";
import { RetryableError, TerminalError } from "../kernel/errors.ts";

export function toFailure(error: unknown): unknown {
  if (error instanceof TerminalError)
    return ApplicationFailure.create({ message: error.message, type: error.code, nonRetryable: true, cause: error });
  if (error instanceof RetryableError)
    return ApplicationFailure.create({
      message: error.message,
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
