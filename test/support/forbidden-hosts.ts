/** Spellings of places that an expression may not lead to, for every door through which a computed URL goes out. */
import { networkInterfaces } from "node:os";

/** An IPv4 address of this host besides loopback's; on a machine without one, loopback again, by another address. */
export function findOwnAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each = []) => each);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.2";
}

/** URLs that lead, or would lead on some network, to `port` of this IPv4 address. */
export function urlsOf(ipv4: string, port: number): string[] {
  const [a, b, c, d] = ipv4.split(".").map(Number) as [number, number, number, number];
  const hex = (...bytes: number[]) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const octal = (byte: number) => `0${byte.toString(8)}`;
  const full = (text: string, zero: number) =>
    text.replace(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit)));
  const number = Number(`0x${hex(a, b, c, d)}`);
  const [high, low] = [hex(a, b), hex(c, d)];
  const hosts = [
    ipv4,
    `${ipv4}.`,
    // other numbers for the same
    `${number}`,
    `0x${hex(a, b, c, d)}`,
    `0X${hex(a, b, c, d).toUpperCase()}`,
    `0x0000${hex(a, b, c, d)}`,
    `0${number.toString(8)}`,
    [a, b, c, d].map(octal).join("."),
    [a, b, c, d].map((byte) => `000${octal(byte)}`).join("."),
    [a, b, c, d].map((byte) => `0x${hex(byte)}`).join("."),
    `${octal(a)}.${b}.0x${hex(c)}.${d}`,
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${Number(`0x${hex(b, c, d)}`)}`,
    `0x${hex(a)}.0x${hex(b, c, d)}`,
    // characters that a URL's host is read without, or for which others stand
    ipv4.replace(/^./, (first) => `%${first.charCodeAt(0).toString(16)}`),
    ipv4.replaceAll(".", "%2e"),
    ipv4.replaceAll(".", "%2E"),
    full(ipv4, 0xff10), // full-width
    full(ipv4, 0x1d7d8), // mathematical
    ipv4.replaceAll(".", "。"),
    ipv4.replaceAll(".", "．"),
    ipv4.replaceAll(".", "｡"),
    ipv4.replace(".", ".\u00ad"), // a soft hyphen
    ipv4.replace(".", "\t."),
    ipv4.replace(".", ".\n"),
    ipv4.replace(".", ".\r\n"),
    // IPv6 that stands for it
    `[::ffff:${ipv4}]`,
    `[::FFFF:${high}:${low}]`,
    `[0:0:0:0:0:ffff:${high}:${low}]`,
    `[0000:0000:0000:0000:0000:ffff:${ipv4}]`,
    `[::${ipv4}]`,
    `[::ffff:0:${ipv4}]`,
    `[64:ff9b::${ipv4}]`,
    `[64:ff9b:0:0::${high}:${low}]`,
    `[64:ff9b:1::${ipv4}]`,
    `[2002:${high}:${low}::1]`,
    `[2001:0:${high}:${low}::1]`,
    `[2001:0:808:808::${hex(255 - a, 255 - b)}:${hex(255 - c, 255 - d)}]`,
    // what stands before the host
    `example.com@${ipv4}`,
    `example.com:80@${ipv4}`,
    `example.com%2f@${ipv4}`,
    `example.com @${ipv4}`,
    `example.com&@${ipv4}`,
    `user:pass@example.com@${ipv4}`,
  ];
  return [
    ...hosts.map((host) => `http://${host}:${port}/canary`),
    // what stands around it
    `HTTP://${ipv4}:${port}/canary`,
    `hTtP:\\\\${ipv4}:${port}\\canary`,
    `http:${ipv4}:${port}/canary`,
    `http:/${ipv4}:${port}/canary`,
    `http:////${ipv4}:${port}/canary`,
    `\t http://${ipv4}:${port}/canary`,
    `ht\ntp:/\t/${ipv4}:${port}/canary`,
    `http://${ipv4}:0${port}/canary`,
    `http://${ipv4}:${port}\\@example.com/canary`,
    `http://${ipv4}:${port}?@example.com/canary`,
    `http://${ipv4}:${port}#@example.com/canary`,
    `http://${ipv4}:${port}/@example.com/../canary`,
    `https://${ipv4}:${port}/canary`,
  ];
}

/** URLs that lead to `port` of this host by a name, or by an IPv6 address. */
export function urlsOfThisHost(port: number): string[] {
  return [
    ...["localhost", "LOCALHOST", "localhost.", "loc%61lhost", "ⓛocalhost", "ｌｏｃａｌｈｏｓｔ", "local\u00adhost"],
    ...[
      "a.localhost",
      "a.b.LOCALHOST.",
      "example.com@localhost",
      "localhost\t",
      "0",
      "0.0.0.0",
      "127.1",
      "127.255.0.9",
    ],
    ...["[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::0.0.0.1]", "[::ffff:0:0]", "[64:ff9b::7f00:1]"],
    ...["[::1%25lo]", "[::1%lo]", "[fe80::1%25eth0]", "[fe80::1]", "[::1]@[::1]", "[::1"],
  ].map((host) => `http://${host}:${port}/canary`);
}

/** Hosts that are not on the public internet, whatever listens there. */
export const NOT_PUBLIC: readonly string[] = [
  ...["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"], // private
  ...["100.64.0.1", "100.127.255.254"], // of a provider's own network
  ...["127.0.0.1", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1"],
  ...["192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"],
  ...["192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"],
  ...["168.63.129.16", "100.100.100.200"], // metadata
  ...["[fc00::1]", "[fd00::1]", "[fdff:ffff::1]", "[fec0::1]", "[fe80::1]", "[febf::1]", "[ff02::1]", "[::]", "[::1]"],
  ...["[100::1]", "[2001:db8::1]", "[3fff::1]", "[2001:2::1]", "[5f00::1]", "[4000::1]", "[fd00:ec2::254]"],
  ...["[64:ff9b:1::8.8.8.8]", "[64:ff9b::10.0.0.1]", "[::ffff:192.168.0.1]", "[2002:c0a8:1::1]", "[::8.8.8.8]"],
  ...["metadata.google.internal", "METADATA.google.internal."],
];
