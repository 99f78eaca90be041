/**
 * Where a request to the outside may go. Pure.
 *
 * A private or loopback host may be called: whoever writes definitions is trusted that far. Two kinds of places are
 * refused always:
 *
 *   D1. link-local addresses, and the others at which clouds serve metadata and credentials
 *   D2. the ports of actcore's own engines, on every address of this host: they ask nobody for a key
 *
 * It is asked twice: of the URL when a definition is stored, and of the address when it is dialled, since a name may lead
 * anywhere. The WHATWG URL parser gives every spelling of an address (decimal, octal, hex, short, percent-encoded,
 * full-width) its usual form; ipaddr.js reads that.
 */
import ipaddr from "ipaddr.js";
import { hostOf, portOf } from "../kernel/address.ts";
import type { OwnEngines } from "./own-engines.ts";

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** Names of metadata services. Any other name that leads to one is found when its address is dialled. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  "metadata.google.internal",
  "metadata.goog",
  "metadata.azure.internal",
  "metadata.tencentyun.com",
  "instance-data",
  "instance-data.ec2.internal",
]);

const METADATA = "is where a cloud serves metadata and credentials";
const LINK_LOCAL = "is a link-local address, where clouds serve metadata and credentials";
const FORBIDDEN_RANGES = (
  [
    ["169.254.0.0/16", LINK_LOCAL],
    ["fe80::/10", LINK_LOCAL],
    ["fd00:ec2::/32", METADATA], // AWS
    ["fd20:ce::254/128", METADATA], // Google
    ["fd00:c1::a9fe:a9fe/128", METADATA], // Oracle
    ["192.0.0.192/32", METADATA], // Oracle
    ["fd00:42::42/128", METADATA], // Scaleway
    ["100.100.100.200/32", METADATA], // Alibaba
    ["168.63.129.16/32", METADATA], // Azure
  ] as const
).map(([range, reason]) => ({ range: ipaddr.parseCIDR(range), reason }));

const LAST_FOUR = [12, 13, 14, 15];
/** IPv6 addresses that stand for an IPv4 address, and which of their bytes it may be. */
const EMBEDDINGS = (
  [
    ["::/96", LAST_FOUR], // IPv4-compatible
    ["::ffff:0:0/96", LAST_FOUR], // IPv4-mapped
    ["::ffff:0:0:0/96", LAST_FOUR], // IPv4-translated (RFC 7915)
    ["64:ff9b::/96", LAST_FOUR], // NAT64 (RFC 6052)
    // NAT64 with a prefix of the network's own (RFC 8215), of whatever length
    ["64:ff9b:1::/48", LAST_FOUR],
    ["64:ff9b:1::/48", [6, 7, 9, 10]],
    ["64:ff9b:1::/48", [7, 9, 10, 11]],
    ["64:ff9b:1::/48", [9, 10, 11, 12]],
    ["2002::/16", [2, 3, 4, 5]], // 6to4
  ] as const
).map(([range, bytes]) => ({ range: ipaddr.IPv6.parseCIDR(range), bytes }));

/** Why no request may go to `url`, as far as the URL itself says; undefined when one may. */
export function findForbiddenUrl(url: URL, engines: OwnEngines): string | undefined {
  const [host, port] = [hostOf(url).toLowerCase(), portOf(url)];
  if (ipaddr.isValid(host)) return findForbiddenAddress(host, port, engines);
  if (METADATA_NAMES.has(host)) return `${host} ${METADATA}`;
  if (host === "localhost" || host.endsWith(".localhost")) return describeOwnPort(port, engines);
  return describeElsewhere(host, port, engines);
}

/**
 * Why nothing may connect to `port` of this IP address; undefined when one may. IPv6 comes without brackets; a zone
 * may follow (`fe80::1%eth0`).
 */
export function findForbiddenAddress(address: string, port: number, engines: OwnEngines): string | undefined {
  const text = address.replace(/%.*$/, "");
  if (!ipaddr.isValid(text)) return `${JSON.stringify(address)} is no IP address`;
  const written = ipaddr.parse(text);
  for (const ip of [written, ...embeddedIn(written)]) {
    const as = ip === written ? "" : `, which stands for ${ip},`;
    const reason = FORBIDDEN_RANGES.find(({ range }) => isInRange(ip, range))?.reason;
    if (reason !== undefined) return `${written}${as} ${reason}`;
    const ownPort = isOfThisHost(ip, engines) ? describeOwnPort(port, engines) : undefined;
    if (ownPort !== undefined) return ownPort;
    const elsewhere = describeElsewhere(ip.kind() === "ipv6" ? `[${ip}]` : ip.toString(), port, engines);
    if (elsewhere !== undefined) return elsewhere;
  }
  return undefined;
}

function embeddedIn(ip: Ip): ipaddr.IPv4[] {
  if (ip.kind() === "ipv4") return [];
  const all = ip.toByteArray();
  return EMBEDDINGS.filter(({ range }) => isInRange(ip, range)).map(
    ({ bytes }) => new ipaddr.IPv4(bytes.map((at) => all[at] as number)),
  );
}

/** False where one is IPv4 and the other IPv6: ipaddr.js would throw. */
export function isInRange(ip: Ip, range: [Ip, number]): boolean {
  return ip.kind() === range[0].kind() && ip.match(range as [ipaddr.IPv4, number] & [ipaddr.IPv6, number]);
}

/** `0.0.0.0` and `::` connect to this host. */
function isOfThisHost(ip: Ip, { addresses = [] }: OwnEngines): boolean {
  const range = ip.range();
  if (range === "loopback" || range === "unspecified") return true;
  return addresses.some((own) => {
    const text = own.replace(/%.*$/, "");
    return ipaddr.isValid(text) && ipaddr.parse(text).toString() === ip.toString();
  });
}

function describeOwnPort(port: number, { ports }: OwnEngines): string | undefined {
  const use = ports.get(port);
  return use === undefined ? undefined : `port ${port} of this host is ${use}, an engine of actcore itself`;
}

function describeElsewhere(host: string, port: number, { elsewhere }: OwnEngines): string | undefined {
  const use = elsewhere?.get(`${host}:${port}`);
  return use === undefined ? undefined : `port ${port} of ${host} is ${use}, an engine that actcore uses`;
}
