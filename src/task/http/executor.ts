/**
 * The `http` executor: one request to the outside.
 *
 * Every try carries the task's `Idempotency-Key`, so that the receiver can drop the repetition that a crash between
 * its answer and our record causes (I8), and `traceparent`, so that its trace continues ours.
 */
import { exchange } from "../../outbound/exchange.ts";
import { toAnswer } from "../../outbound/response.ts";
import type { Executor } from "../task.ts";
import type { ExecutorDeps } from "../task-type.ts";
import type { HttpParams } from "./params.ts";
import { buildRequest, isHostComputed } from "./request.ts";

/** Bytes of a response's body that are kept. */
export const MAX_RESPONSE_BYTES = 16_384;

export function createHttpExecutor({ dial }: Pick<ExecutorDeps, "dial">): Executor<HttpParams> {
  return async (attempt, { signal }) => {
    const expected = attempt.params.expect?.status;
    const options = {
      hostIsComputed: isHostComputed(attempt),
      maxBytes: MAX_RESPONSE_BYTES,
      ...(expected !== undefined && { expected }),
    };
    return toAnswer(await exchange(dial, buildRequest(attempt), signal, options));
  };
}
