/** Which places no http task may connect to, however they are spelled. */
import { describe, expect, test } from "bun:test";
import { findForbiddenAddress, findForbiddenUrl } from "../../src/outbound/destination.ts";
import type { OwnEngines } from "../../src/outbound/own-engines.ts";

const ENGINES: OwnEngines = {
  ports: new Map([
    [4222, "NATS"],
    [8080, "Temporal Web UI"],
    [8222, "NATS monitoring"],
  ]),
  elsewhere: new Map([
    ["db.internal:5432", "Postgres"],
    ["10.0.0.7:7233", "Temporal"],
  ]),
  addresses: ["192.168.1.5", "fd12::5", "fe80::5%eth0"],
};
const LINK_LOCAL = /link-local/;
const METADATA = /metadata/;
const OWN = /port (8222|8080|4222) of this host is (NATS monitoring|Temporal Web UI|NATS), an engine of actcore itself/;

const FORBIDDEN: [url: string, why: RegExp][] = [
  ["http://169.254.169.254/latest/meta-data/", LINK_LOCAL],
  ["https://169.254.169.254/", LINK_LOCAL],
  ["http://169.254.169.254:8080/", LINK_LOCAL],
  ["http://169.254.0.1/", LINK_LOCAL],
  ["http://169.254.255.255/", LINK_LOCAL],
  ["http://169.254.170.2/v2/credentials", LINK_LOCAL],
  // other numbers for the same
  ["http://2852039166/", LINK_LOCAL],
  ["http://0xa9fea9fe/", LINK_LOCAL],
  ["http://0XA9FEA9FE/", LINK_LOCAL],
  ["http://025177524776/", LINK_LOCAL],
  ["http://0251.0376.0251.0376/", LINK_LOCAL],
  ["http://0251.254.0xa9.254/", LINK_LOCAL],
  ["http://0xa9.0xfe.0xa9.0xfe/", LINK_LOCAL],
  ["http://00000000000251.0xfe.0xa9fe/", LINK_LOCAL],
  ["http://169.254.43518/", LINK_LOCAL],
  ["http://169.16689662/", LINK_LOCAL],
  // characters that a URL's host is read without
  ["http://169.254.169.254./", LINK_LOCAL],
  ["http://169.254.169.254../", LINK_LOCAL],
  ["http://%31%36%39.254.169.254/", LINK_LOCAL],
  ["http://169%2e254%2E169.254/", LINK_LOCAL],
  ["http://１６９．２５４．１６９．２５４/", LINK_LOCAL],
  ["http://169。254。169。254/", LINK_LOCAL],
  ["http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", LINK_LOCAL],
  ["http://169.254\t.169.254/", LINK_LOCAL],
  ["http:////169.254.169.254/", LINK_LOCAL],
  ["http:\\\\169.254.169.254/", LINK_LOCAL],
  // what stands around the host
  ["http://example.com@169.254.169.254/", LINK_LOCAL],
  ["http://example.com:80@169.254.169.254/", LINK_LOCAL],
  ["http://1.1.1.1 &@169.254.169.254#@example.com/", LINK_LOCAL],
  ["http://169.254.169.254\\@example.com/", LINK_LOCAL],
  ["http://169.254.169.254?@example.com/", LINK_LOCAL],
  ["http://169.254.169.254#.example.com/", LINK_LOCAL],
  // IPv6
  ["http://[fe80::1]/", LINK_LOCAL],
  ["http://[FE80::1]/", LINK_LOCAL],
  ["http://[febf:ffff::1]/", LINK_LOCAL],
  ["http://[::ffff:169.254.169.254]/", LINK_LOCAL],
  ["http://[::ffff:a9fe:a9fe]/", LINK_LOCAL],
  ["http://[0:0:0:0:0:FFFF:A9FE:A9FE]/", LINK_LOCAL],
  ["http://[::169.254.169.254]/", LINK_LOCAL],
  ["http://[::ffff:0:169.254.169.254]/", LINK_LOCAL],
  ["http://[64:ff9b::169.254.169.254]/", LINK_LOCAL],
  ["http://[64:ff9b:1::169.254.169.254]/", LINK_LOCAL],
  ["http://[64:ff9b:1:a9fe:a9:fe00::]/", LINK_LOCAL],
  ["http://[64:ff9b:1:a9:fe:a9fe::]/", LINK_LOCAL],
  ["http://[64:ff9b:1:0:a9:fea9:fe00:0]/", LINK_LOCAL],
  ["http://[2002:a9fe:a9fe::1]/", LINK_LOCAL],
  // metadata that is not link-local
  ["http://[fd00:ec2::254]/", METADATA],
  ["http://[fd00:0ec2:0:0:0:0:0:0254]/", METADATA],
  ["http://[fd00:ec2::23]/", METADATA],
  ["http://[fd20:ce::254]/", METADATA],
  ["http://[fd00:42::42]/", METADATA],
  ["http://[fd00:c1::a9fe:a9fe]/", METADATA],
  ["http://100.100.100.200/", METADATA],
  ["http://1684301000/", METADATA],
  ["http://[::ffff:100.100.100.200]/", METADATA],
  ["http://168.63.129.16/", METADATA],
  ["http://192.0.0.192/", METADATA],
  ["http://metadata.google.internal/computeMetadata/v1/", METADATA],
  ["http://METADATA.Google.Internal./", METADATA],
  ["http://metadata%2egoogle%2einternal/", METADATA],
  ["http://metadata。google。internal/", METADATA],
  ["http://metadata.goog/", METADATA],
  ["http://instance-data/", METADATA],
  // the engines of this host
  ["http://127.0.0.1:8222/varz", OWN],
  ["http://127.0.0.1:08222/", OWN],
  ["https://127.0.0.1:8222/", OWN],
  ["http://localhost:8080/", OWN],
  ["http://LOCALHOST.:8080/", OWN],
  ["http://loc%61lhost:8080/", OWN],
  ["http://ⓛocalhost:8080/", OWN],
  ["http://a.b.localhost:8222/", OWN],
  ["http://127.1:8222/", OWN],
  ["http://127.255.0.9:8222/", OWN],
  ["http://2130706433:8222/", OWN],
  ["http://0x7f.1:8222/", OWN],
  ["http://0177.0.0.1:8222/", OWN],
  ["http://0:8222/", OWN],
  ["http://0.0.0.0:8222/", OWN],
  ["http://[::]:8222/", OWN],
  ["http://[::1]:4222/", OWN],
  ["http://[0:0:0:0:0:0:0:1]:8222/", OWN],
  ["http://[::127.0.0.1]:8222/", OWN],
  ["http://[::ffff:127.0.0.1]:8222/", OWN],
  ["http://[::ffff:0.0.0.0]:8222/", OWN],
  ["http://[64:ff9b::7f00:1]:8222/", OWN],
  ["http://[2002:7f00:1::]:8222/", OWN],
  ["http://user:8000@127.0.0.1:8222/", OWN],
  ["http://192.168.1.5:8222/", OWN],
  ["http://3232235781:8222/", OWN],
  ["http://[::ffff:192.168.1.5]:8222/", OWN],
  ["http://[fd12:0::5]:8222/", OWN],
  // and those of others
  ["http://db.internal:5432/", /Postgres/],
  ["http://DB.internal.:5432/", /Postgres/],
  ["http://10.0.0.7:7233/", /Temporal/],
  ["http://0xa.7:7233/", /Temporal/],
  ["http://[::ffff:10.0.0.7]:7233/", /Temporal/],
];

describe("no task may call", () => {
  test.each(FORBIDDEN)("%s", (url, why) => {
    expect(findForbiddenUrl(new URL(url), ENGINES)).toMatch(why);
  });
});

const ALLOWED = [
  "http://127.0.0.1:3000/report",
  "http://localhost/report",
  "http://localhost:8010/events",
  "http://[::1]:3000/",
  "http://0.0.0.0:3000/",
  "http://10.0.0.7/",
  "http://10.0.0.8:7233/",
  "http://192.168.1.6:8222/",
  "http://172.16.0.1:8080/",
  "http://[fd12::6]:8080/",
  "http://[fec0::1]/",
  "http://db.internal/",
  "http://example.com:8222/",
  "https://example.com/",
  "http://169.254.169.254@example.com/",
  "http://example.com\\@169.254.169.254/",
  "http://example.com/?next=http://169.254.169.254/",
  "http://169.253.169.254/",
  "http://169.255.0.1/",
  "http://100.100.100.201/",
  "http://localhost.example.com:8222/",
  "http://notlocalhost:8222/",
  "http://metadata.google.internal.example.com/",
  "http://[2001:db8::a9fe:a9fe]/",
  "http://[64:ff9b::8.8.8.8]/",
];

describe("a task may call", () => {
  test.each(ALLOWED)("%s", (url) => {
    expect(findForbiddenUrl(new URL(url), ENGINES)).toBeUndefined();
  });
});

describe("at the dial", () => {
  const dialled: [address: string, port: number, why: RegExp | undefined][] = [
    ["169.254.169.254", 80, LINK_LOCAL],
    ["fe80::1%eth0", 80, LINK_LOCAL],
    ["::ffff:169.254.169.254", 443, LINK_LOCAL],
    ["fd00:ec2::254", 80, METADATA],
    ["127.0.0.1", 8222, OWN],
    ["::1%lo", 8222, OWN],
    ["fe80::5", 8222, LINK_LOCAL],
    ["localhost", 80, /is no IP address/],
    ["", 80, /is no IP address/],
    ["127.0.0.1", 80, undefined],
    ["8.8.8.8", 53, undefined],
    ["2001:db8::1", 443, undefined],
  ];
  test.each(dialled)("%s port %d", (address, port, why) => {
    const found = findForbiddenAddress(address, port, ENGINES);
    if (why === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(why);
  });

  test("an address that stands for another one is named with it", () => {
    expect(findForbiddenAddress("64:ff9b::a9fe:a9fe", 80, ENGINES)).toBe(
      "64:ff9b::a9fe:a9fe, which stands for 169.254.169.254, is a link-local address, where clouds serve metadata and credentials",
    );
  });
});
