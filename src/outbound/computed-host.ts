/**
 * Where a request may go whose host an expression computed. Pure.
 *
 * What an expression reads comes from others: an event, an answer. Its host must be public, so that nobody reaches what only this
 * machine or its network is meant to reach, unless the operator lists it in ACTCORE_HTTP_ALLOW. What destination.ts
 * forbids is forbidden here as well, whatever is listed.
 */
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import type { AllowedHost } from "../kernel/allowed-hosts.ts";
import { embeddedIn, type Ip, isInRange, isNamedBy, isOfThisHost, parseIp } from "./ip-address.ts";
import type { OwnEngines } from "./own-engines.ts";

/**
 * What stands before the first `{{` where the host is written: a scheme and an authority with its end. Where it has characters that the
 * URL parser leaves out (spaces, tabs, newlines), takes for a slash (a backslash) or skips (a third slash), it counts as computed.
 */
const WRITTEN_HOST = /^https?:\/\/[^/?#\\\s\p{Cc}]+[/?#]/iu;

/** Whether the host of this URL, as a definition has it, is the word of the definition's author and not of an expression. */
export function isHostWritten(urlTemplate: string): boolean {
  const end = urlTemplate.indexOf("{{");
  return end < 0 || WRITTEN_HOST.test(urlTemplate.slice(0, end));
}

/** IPv6 that is routed on the internet, or stands for IPv4 there. Not NAT64 with a prefix of the network's own. */
const PUBLIC_IPV6 = ["2000::/3", "::ffff:0:0/96", "64:ff9b::/96"].map((range) => ipaddr.parseCIDR(range));
/** What ipaddr.js calls an address that is in none of IANA's special ranges, or that is one for what it embeds. */
const PUBLIC_KINDS: ReadonlySet<string> = new Set(["unicast", "ipv4Mapped", "rfc6052", "6to4", "teredo"]);

function isPublic(ip: Ip): boolean {
  if (!PUBLIC_KINDS.has(ip.range())) return false;
  if (ip.kind() === "ipv4") return true;
  return PUBLIC_IPV6.some((range) => isInRange(ip, range)) && embeddedIn(ip).every(isPublic);
}

/** Whether the operator lists this host of a URL, a name or an address without brackets, whatever it leads to. */
export function isListed(host: string, port: number, allowed: readonly AllowedHost[]): boolean {
  const ip = isIP(host) === 0 ? undefined : parseIp(host);
  return allowed.some((entry) => {
    if (entry.port !== undefined && entry.port !== port) return false;
    if (ip !== undefined) return isNamedBy(entry.host, ip);
    return entry.host.startsWith("*.") ? host.endsWith(entry.host.slice(1)) : host === entry.host;
  });
}

/** Why no request may go to `port` of this IP address on the word of an expression; undefined when one may. */
export function findPrivateAddress(
  address: string,
  port: number,
  { engines, allowed }: { engines: OwnEngines; allowed: readonly AllowedHost[] },
): string | undefined {
  const ip = parseIp(address);
  if (ip === undefined) return `${JSON.stringify(address)} is no IP address`;
  if (isListed(ip.toString(), port, allowed)) return undefined;
  const isOwn = [ip, ...embeddedIn(ip)].some((each) => isOfThisHost(each, engines));
  if (isOwn) return `${ip} is an address of this host`;
  return isPublic(ip) ? undefined : `${ip} is not public`;
}
