import { describe, expect, test } from "bun:test";
import { findRefusal, type HostPolicy, hostName } from "../../src/access/same-origin.ts";

const LOOPBACK = { loopback: true, hosts: [] };
const PUBLIC = { loopback: false, hosts: [] };

function codeOf(
  host: string,
  headers: Record<string, string> = {},
  { policy = LOOPBACK as HostPolicy, method = "GET" } = {},
) {
  return findRefusal({ method, anyHost: false, host, headers: new Headers(headers) }, policy)?.code;
}

describe("a listener on loopback", () => {
  test.each(["localhost", "localhost:8010", "LOCALHOST:1", "localhost.:80", "127.0.0.1:8010", "127.9.9.9", "[::1]:80"])(
    "answers to %s",
    (host) => {
      expect(codeOf(host)).toBeUndefined();
    },
  );

  test.each([
    "evil.com",
    "evil.com:8010",
    "127.0.0.1.nip.io",
    "localhost.evil.com",
    "10.0.0.1",
    "0.0.0.0",
    "[::]:80",
    "",
  ])("does not answer to %j, to which a name may have been turned", (host) => {
    expect(codeOf(host)).toBe("host_not_allowed");
  });

  test("answers to the names that it was given", () => {
    const policy = { loopback: true, hosts: ["actcore.example.org"] };
    expect(codeOf("Actcore.Example.org:443", {}, { policy })).toBeUndefined();
    expect(codeOf("example.org", {}, { policy })).toBe("host_not_allowed");
  });

  test("answers about its health under any name", () => {
    expect(findRefusal({ method: "GET", anyHost: true, host: "lb", headers: new Headers() }, LOOPBACK)).toBeUndefined();
  });
});

describe("a listener that others reach", () => {
  test("answers to any name, until it is given names", () => {
    expect(codeOf("api.example.org", {}, { policy: PUBLIC })).toBeUndefined();
    const named = { loopback: false, hosts: ["api.example.org"] };
    expect(codeOf("api.example.org", {}, { policy: named })).toBeUndefined();
    expect(codeOf("localhost:8010", {}, { policy: named })).toBeUndefined();
    expect(codeOf("10.0.0.1:8010", {}, { policy: named })).toBe("host_not_allowed");
  });
});

describe("a request of a page", () => {
  test.each([
    ["localhost:8010", "http://localhost:8010"],
    ["localhost", "http://localhost:80"],
    ["localhost:80", "http://localhost"],
    ["[::1]:8010", "http://[::1]:8010"],
    ["LOCALHOST:8010", "http://localhost:8010"],
  ])("to %s passes from its own origin %s", (host, origin) => {
    for (const method of ["GET", "POST", "DELETE"]) expect(codeOf(host, { origin }, { method })).toBeUndefined();
  });

  test("passes from its own origin behind a proxy that ends TLS", () => {
    const policy = { loopback: true, hosts: ["api.example.org"] };
    expect(codeOf("api.example.org", { origin: "https://api.example.org" }, { policy })).toBeUndefined();
  });

  test.each([
    "http://evil.com",
    "http://localhost:3000",
    "http://127.0.0.1:8010",
    "http://localhost",
    "null",
    "",
    "file://",
    "chrome-extension://localhost:8010",
    "http://localhost:8010.evil.com",
    "http://localhost:8010/x",
    "http://localhost:8010@evil.com",
  ])("is refused from the origin %j, whatever it wants", (origin) => {
    for (const method of ["GET", "POST", "OPTIONS"])
      expect(codeOf("localhost:8010", { origin }, { method })).toBe("origin_not_allowed");
    expect(
      findRefusal({ method: "GET", anyHost: true, host: "lb", headers: new Headers({ origin }) }, PUBLIC)?.code,
    ).toBe("origin_not_allowed");
  });

  test.each(["cross-site", "same-site"])("is refused when the browser says %s", (site) => {
    for (const mode of ["cors", "no-cors", "websocket"])
      expect(codeOf("localhost", { "sec-fetch-site": site, "sec-fetch-mode": mode })).toBe("origin_not_allowed");
    expect(codeOf("localhost", { "sec-fetch-site": site })).toBe("origin_not_allowed");
  });

  test.each(["same-origin", "none"])("passes when the browser says %s", (site) => {
    expect(codeOf("localhost", { "sec-fetch-site": site })).toBeUndefined();
  });

  test("passes when a person followed a link, but not as a frame and not as a form", () => {
    const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    expect(codeOf("localhost", link)).toBeUndefined();
    expect(codeOf("localhost", { ...link, "sec-fetch-dest": "iframe" })).toBe("origin_not_allowed");
    expect(codeOf("localhost", link, { method: "POST" })).toBe("origin_not_allowed");
    expect(codeOf("evil.com", link)).toBe("host_not_allowed");
  });
});

test.each([
  ["a b", undefined],
  ["user@localhost", undefined],
  ["localhost:80:90", undefined],
  ["localhost/x", undefined],
  ["[::1", undefined],
  ["::1", undefined],
  ["[::1]", "::1"],
])("the name in the host %j is %j", (host, name) => {
  expect(hostName(host)).toBe(name);
});
