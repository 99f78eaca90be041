/** Which proxy a request of an http task goes through. */
import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../src/kernel/config.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";
import { findProxy } from "../../src/outbound/proxy.ts";

const ALL = { http: "http://h:1", https: "http://s:1", all: "http://a:1", exempt: [] };

describe("a request goes through", () => {
  test.each<[url: string, proxies: object, proxy: string | undefined]>([
    ["http://x.test/", {}, "http://h:1"],
    ["https://x.test/", {}, "http://s:1"],
    ["http://x.test/", { http: undefined }, "http://a:1"],
    ["https://x.test/", { https: undefined }, "http://a:1"],
    ["https://x.test/", { https: undefined, all: undefined }, undefined],
    // this host
    ["http://localhost:3000/", {}, undefined],
    ["http://LOCALHOST./", {}, undefined],
    ["http://shop.localhost/", {}, undefined],
    ["http://127.0.0.1/", {}, undefined],
    ["http://127.9.9.9/", {}, undefined],
    ["http://2130706433/", {}, undefined],
    ["http://0.0.0.0/", {}, undefined],
    ["http://[::1]/", {}, undefined],
    ["http://[::ffff:127.0.0.1]/", {}, undefined],
    ["http://10.0.0.1/", {}, "http://h:1"],
  ])("%s %j: %s", (url, changed, proxy) => {
    expect(findProxy(new URL(url), { ...ALL, ...changed } as typeof ALL)).toBe(proxy as string);
  });
});

describe("NO_PROXY", () => {
  test.each<[entry: string, url: string, exempt: boolean]>([
    ["*", "http://x.test/", true],
    ["x.test", "http://x.test/", true],
    ["X.TEST", "http://x.test/", true],
    ["x.test", "http://x.test./", true],
    ["x.test", "http://a.b.x.test/", true],
    ["x.test", "http://notx.test/", false],
    [".x.test", "http://x.test/", true],
    ["*.x.test", "http://a.x.test/", true],
    ["x.test:8080", "http://x.test:8080/", true],
    ["x.test:8080", "http://x.test/", false],
    ["x.test:443", "https://x.test/", true],
    ["10.0.0.7", "http://10.0.0.7/", true],
    ["10.0.0.7", "http://110.0.0.7/", false],
    ["10.0.0.0/8", "http://10.200.3.4/", true],
    ["10.0.0.0/8", "http://11.0.0.1/", false],
    ["10.0.0.0/8", "http://[fd00::1]/", false],
    ["10.0.0.0/8", "http://10.0.0.0.test/", false],
    ["10.0.0.7:81", "http://10.0.0.7/", false],
    ["fd00::/8", "http://[fd00::1]/", true],
    ["fd00::1", "http://[fd00:0::1]/", true],
    ["[fd00::1]", "http://[fd00::1]/", true],
    ["[fd00::1]:80", "http://[fd00::1]/", true],
    ["[fd00::1]:81", "http://[fd00::1]/", false],
    [".", "http://x.test/", false],
  ])("%s for %s: %p", (entry, url, exempt) => {
    expect(findProxy(new URL(url), { ...ALL, exempt: [entry] }) === undefined).toBe(exempt);
  });
});

describe("the configuration", () => {
  test("takes the variables in small letters first, and a proxy without a scheme as one for HTTP", () => {
    const env = { HTTP_PROXY: "http://upper:1", http_proxy: "lower:1", HTTPS_PROXY: "https://s:2", all_proxy: "" };
    expect(
      loadConfig({}, { ...env, ALL_PROXY: "http://a:3", NO_PROXY: "a.test, b.test,,c.test d.test" }).proxies,
    ).toEqual({
      http: "http://lower:1",
      https: "https://s:2",
      all: "http://a:3",
      exempt: ["a.test", "b.test", "c.test", "d.test"],
    });
    expect(loadConfig({}, {}).proxies).toEqual({ exempt: [] });
  });

  test("with a proxy that is no URL is refused by the variable's name, and does not show a password", () => {
    let refused: unknown;
    try {
      loadConfig({}, { https_proxy: "http://me:hunter2@bad host:1" });
    } catch (error) {
      refused = error;
    }
    const [fault] = (refused as InvalidInputError).faults;
    expect(fault?.path).toBe("https_proxy");
    expect(fault?.message).not.toContain("hunter2");
  });
});
