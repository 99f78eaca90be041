/**
 * Counts failed attempts by remote address.
 *
 * It limits what a broken or hostile client costs (log lines, answers worth reading), not who gets in: 256 random bits
 * are guessed at no rate, and on loopback or behind a proxy all callers share one address, so a right key is never
 * refused for the wrong ones of others.
 */
import ipaddr from "ipaddr.js";

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
        if (windows.size > MAX_ADDRESSES) windows.delete(windows.keys().next().value as string);
      }
      window.failures++;
      return window.failures > MAX_FAILURES ? window.endsAt - time : 0;
    },
  };
}

/** An IPv6 caller has a whole /64 of addresses: they count as one. */
function groupOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const ip = ipaddr.process(address);
  return ip instanceof ipaddr.IPv6 ? ip.parts.slice(0, 4).join(":") : ip.toString();
}
