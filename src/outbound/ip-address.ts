/** IP addresses: which IPv4 address an IPv6 one stands for, ranges, and which belong to this host. Pure. */
import ipaddr from "ipaddr.js";
import type { OwnEngines } from "./own-engines.ts";

export type Ip = ipaddr.IPv4 | ipaddr.IPv6;

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
    ["2001::/32", [4, 5, 6, 7]], // Teredo: its server
    ["2001::/32", LAST_FOUR, 0xff], // Teredo: its client, with every bit turned (RFC 4380)
  ] as const
).map(([range, bytes, mask = 0]) => ({ range: ipaddr.IPv6.parseCIDR(range), bytes, mask }));

/** Undefined where `text` is none. IPv6 comes without brackets; a zone may follow (`fe80::1%eth0`), and is left out. */
export function parseIp(text: string): Ip | undefined {
  const address = text.replace(/%.*$/, "");
  return ipaddr.isValid(address) ? ipaddr.parse(address) : undefined;
}

/** Each IPv4 address that an IPv6 one may stand for. */
export function embeddedIn(ip: Ip): ipaddr.IPv4[] {
  if (ip.kind() === "ipv4") return [];
  const all = ip.toByteArray();
  return EMBEDDINGS.filter(({ range }) => isInRange(ip, range)).map(
    ({ bytes, mask }) => new ipaddr.IPv4(bytes.map((at) => (all[at] as number) ^ mask)),
  );
}

/** False where one is IPv4 and the other IPv6: ipaddr.js would throw. */
export function isInRange(ip: Ip, range: [Ip, number]): boolean {
  return ip.kind() === range[0].kind() && ip.match(range as [ipaddr.IPv4, number] & [ipaddr.IPv6, number]);
}

/** Whether `entry` is this address, or a range that it is in. IPv4-mapped IPv6 is IPv4 in both. */
export function isNamedBy(entry: string, ip: Ip): boolean {
  const address = ipaddr.process(ip.toString());
  if (ipaddr.isValid(entry)) return ipaddr.process(entry).toString() === address.toString();
  return ipaddr.isValidCIDR(entry) && isInRange(address, ipaddr.parseCIDR(entry));
}

/** `0.0.0.0` and `::` connect to this host. */
export function isOfThisHost(ip: Ip, { addresses = [] }: OwnEngines): boolean {
  const range = ip.range();
  if (range === "loopback" || range === "unspecified") return true;
  return addresses.some((own) => parseIp(own)?.toString() === ip.toString());
}
