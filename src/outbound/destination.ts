/**
 * Where no request may go, whoever chose its host. Pure.
 *
 * Any other host may be called where the definition has it, a private or a loopback one too: whoever writes definitions is
 * trusted that far. Where an expression computed it, computed-host.ts asks for more. These are refused always:
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
import { embeddedIn, isInRange, isOfThisHost, parseIp } from "./ip-address.ts";
import type { OwnEngines } from "./own-engines.ts";

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
  const written = parseIp(address);
  if (written === undefined) return `${JSON.stringify(address)} is no IP address`;
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

function describeOwnPort(port: number, { ports }: OwnEngines): string | undefined {
  const use = ports.get(port);
  return use === undefined ? undefined : `port ${port} of this host is ${use}, an engine of actcore itself`;
}

function describeElsewhere(host: string, port: number, { elsewhere }: OwnEngines): string | undefined {
  const use = elsewhere?.get(`${host}:${port}`);
  return use === undefined ? undefined : `port ${port} of ${host} is ${use}, an engine that actcore uses`;
}
