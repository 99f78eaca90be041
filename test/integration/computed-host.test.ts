/**
 * Requests whose URL an event brings: none of them reaches a server on this host, however the URL is spelled. From the template of a
 * definition to the socket, with the operating system's names.
 */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { compileTemplate } from "../../src/expression/template.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createConfiguredDial } from "../../src/roles/own-engines.ts";
import { createExecutors } from "../../src/task/task-type.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
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

/** What comes of an http task with this URL, for an event with this payload: its result, or the error. */
async function execute(url: string, payload: object, env: Record<string, string> = {}) {
  const { http } = createExecutors(TASK_TYPES, { dial: createConfiguredDial(loadConfig({}, env)) });
  const { value, sources } = compileTemplate({ url, method: "GET" }, { roots: ["event"] }).render({
    event: { payload },
  });
  const attempt = httpAttempt(value as { url: string }, { sources });
  const options = { signal: AbortSignal.timeout(3000), log: createLog("silent") };
  return http?.(attempt, options).catch((error) => error);
}

test("a URL that an event brings reaches nothing on this host, in any spelling", async () => {
  const outcomes = await Promise.all(CANARY_URLS.map((url) => execute("{{ event.payload.url }}", { url })));
  expect(outcomes.filter((outcome) => !(outcome instanceof Error))).toEqual([]);
  expect(outcomes.filter((outcome) => (outcome as { code?: string }).code === "http_forbidden").length).toBeGreaterThan(
    100,
  );
  expect(seen).toEqual([]);
});

test("the same URLs reach this host where the definition has them", async () => {
  await Promise.all(CANARY_URLS.map((url) => execute(url, {})));
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
      expect(await execute(url, payload)).toMatchObject({ code: "http_forbidden" });
  expect(seen).toEqual([]);
});

test("a host that the definition writes is reached, whatever an event brings behind it", async () => {
  for (const address of ADDRESSES) {
    for (const path of ["a", "//example.com/", "@example.com", "\\example.com", "?x#y", "../b"])
      expect(await execute(`http://${address}:${port}/{{ event.payload.path }}`, { path })).toMatchObject({
        status: 200,
      });
    expect(await execute(`http://${address}:${port}/`, {})).toMatchObject({ status: 200 });
  }
  expect(seen).toHaveLength(14);
});

test("a host that ACTCORE_HTTP_ALLOW lists is reached by its name and by its address, and no other", async () => {
  const env = { ACTCORE_HTTP_ALLOW: `localhost:${port}, ${findOwnAddress()}` };
  const callBy = (host: string) => execute("{{ event.payload.url }}", { url: `http://${host}:${port}/` }, env);
  expect(await callBy("localhost")).toMatchObject({ status: 200 });
  expect(await callBy(findOwnAddress())).toMatchObject({ status: 200 });
  expect(await callBy("127.0.0.1")).toMatchObject({ code: "http_forbidden" });
  expect(seen).toHaveLength(2);
});
