/**
 * How a request goes out: once, within no time limit but its signal's, and with nothing unpacked on the way.
 */
import type { HttpRequest } from "./request.ts";

/**
 * What fetch would do besides, by itself:
 *
 *   keepalive   on a connection that is used again, fetch sends a GET, PUT or DELETE a second time when the receiver
 *               closes without an answer. Each request has a connection of its own
 *   timeout     fetch gives up after five minutes of silence. The task's own timeout is the only one
 *   decompress  fetch unpacks without a bound (content-encoding.ts)
 */
const PLAIN = { keepalive: false, timeout: false, decompress: false, redirect: "manual" } as const;

/** @throws what fetch throws; the reason of `signal` */
export function send({ url, ...request }: HttpRequest, signal: AbortSignal): Promise<Response> {
  return fetch(url, { ...request, ...PLAIN, signal });
}
