/**
 * The two kinds of failure that a caller can act on.
 *
 * An error is split by what the caller must do: give up (`TerminalError`) or try again (`RetryableError`).
 * Each boundary translates it once: activity → ApplicationFailure, router → ack | term | nak, http → problem+json,
 * main → exit code. An error that is neither travels on unwrapped: it is a bug, and its stack says where.
 */

/** One fault of a rejected input: where it is (a JSON path such as `/trigger_config/filters`) and what is wrong there. */
export interface Fault {
  path: string;
  message: string;
}

export interface ErrorOptions {
  /** What to do about it, as an imperative sentence. */
  hint?: string;
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** `code` is a snake_case literal that callers and users may rely on; `message` says what failed and where. */
export class ActcoreError extends Error {
  readonly hint?: string;
  readonly details: Record<string, unknown>;

  constructor(
    readonly code: string,
    message: string,
    options: ErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    if (options.hint !== undefined) this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** Trying again with the same input cannot help. */
export class TerminalError extends ActcoreError {}

/** The same call may succeed later, not before `retryAfterMs` (milliseconds) where the source named one. */
export class RetryableError extends ActcoreError {
  readonly retryAfterMs?: number;

  constructor(code: string, message: string, options: ErrorOptions & { retryAfterMs?: number } = {}) {
    super(code, message, options);
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}

/** A rejected input with every fault at once. */
export class InvalidInputError extends TerminalError {
  constructor(
    message: string,
    readonly faults: readonly Fault[],
    code = "invalid_input",
    options: ErrorOptions = {},
  ) {
    super(code, message, { ...options, details: { ...options.details, faults } });
  }
}

/** The innermost text that tells a person what happened: the message, and its cause's where that adds something. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  const nested = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error.cause;
  if (nested === undefined || nested === null) return own;
  const cause = describeError(nested);
  return own.includes(cause) ? own : `${own}: ${cause}`;
}

/** As `describeError`, and what to do about it where the error says so. */
export function describeWithHint(error: unknown): string {
  const hint = error instanceof ActcoreError ? error.hint : undefined;
  const message = describeError(error);
  if (hint === undefined) return message;
  return `${message}${/[.?!]$/.test(message) ? "" : "."} ${hint}`;
}

/** An error of the same kind whose message begins with where it happened; what is no ActcoreError stays as it is. */
export function atPlace(error: unknown, place: string): unknown {
  if (!(error instanceof ActcoreError)) return error;
  const { code, hint, details } = error;
  const options = { ...(hint !== undefined && { hint }), details, cause: error };
  const Kind = error instanceof RetryableError ? RetryableError : TerminalError;
  return new Kind(code, `${place}: ${error.message}`, options);
}
