/** How an executor knows that its try is cut because the worker stops. */

/** The reason with which the SDK cancels activities when a worker stops; it has no other mark than its text. */
export const STOP = "WORKER_SHUTDOWN";

export function isStop(reason: unknown): boolean {
  return (reason as Error | undefined)?.message === STOP;
}
