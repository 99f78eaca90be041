/**
 * The headers of a message that somebody else published. NATS takes any bytes as a header's name, and the client throws where it
 * meets one that is none, such as one with a space; thrown within a subscription, that ends all reading of the connection.
 */
import type { MsgHdrs } from "nats";
import { describeError } from "../kernel/errors.ts";

export interface ReadHeaders {
  /** Absent: it has none, or they cannot be read. */
  headers?: MsgHdrs;
  /** Why they cannot be read. */
  headersFault?: string;
}

/** Never throws. */
export function readHeaders(read: () => MsgHdrs | undefined): ReadHeaders {
  try {
    const headers = read();
    return headers === undefined ? {} : { headers };
  } catch (error) {
    return { headersFault: describeError(error) };
  }
}
