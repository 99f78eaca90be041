/** The hosts that an operator lists: names, addresses and ranges of these, each on all ports or on one. */
import ipaddr from "ipaddr.js";
import { hostOf } from "./address.ts";
import { splitList } from "./setting-values.ts";

export interface AllowedHost {
  /** As the URL parser writes a host, without brackets: a name, `*.` and a name for all below it, an IP address, or a range. */
  readonly host: string;
  /** All ports when absent. */
  readonly port?: number;
}

/** @throws Error that names the first entry that is none */
export function parseAllowedHosts(text: string): readonly AllowedHost[] {
  return splitList(text).map(parseEntry);
}

function parseEntry(entry: string): AllowedHost {
  // An IPv6 address or range without brackets has no port.
  const [, written = entry, port] = /^\[(.+)\](?::(\d+))?$/.exec(entry) ?? /^([^:]+)(?::(\d+))?$/.exec(entry) ?? [];
  const host = isRange(written) ? written : readHost(written);
  if (host === undefined || (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)))
    throw new Error(
      `expected hosts, host:port, *.domain or ranges such as 10.0.0.0/8, separated by ','; ${entry} is none`,
    );
  return { host, ...(port !== undefined && { port: Number(port) }) };
}

/** IPv4 only in its usual form: `010.0.0.0` is 8.0.0.0 to some and 10.0.0.0 to others. */
function isRange(text: string): boolean {
  return ipaddr.isValidCIDR(text) && (text.includes(":") || ipaddr.IPv4.isValidCIDRFourPartDecimal(text));
}

function readHost(text: string): string | undefined {
  if (ipaddr.IPv6.isValid(text) && !text.includes("%")) return ipaddr.parse(text).toString();
  const [, wildcard = "", name = ""] = /^(\*\.)?([^*:/?#@\\\s]+)$/.exec(text) ?? [];
  const url = URL.parse(`http://${name}/`);
  return url === null || url.hostname === "" ? undefined : wildcard + hostOf(url);
}
