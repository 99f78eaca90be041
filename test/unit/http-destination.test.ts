/** Where an http task's request goes: to a checked address, or through a proxy. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createLog } from "../../src/kernel/log.ts";
import type { DialDeps } from "../../src/outbound/dial.ts";
import { httpAttempt, httpExecutor } from "../support/http-attempt.ts";

const log = createLog("silent");
let seen: { url: string; host: string | null }[] = [];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    seen.push({ url: request.url, host: request.headers.get("host") });
    return new Response("ok");
  },
});
beforeEach(() => {
  seen = [];
});
afterAll(() => server.stop(true));

const { port } = server;
const ENGINE_PORT = port as number;
const engines = { ports: new Map([[ENGINE_PORT, "NATS monitoring"]]) };
/** Addresses by name, in turn, the last one for ever. */
const names = (answers: Record<string, string[][]>) => async (name: string) => {
  const list = answers[name] ?? [];
  const addresses = (list.length > 1 ? list.shift() : list[0]) ?? [];
  if (addresses.length === 0) throw new Error(`ENOTFOUND ${name}`);
  return addresses;
};
const execute = (url: string, deps: Partial<DialDeps> = {}, signal = new AbortController().signal) =>
  httpExecutor(deps)(httpAttempt({ url, method: "GET" }), {
    signal,
    log,
  }).catch((error) => error);
const forbidden = (what: RegExp) => ({
  name: "TerminalError",
  code: "http_forbidden",
  message: expect.stringMatching(what),
});

describe("a name", () => {
  test("is dialled at its address, and the receiver is told the name", async () => {
    const url = `http://shop.test:${port}/x`;
    const result = await execute(url, { resolve: names({ "shop.test": [["127.0.0.1"]] }) });
    expect(result).toMatchObject({ status: 200, body: "ok" });
    expect(seen).toEqual([{ url, host: `shop.test:${port}` }]);
  });

  test("that leads to an engine is refused, in whatever form its address comes", async () => {
    for (const address of ["127.0.0.1", "::1", "0.0.0.0", "::ffff:127.0.0.1", "::ffff:7f00:1"]) {
      const resolve = names({ "shop.test": [[address]] });
      expect(await execute(`http://shop.test:${port}/`, { engines, resolve })).toMatchObject(
        forbidden(/NATS monitoring/),
      );
    }
    expect(seen).toEqual([]);
  });

  test("that leads to a metadata address is refused", async () => {
    for (const address of ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "fd00:ec2::254"]) {
      const resolve = names({ "shop.test": [[address]] });
      expect(await execute("http://shop.test/", { resolve })).toMatchObject(forbidden(/link-local|metadata/));
    }
  });

  test("that changes its answer after the check is dialled at the address that was checked", async () => {
    const resolve = names({ "shop.test": [["127.0.0.1"], ["169.254.169.254"]] });
    expect(await execute(`http://shop.test:${port}/`, { resolve })).toMatchObject({ status: 200 });
    expect(await execute(`http://shop.test:${port}/`, { resolve })).toMatchObject(forbidden(/link-local/));
  });

  test("is dialled at another of its addresses where one is refused, or does not answer", async () => {
    for (const first of ["169.254.169.254", "127.0.0.2"]) {
      const resolve = names({ "shop.test": [[first, "127.0.0.1"]] });
      expect(await execute(`http://shop.test:${port}/`, { resolve })).toMatchObject({ status: 200 });
    }
    expect(seen).toHaveLength(2);
  });

  test("is dialled at no more than eight addresses", async () => {
    const dead = Array.from({ length: 8 }, (_, n) => `127.0.0.${n + 2}`);
    const dialledAt = (addresses: string[]) =>
      execute(`http://shop.test:${port}/`, { resolve: names({ "shop.test": [addresses] }) });
    expect(await dialledAt([...dead.slice(1), "127.0.0.1"])).toMatchObject({ status: 200 });
    expect(await dialledAt([...dead, "127.0.0.1"])).toMatchObject({ code: "http_unreachable" });
  });

  test("none of whose addresses answers is unreachable for now", async () => {
    const resolve = names({ "shop.test": [["127.0.0.2", "127.0.0.3"]] });
    expect(await execute(`http://shop.test:${port}/`, { resolve })).toMatchObject({
      name: "RetryableError",
      code: "http_unreachable",
    });
  });

  test("that is unknown is unreachable for now", async () => {
    expect(await execute("http://shop.test/", { resolve: names({}) })).toMatchObject({ code: "http_unreachable" });
  });

  test("whose resolver hangs ends with the try's time", async () => {
    const resolve = () => new Promise<string[]>(() => {});
    expect(await execute("http://shop.test/", { resolve }, AbortSignal.timeout(20))).toMatchObject({
      name: "TimeoutError",
    });
  });

  test("of this host is resolved by the operating system", async () => {
    expect(await execute(`http://localhost:${port}/`)).toMatchObject({ status: 200 });
    expect(await execute(`http://localhost:${port}/`, { engines })).toMatchObject(forbidden(/NATS monitoring/));
  });
});

describe("an address", () => {
  test.each(["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "0"])(
    "%s of an engine is refused",
    async (host) => {
      expect(await execute(`http://${host}:${port}/varz`, { engines })).toMatchObject(forbidden(/NATS monitoring/));
      expect(seen).toEqual([]);
    },
  );

  test("of the same port elsewhere on this host's loopback is another receiver's where no engine listens", async () => {
    expect(
      await execute(`http://127.0.0.1:${port}/`, { engines: { ports: new Map([[1, "Postgres"]]) } }),
    ).toMatchObject({ status: 200 });
  });
});

test("a redirect to an engine is not followed", async () => {
  const redirecting = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.redirect(`http://127.0.0.1:${port}/varz`),
  });
  expect(await execute(`http://127.0.0.1:${redirecting.port}/`, { engines })).toMatchObject({ code: "http_redirect" });
  redirecting.stop(true);
  expect(seen).toEqual([]);
});

describe("a proxy", () => {
  const proxies = { http: `http://127.0.0.1:${port}`, exempt: ["direct.test"] };
  const before = { HTTP_PROXY: process.env.HTTP_PROXY, NO_PROXY: process.env.NO_PROXY };
  afterEach(() => {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });

  test("gets the request for the name, which it resolves", async () => {
    expect(await execute("http://shop.test/x", { proxies, resolve: names({}) })).toMatchObject({ status: 200 });
    expect(seen).toEqual([{ url: "http://shop.test/x", host: "shop.test" }]);
  });

  test("does not get what is exempt, nor what the environment says beside the configuration", async () => {
    process.env.HTTP_PROXY = "http://127.0.0.1:1";
    process.env.NO_PROXY = "shop.test";
    const resolve = names({ "direct.test": [["127.0.0.1"]] });
    expect(await execute(`http://direct.test:${port}/x`, { proxies, resolve })).toMatchObject({ status: 200 });
    expect(await execute(`http://127.0.0.1:${port}/x`, { proxies, resolve })).toMatchObject({ status: 200 });
    expect(await execute("http://shop.test/x", { proxies, resolve })).toMatchObject({ status: 200 });
    expect(seen.map(({ host }) => host)).toEqual([`direct.test:${port}`, `127.0.0.1:${port}`, "shop.test"]);
  });

  test("gets no request for a forbidden address", async () => {
    expect(await execute("http://169.254.169.254/", { proxies })).toMatchObject(forbidden(/link-local/));
    expect(await execute("http://metadata.google.internal/", { proxies })).toMatchObject(forbidden(/metadata/));
    expect(seen).toEqual([]);
  });

  test("of another kind is refused by name, and not passed by", async () => {
    const socks = { all: "socks5://me:hunter2@127.0.0.1:1080", exempt: [] };
    const resolve = names({ "shop.test": [["127.0.0.1"]] });
    const error = (await execute(`http://shop.test:${port}/`, { proxies: socks, resolve })) as Error;
    expect(error).toMatchObject({ name: "TerminalError", code: "proxy_unsupported" });
    expect(error.message).not.toContain("hunter2");
    expect(seen).toEqual([]);
  });
});
