/** What fetch says of a request that failed, as it may be shown and kept. */
import { describeError } from "../kernel/errors.ts";

/**
 * The same failure in an error of our own. fetch's has the URL that was dialled in its message and beside it, with a query
 * that may hold a secret and an address in place of the name; and whoever is told of an error is told of its cause.
 */
export function withoutUrl(error: unknown): Error {
  const reason = describeError(error)
    .replace(/ fetching ".*$/s, "")
    .replace(/\. For more information, pass `verbose: true`.*$/s, "");
  return new Error(reason);
}
