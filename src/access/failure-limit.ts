/**
 * Counts failed attempts by remote address.
 *
 * It limits what a broken or hostile client costs (log lines, answers worth reading), not who gets in: 256 random bits
 * are guessed at no rate, and on loopback or behind a proxy all callers share one address, so a right key is never
 * refused for the wrong ones of others.
 */

/** Failures of one address within a window that are answered one by one. */
export const MAX_FAILURES = 10;
export const WINDOW_MS = 60_000;
/** Addresses that are remembered; the oldest is forgotten for a new one. */
const MAX_ADDRESSES = 10_000;

export interface FailureLimit {
  /** Counts a failure. Milliseconds until the address is answered again; 0 while it is. */
  count(address: string): number;
}

export function createFailureLimit(now: () => number = Date.now): FailureLimit {
  const windows = new Map<string, { failures: number; endsAt: number }>();
  return {
    count(address) {
      const group = groupOf(address);
      const time = now();
      let window = windows.get(group);
      if (window === undefined || window.endsAt <= time) {
        windows.delete(group); // so that it stands last: the first is the oldest
        window = { failures: 0, endsAt: time + WINDOW_MS };
        windows.set(group, window);
        for (const oldest of windows.keys()) {
          if (windows.size <= MAX_ADDRESSES) break;
          windows.delete(oldest);
        }
      }
      window.failures++;
      return window.failures > MAX_FAILURES ? window.endsAt - time : 0;
    },
  };
}

/** An IPv6 caller has a whole /64 of addresses: they count as one. */
function groupOf(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1]) return mapped[1];
  const [head = "", tail] = address.toLowerCase().split("%")[0]?.split("::") ?? [];
  const before = head === "" ? [] : head.split(":");
  const after = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? [] : new Array(Math.max(0, 8 - before.length - after.length)).fill("0");
  return [...before, ...zeros, ...after]
    .slice(0, 4)
    .map((part) => Number.parseInt(part, 16).toString(16))
    .join(":");
}
