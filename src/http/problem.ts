/** Errors on the wire: RFC 9457 problem+json, every fault at once. The one place where our errors become statuses. */
import { STATUS_CODES } from "node:http";
import { ActcoreError, InvalidInputError, RetryableError } from "../kernel/errors.ts";

/** Statuses of error codes; other inputs are 400, other refusals 422, what may work later 503. */
const STATUS: Readonly<Record<string, number>> = {
  key_required: 401,
  key_invalid: 401,
  key_expired: 401,
  key_revoked: 401,
  signature_missing: 401,
  signature_invalid: 401,
  timestamp_too_old: 401,
  timestamp_too_new: 401,
  scope_missing: 403,
  host_not_allowed: 403,
  origin_not_allowed: 403,
  not_found: 404,
  definition_not_found: 404,
  hook_not_found: 404,
  method_not_allowed: 405,
  name_taken: 409,
  task_not_human: 409,
  task_not_waiting: 409,
  task_changed: 409,
  task_decided: 409,
  task_expired: 409,
  task_claimed: 409,
  task_not_claimed: 409,
  task_assigned: 409,
  body_cut: 400,
  body_too_slow: 408,
  definition_from_file: 409,
  definition_retired: 409,
  hook_from_file: 409,
  sync_not_newest: 409,
  sync_changed_nothing: 409,
  run_not_running: 409,
  run_not_over: 409,
  task_over: 409,
  task_not_over: 409,
  nothing_to_retry: 409,
  nothing_to_repeat: 409,
  input_not_kept: 409,
  event_differs: 409,
  event_recorded: 409,
  event_not_matched: 409,
  no_event_trigger: 409,
  letter_settled: 409,
  letter_unreadable: 409,
  version_mismatch: 412,
  body_too_large: 413,
  event_too_large: 413,
  unsupported_media_type: 415,
  schema_mismatch: 422,
  mapping_failed: 422,
  answer_invalid: 422,
  version_required: 428,
  too_many_failures: 429,
};

/** Where an error that may be over later does not say when: an engine that is away is mostly back within seconds. */
const RETRY_AFTER_MS = 5_000;

/** By status, as RFC 9110 names them: Node still has the older names of two. */
const TITLES: Partial<Record<number, string>> = {
  ...STATUS_CODES,
  413: "Content Too Large",
  422: "Unprocessable Content",
};

/** The members of a problem that say what it is. */
export function toProblem(error: unknown) {
  const { status, code, detail, faults, hint } = describe(error);
  return { status, code, detail, ...(hint !== undefined && { hint }), errors: faults };
}

export function problemResponse(error: unknown, headers: Record<string, string> = {}): Response {
  const problem = toProblem(error);
  const { status } = problem;
  const body = { type: "about:blank", title: TITLES[status] ?? "Error", ...problem };
  return Response.json(body, {
    status,
    headers: {
      ...headers,
      ...(status === 401 && { "www-authenticate": "Bearer" }),
      ...(error instanceof RetryableError && {
        "retry-after": String(Math.ceil((error.retryAfterMs ?? RETRY_AFTER_MS) / 1000)),
      }),
      "content-type": "application/problem+json",
    },
  });
}

function describe(error: unknown) {
  const internal = { status: 500, code: "internal", detail: "an unexpected error; the log has it" };
  if (!(error instanceof ActcoreError)) return { ...internal, faults: [], hint: undefined };
  const faults = error instanceof InvalidInputError ? error.faults : [];
  const fallback = error instanceof InvalidInputError ? 400 : error instanceof RetryableError ? 503 : 422;
  const { code, message, hint } = error;
  return { status: STATUS[code] ?? fallback, code, detail: message, faults, hint };
}
