/**
 * Requests whose URL an event brings: none of them reaches a server on this host, however the URL is spelled. From the template of a
 * definition to the socket, with the operating system's names.
 */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import type { SourceReport } from "../../src/context/snapshot.ts";
import { compileTemplate } from "../../src/expression/template.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import type { TerminalError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createConfiguredDial } from "../../src/roles/own-engines.ts";
import { createHttpExecutor } from "../../src/task/http/executor.ts";
import { resolveContext } from "../support/context.ts";
import { findOwnAddress, urlsOf, urlsOfThisHost } from "../support/forbidden-hosts.ts";
import { httpAttempt } from "../support/http-attempt.ts";

let seen: string[] = [];
/** Listens on every address of this host. */
const canary = Bun.serve({
  hostname: "::",
  port: 0,
  fetch(request) {
    seen.push(new URL(request.url).pathname);
    return new Response("ok");
  },
});
const port = canary.port as number;
beforeEach(() => {
  seen = [];
});
afterAll(() => canary.stop(true));

const ADDRESSES = ["127.0.0.1", findOwnAddress()];
const CANARY_URLS = [...ADDRESSES.flatMap((address) => urlsOf(address, port)), ...urlsOfThisHost(port)];

type Env = Record<string, string>;
/** What comes of a URL with expressions, for an event with this payload: an answer, or the error. */
type Call = (url: string, payload: object, env?: Env) => Promise<unknown>;

const callByTask: Call = async (url, payload, env = {}) => {
  const http = createHttpExecutor({ dial: createConfiguredDial(loadConfig({}, env)) });
  const template = compileTemplate({ url, method: "GET" }, { roots: ["event"] });
  const { value, sources } = template.render({ event: { payload } });
  const options = { signal: AbortSignal.timeout(3000), log: createLog("silent") };
  return http(httpAttempt(value as { url: string }, { sources }), options).catch((error) => error);
};

/** The error of a source is one of its context, with its code in the report; a URL may be refused as a fault of the definition. */
const callBySource: Call = async (url, payload, env = {}) => {
  const source = {
    name: "it",
    type: "http",
    url,
    format: "text",
    timeout: "3s",
    retry: 0,
    select: "{'status': status}",
  };
  const dial = createConfiguredDial(loadConfig({}, env));
  try {
    return (await resolveContext([source], { dial }, { values: { event: { payload } } })).values.it;
  } catch (error) {
    const [report] = ((error as TerminalError).details?.sources ?? []) as SourceReport[];
    return Object.assign(error as Error, { code: report?.code ?? "invalid_definition" });
  }
};

describe.each<[door: string, call: Call]>([
  ["an http task", callByTask],
  ["a context source", callBySource],
])("%s", (_, call) => {
  test("a URL that an event brings reaches nothing on this host, in any spelling", async () => {
    const outcomes = await Promise.all(CANARY_URLS.map((url) => call("{{ event.payload.url }}", { url })));
    expect(outcomes.filter((outcome) => !(outcome instanceof Error))).toEqual([]);
    expect(
      outcomes.filter((outcome) => (outcome as { code?: string }).code === "http_forbidden").length,
    ).toBeGreaterThan(100);
    expect(seen).toEqual([]);
  });

  test("the same URLs reach this host where the definition has them", async () => {
    await Promise.all(CANARY_URLS.map((url) => call(url, {})));
    expect(seen.length).toBeGreaterThan(60);
  });

  test("a host, a domain, a port or the rest of an authority that an event brings does not either", async () => {
    for (const address of ADDRESSES)
      for (const [url, payload] of [
        ["http://{{ event.payload.host }}/", { host: `${address}:${port}` }],
        [
          "http://{{ event.payload.a }}.{{ event.payload.b }}/",
          { a: address.split(".", 1)[0], b: `${address.replace(/^\d+\./, "")}:${port}` },
        ],
        [`http://${address}:{{ event.payload.port }}/`, { port }],
        ["http://example.com{{ event.payload.rest }}", { rest: `@${address}:${port}/` }],
        ["http://example.com:{{ event.payload.rest }}", { rest: `80@${address}:${port}/` }],
        ["http:{{ event.payload.rest }}", { rest: `//${address}:${port}/` }],
        ["http:///{{ event.payload.host }}/", { host: `${address}:${port}` }],
        ["{{ event.payload.scheme }}://{{ event.payload.host }}/", { scheme: "http", host: `${address}:${port}` }],
      ] as [string, object][])
        expect(await call(url, payload)).toMatchObject({
          code: expect.stringMatching(/^(http_forbidden|invalid_definition)$/),
        });
    expect(seen).toEqual([]);
  });

  test("a host that the definition writes is reached, whatever an event brings behind it", async () => {
    for (const address of ADDRESSES) {
      for (const path of ["a", "//example.com/", "@example.com", "\\example.com", "?x#y", "../b"])
        expect(await call(`http://${address}:${port}/{{ event.payload.path }}`, { path })).toMatchObject({
          status: 200,
        });
      expect(await call(`http://${address}:${port}/`, {})).toMatchObject({ status: 200 });
    }
    expect(seen).toHaveLength(14);
  });

  test("a host that ACTCORE_HTTP_ALLOW lists is reached by its name and by its address, and no other", async () => {
    const env = { ACTCORE_HTTP_ALLOW: `localhost:${port}, ${findOwnAddress()}` };
    const callBy = (host: string) => call("{{ event.payload.url }}", { url: `http://${host}:${port}/` }, env);
    expect(await callBy("localhost")).toMatchObject({ status: 200 });
    expect(await callBy(findOwnAddress())).toMatchObject({ status: 200 });
    expect(await callBy("127.0.0.1")).toMatchObject({ code: "http_forbidden" });
    expect(seen).toHaveLength(2);
  });
});
