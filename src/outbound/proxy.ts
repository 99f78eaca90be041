/**
 * Which proxy a request goes through, as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say. Pure.
 *
 * It is decided here and not by fetch: what fetch is given is an address, and NO_PROXY names hosts.
 */
import ipaddr from "ipaddr.js";
import { hostOf, portOf } from "../kernel/address.ts";
import type { Proxies } from "../kernel/setting-values.ts";
import { isNamedBy } from "./ip-address.ts";

/** The proxy's URL; undefined when the request goes out directly, as it always does to this host. */
export function findProxy(url: URL, { http, https, all, exempt }: Proxies): string | undefined {
  const proxy = (url.protocol === "https:" ? https : http) ?? all;
  if (proxy === undefined) return undefined;
  const [host, port] = [hostOf(url), portOf(url)];
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
function isExempt(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  const parts = /^\[(.+)\](?::(\d+))?$/.exec(entry) ?? /^([^:]+)(?::(\d+))?$/.exec(entry);
  const [, written, itsPort] = parts ?? [entry, entry]; // an IPv6 address without brackets has no port
  const name = (written ?? "")
    .toLowerCase()
    .replace(/^\*?\./, "")
    .replace(/\.$/, "");
  if (name === "" || (itsPort !== undefined && Number(itsPort) !== port)) return false;
  if (ipaddr.isValid(host)) return isNamedBy(name, ipaddr.parse(host));
  return host === name || host.endsWith(`.${name}`);
}
