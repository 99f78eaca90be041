/**
 * The address of a host with several: the first that accepts a connection, each being tried a little after the one before
 * (RFC 8305). fetch takes one address, and would wait for a dead one until the task's time is over.
 */
import { connect, type Socket } from "node:net";

const STAGGER_MS = 250;

/**
 * One of `addresses`, of which there is at least one. A single one is not tried.
 * @throws the failure that came first when all fail; the reason of `signal`
 */
export function findReachable(addresses: readonly string[], port: number, signal: AbortSignal): Promise<string> {
  const [only, ...others] = addresses as [string, ...string[]];
  if (others.length === 0) return Promise.resolve(only);
  return new Promise((resolve, reject) => {
    const waiting = [...addresses];
    const sockets = new Set<Socket>();
    let failure: unknown;
    let timer: ReturnType<typeof setTimeout> | undefined;

    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      waiting.length = 0;
      for (const socket of sockets) socket.destroy();
    }
    function onAbort(): void {
      end();
      reject(signal.reason);
    }
    function tryNext(): void {
      clearTimeout(timer);
      const address = waiting.shift();
      if (address === undefined) {
        if (sockets.size > 0) return;
        end();
        reject(failure);
        return;
      }
      const socket = connect({ host: address, port });
      sockets.add(socket);
      socket.once("connect", () => {
        end();
        resolve(address);
      });
      socket.on("error", (error) => {
        failure ??= error;
        if (sockets.delete(socket)) tryNext();
      });
      timer = setTimeout(tryNext, STAGGER_MS);
    }
    signal.addEventListener("abort", onAbort, { once: true });
    tryNext();
  });
}
