/**
 * Which proxy a request goes through, as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say. Pure.
 *
 * It is decided here and not by fetch, which would judge the address that is dialled in place of the host's name.
 */
import ipaddr from "ipaddr.js";
import type { Proxies } from "../../setting-values.ts";

/** The proxy's URL, undefined when the request goes out directly. This host itself is never reached through a proxy. */
export function findProxy(url: URL, { http, https, all, exempt }: Proxies): string | undefined {
  const proxy = (url.protocol === "https:" ? https : http) ?? all;
  if (proxy === undefined) return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return isThisHost(host) || exempt.some((entry) => isExempt(entry, host, port)) ? undefined : proxy;
}

function isThisHost(host: string): boolean {
  if (!ipaddr.isValid(host)) return host === "localhost" || host.endsWith(".localhost");
  return ["loopback", "unspecified"].includes(ipaddr.process(host).range());
}

/**
 * An entry of NO_PROXY: `*` is every host; a name stands for itself and its subdomains, with or without `.` or `*.` before
 * it; an address or a range of them (`10.0.0.0/8`) for itself. A port behind it restricts it to that port.
 */
function isExempt(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const parts = /^\[(.+)\](?::(\d+))?$/.exec(entry) ?? /^([^:]+)(?::(\d+))?$/.exec(entry);
  const [, written, itsPort] = parts ?? [entry, entry]; // an IPv6 address without brackets has no port
  const name = (written ?? "")
    .toLowerCase()
    .replace(/^\*?\./, "")
    .replace(/\.$/, "");
  if (name === "" || (itsPort !== undefined && itsPort !== port)) return false;
  if (ipaddr.isValid(host)) return isInRange(ipaddr.process(host), name);
  return host === name || host.endsWith(`.${name}`);
}

function isInRange(address: ipaddr.IPv4 | ipaddr.IPv6, range: string): boolean {
  if (ipaddr.isValid(range)) return ipaddr.process(range).toString() === address.toString();
  if (!ipaddr.isValidCIDR(range)) return false;
  const [base, bits] = ipaddr.parseCIDR(range);
  // ipaddr.js throws where one is IPv4 and the other IPv6.
  return base.kind() === address.kind() && address.match(base as ipaddr.IPv4 & ipaddr.IPv6, bits);
}
