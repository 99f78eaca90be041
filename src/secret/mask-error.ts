/** Errors without secrets: what is thrown ends in logs, in the ledger and in the engine's history, with its stack and its causes. */
import { ActcoreError } from "../kernel/errors.ts";
import type { Secrets } from "./secrets.ts";

/** Causes behind causes that are looked at. */
const MAX_DEPTH = 10;

/**
 * The error with the texts of it, of its details and of its causes masked. It is changed in place, so that it keeps its class; one
 * that cannot be changed, and has something to mask, is replaced by a plain Error. What is no error is masked as JSON.
 */
export function maskError(error: unknown, secrets: Pick<Secrets, "mask" | "maskJson">, depth = 0): unknown {
  if (!(error instanceof Error)) return secrets.maskJson(error);
  const maskCause = (cause: unknown) => (depth < MAX_DEPTH ? maskError(cause, secrets, depth + 1) : undefined);
  const masked: Record<string, unknown> = { message: secrets.mask(error.message) };
  if (typeof error.stack === "string") masked.stack = secrets.mask(error.stack);
  if (error.cause !== undefined) masked.cause = maskCause(error.cause);
  if (error instanceof AggregateError) masked.errors = error.errors.map(maskCause);
  if (error instanceof ActcoreError) {
    masked.details = secrets.maskJson(error.details);
    if (error.hint !== undefined) masked.hint = secrets.mask(error.hint);
  }
  try {
    const fields = error as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(masked)) if (fields[name] !== value) fields[name] = value;
    return error;
  } catch {
    return new Error(String(masked.message));
  }
}
