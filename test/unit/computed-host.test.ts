/** Where a request may go whose host an expression computed. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { parseAllowedHosts } from "../../src/kernel/allowed-hosts.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";
import { findPrivateAddress, isHostWritten, isListed } from "../../src/outbound/computed-host.ts";
import { createDial, type DialDeps } from "../../src/outbound/dial.ts";
import { exchange } from "../../src/outbound/exchange.ts";
import { createRequest } from "../../src/outbound/request.ts";
import { findOwnAddress, NOT_PUBLIC } from "../support/forbidden-hosts.ts";
import { NO_ENGINES } from "../support/own-engines.ts";

let seen: string[] = [];
/** Listens on every address of this host. */
const canary = Bun.serve({
  hostname: "::",
  port: 0,
  fetch(request) {
    seen.push(request.url);
    return new Response("ok");
  },
});
const port = canary.port as number;
beforeEach(() => {
  seen = [];
});
afterAll(() => canary.stop(true));

const engines = { ...NO_ENGINES, addresses: [findOwnAddress()] };
/** What came of a request to `url`: its status, or the code of the error. */
async function call(
  url: string,
  hostIsComputed: boolean,
  deps: Partial<DialDeps> = {},
  withinMs = 5000,
): Promise<unknown> {
  const dial = createDial({ engines, allowed: [], proxies: { exempt: [] }, ...deps });
  try {
    const request = createRequest({ method: "GET", url });
    const options = { hostIsComputed, maxBytes: 100 };
    return (await exchange(dial, request, AbortSignal.timeout(withinMs), options)).status;
  } catch (error) {
    const { code, name } = error as { code?: unknown; name: string };
    return typeof code === "string" ? code : name;
  }
}

describe("a computed host", () => {
  test.each(NOT_PUBLIC)("%s is refused", async (host) => {
    expect(await call(`http://${host}/`, true)).toBe("http_forbidden");
  });

  test.each(["file:///etc/hostname", "data:text/plain,x", "ftp://127.0.0.1/", "javascript:1", "//127.0.0.1/", "", "x"])(
    "in %j, which is no http URL, is refused",
    async (url) => {
      expect(await call(url, true)).toBe("http_request_invalid");
    },
  );

  test.each([
    ...["8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"],
    ...["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
  ])("%s is public", (address) => {
    expect(findPrivateAddress(address, 443, { engines, allowed: [] })).toBeUndefined();
  });

  test("is not public where it is an address of this host", () => {
    const own = { ...NO_ENGINES, addresses: ["93.184.216.34"] };
    for (const address of ["93.184.216.34", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
      expect(findPrivateAddress(address, 80, { engines: own, allowed: [] })).toEndWith("is an address of this host");
  });
});

describe("a name", () => {
  const named = (resolve: () => Promise<string[]>) => call(`http://shop.test:${port}/`, true, { resolve });

  test.each([
    "127.0.0.1",
    "::1",
    "0.0.0.0",
    "::ffff:127.0.0.1",
    "10.0.0.7",
    "fd00::7",
    "64:ff9b::7f00:1",
    "fe80::1%lo",
  ])("that leads to %s is refused", async (address) => {
    expect(await named(async () => [address])).toBe("http_forbidden");
    expect(seen).toEqual([]);
  });

  test("is looked up once, so that it cannot lead elsewhere after it was checked", async () => {
    let asked = 0;
    // 192.0.2.0/24 leads nowhere; here it stands for what is public.
    const allowed = parseAllowedHosts("192.0.2.77");
    const resolve = async () => (asked++ === 0 ? ["192.0.2.77"] : ["127.0.0.1"]);
    await call(`http://shop.test:${port}/`, true, { resolve, allowed }, 100);
    expect([asked, seen]).toEqual([1, []]);
  });

  test("of whose addresses some are private is dialled at none of these", async () => {
    const resolve = async () => ["127.0.0.1", "192.0.2.77", "::1"];
    await call(`http://shop.test:${port}/`, true, { resolve, allowed: parseAllowedHosts("192.0.2.77") }, 100);
    expect(seen).toEqual([]);
  });
});

test("a redirect from a host that may be called to one that may not is not followed", async () => {
  const redirecting = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.redirect(`http://127.0.0.1:${port}/canary`),
  });
  const allowed = parseAllowedHosts(`127.0.0.1:${redirecting.port}`);
  expect(await call(`http://127.0.0.1:${redirecting.port}/`, true, { allowed })).toBe("http_redirect");
  redirecting.stop(true);
  expect(seen).toEqual([]);
});

describe("through a proxy", () => {
  let asked: { url: string; host: string | null }[] = [];
  const proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      asked.push({ url: request.url, host: request.headers.get("host") });
      return new Response("by the proxy");
    },
  });
  const proxies = { http: proxy.url.href, https: proxy.url.href, exempt: [] };
  beforeEach(() => {
    asked = [];
  });
  afterAll(() => proxy.stop(true));

  test("a public address is asked for", async () => {
    expect(await call("http://8.8.8.8/x", true, { proxies })).toBe(200);
    expect(asked).toEqual([{ url: "http://8.8.8.8/x", host: "8.8.8.8" }]);
  });

  test("a name is not asked for where it leads to a private address, or nowhere, or where the proxy would look it up", async () => {
    const callBy = (scheme: string, resolve: () => Promise<string[]>) =>
      call(`${scheme}://shop.test/`, true, { proxies, resolve });
    expect(await callBy("https", async () => ["10.0.0.1"])).toBe("http_forbidden");
    expect(await callBy("https", () => Promise.reject(new Error("ENOTFOUND")))).toBe("http_unreachable");
    expect(await callBy("http", async () => ["8.8.8.8"])).toBe("http_forbidden");
    expect(asked).toEqual([]);
  });

  test("a name that the operator lists is asked for as it is", async () => {
    const unknown = () => Promise.reject(new Error("ENOTFOUND"));
    const allowed = parseAllowedHosts("shop.test");
    expect(await call("http://shop.test/x", true, { proxies, resolve: unknown, allowed })).toBe(200);
    expect(asked).toEqual([{ url: "http://shop.test/x", host: "shop.test" }]);
  });

  test.each(NOT_PUBLIC)("%s is refused", async (host) => {
    expect(await call(`http://${host}/`, true, { proxies })).toBe("http_forbidden");
    expect(asked).toEqual([]);
  });
});

describe("the host of a URL is written", () => {
  test.each([
    "http://crm.local/",
    "http://crm.local/accounts/{{ event.payload.id }}",
    "https://crm.local:8443/{{ a }}/{{ b }}",
    "HTTPS://crm.local?id={{ id }}",
    "http://crm.local#{{ id }}",
    "http://127.0.0.1/{{ id }}",
    "http://[::1]:8080/{{ id }}",
    "http://user:pass@crm.local/{{ id }}",
  ])("in %s", (url) => {
    expect(isHostWritten(url)).toBeTrue();
  });
});

describe("the host of a URL is computed", () => {
  test.each([
    "{{ event.payload.url }}",
    "{{ scheme }}://crm.local/",
    "http{{ s }}://crm.local/",
    "http:{{ x }}",
    "http:/{{ x }}",
    "http://{{ host }}/",
    "http:///{{ host }}/",
    "http:////{{ host }}",
    "http://crm.local{{ rest }}",
    "http://crm.local:{{ port }}/",
    "http://crm.local:80{{ port }}/",
    "http://{{ tenant }}.crm.local/",
    "http://user:{{ password }}@crm.local/",
    "http://crm.local@{{ host }}/",
    "http://crm.local\\{{ rest }}",
    "http:\\\\crm.local/{{ rest }}",
    "http://crm.local\t/{{ rest }}",
    "http://crm.\nlocal/{{ rest }}",
    "http://crm.local /{{ rest }}",
    " http://crm.local/{{ rest }}",
    "ht\ntp://crm.local/{{ rest }}",
    "\u0000http://crm.local/{{ rest }}",
    "ftp://crm.local/{{ rest }}",
    "//crm.local/{{ rest }}",
  ])("in %j", (url) => {
    expect(isHostWritten(url)).toBeFalse();
  });
});

describe("ACTCORE_HTTP_ALLOW", () => {
  test.each<[list: string, host: string, port: number, listed: boolean]>([
    ["crm.local", "crm.local", 80, true],
    ["CRM.local.", "crm.local", 8080, true],
    ["crm.local", "a.crm.local", 80, false],
    ["crm.local:8080", "crm.local", 8080, true],
    ["crm.local:8080", "crm.local", 80, false],
    ["*.crm.local", "a.b.crm.local", 80, true],
    ["*.crm.local", "crm.local", 80, false],
    ["*.crm.local", "evilcrm.local", 80, false],
    ["*.crm.local:443", "a.crm.local", 80, false],
    ["bücher.test", "xn--bcher-kva.test", 80, true],
    ["10.0.0.7", "10.0.0.7", 80, true],
    ["10.0.0.7", "::ffff:10.0.0.7", 80, true],
    ["10.0.0.7:81", "10.0.0.7", 80, false],
    ["10.0.0.0/8", "10.1.2.3", 80, true],
    ["10.0.0.0/8:8080", "10.1.2.3", 8080, true],
    ["10.0.0.0/8:8080", "10.1.2.3", 80, false],
    ["10.0.0.0/8", "11.0.0.1", 80, false],
    ["10.0.0.0/8", "10.0.0.1.test", 80, false],
    ["fd00::/8", "fd00::7", 80, true],
    ["[fd00::7]:80", "fd00::7", 80, true],
    ["[fd00::7]:80", "fd00::7", 81, false],
    [" a.test , b.test ,", "b.test", 80, true],
    ["", "a.test", 80, false],
  ])("%s lists %s port %d: %p", (list, host, at, listed) => {
    expect(isListed(host, at, loadConfig({ httpAllow: list }, {}).httpAllow)).toBe(listed);
  });

  test.each([
    "*",
    "*.",
    "http://crm.local",
    "crm.local/x",
    "a@b",
    "a.test:0",
    "a.test:70000",
    "a b",
    "10.0.0.0/33",
    "010.0.0.0/8",
    "[::1",
    "a.*.b",
    "a.test:x",
  ])("%j is refused at the start, by the variable's name", (list) => {
    let refused: unknown;
    try {
      loadConfig({}, { ACTCORE_HTTP_ALLOW: `ok.test,${list}` });
    } catch (error) {
      refused = error;
    }
    const [fault] = (refused as InvalidInputError).faults;
    expect(fault?.path).toBe("ACTCORE_HTTP_ALLOW");
    expect(fault?.message).toContain(`${list} is none`);
  });

  test("lets a computed host lead to this host, by a name, an address or a range", async () => {
    const lists = ["127.0.0.1", `127.0.0.1:${port}`, "127.0.0.0/8"];
    for (const list of lists)
      expect(await call(`http://127.0.0.1:${port}/`, true, { allowed: parseAllowedHosts(list) })).toBe(200);
    const resolve = async () => ["127.0.0.1"];
    for (const list of ["shop.test", "*.test", "127.0.0.1"])
      expect(await call(`http://shop.test:${port}/`, true, { resolve, allowed: parseAllowedHosts(list) })).toBe(200);
    expect(seen).toHaveLength(6);
  });

  test("opens no engine, link-local or metadata address", async () => {
    const allowed = parseAllowedHosts("0.0.0.0/0,::/0,metadata.google.internal,shop.test");
    const own = { ...engines, ports: new Map([[port, "NATS"]]) };
    const urls = [
      `http://127.0.0.1:${port}/`,
      `http://${findOwnAddress()}:${port}/`,
      "http://metadata.google.internal/",
    ];
    for (const url of [...urls, "http://169.254.169.254/", "http://[fe80::1]/", "http://100.100.100.200/"])
      expect(await call(url, true, { allowed, engines: own })).toBe("http_forbidden");
    const resolve = async () => ["127.0.0.1"];
    expect(await call(`http://shop.test:${port}/`, true, { allowed, engines: own, resolve })).toBe("http_forbidden");
    expect(seen).toEqual([]);
  });
});
