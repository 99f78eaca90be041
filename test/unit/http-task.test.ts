/** The `http` executor against a server of this process. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { parseJson } from "../../src/json/parse.ts";
import type { ActcoreError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import type { HttpAnswer } from "../../src/outbound/response.ts";
import { MAX_RESPONSE_BYTES } from "../../src/task/http/executor.ts";
import type { TaskAttempt } from "../../src/task/task.ts";
import { executeHttp, httpAttempt } from "../support/http-attempt.ts";

interface Seen {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}
let seen: Seen[] = [];
let answer: (request: Request) => Response | Promise<Response> = () => Response.json({ ok: true });

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    seen.push({
      method: request.method,
      path: new URL(request.url).pathname,
      headers: Object.fromEntries(request.headers),
      body: await request.text(),
    });
    return answer(request);
  },
});
beforeEach(() => {
  seen = [];
});
afterAll(() => server.stop(true));

const log = createLog("silent");
const base = `http://127.0.0.1:${server.port}`;
const attempt = httpAttempt({ url: base });
const never = new AbortController().signal;
const send = (params: object = {}, rest: Partial<TaskAttempt> = {}, signal = never) =>
  executeHttp({ ...attempt, ...rest, params: { url: `${base}/x`, ...params } }, { signal, log }) as Promise<HttpAnswer>;
/** The error of a try while the server answers so. */
async function failure(response: () => Response | Promise<Response>, params: object = {}): Promise<ActcoreError> {
  answer = response;
  return send(params).then(
    (result) => Promise.reject(new Error(`it succeeded: ${JSON.stringify(result)}`)),
    (error) => error,
  );
}

test("an answer that is nested too deep for JSON is kept as text", async () => {
  const text = "[".repeat(1000) + "]".repeat(1000);
  answer = () => new Response(text, { headers: { "content-type": "application/json" } });
  expect(await send()).toMatchObject({ status: 200, body: text });
});

describe("a request", () => {
  beforeEach(() => {
    answer = () => Response.json({ ok: true });
  });

  test("carries the task's id as its idempotency key, whatever the definition says", async () => {
    await send({ headers: { "Idempotency-Key": "mine", "x-mine": "yes" } });
    expect(seen[0]?.headers).toMatchObject({ "idempotency-key": attempt.idempotency_key, "x-mine": "yes" });
  });

  test("is part of the run's trace, each try a span of its own", async () => {
    await send();
    await send({}, { attempt: 2 });
    const [first, second] = seen.map(({ headers }) => headers.traceparent);
    expect(first).toMatch(new RegExp(`^00-${attempt.trace_id}-[0-9a-f]{16}-01$`));
    expect(second).toMatch(new RegExp(`^00-${attempt.trace_id}-[0-9a-f]{16}-01$`));
    expect(second).not.toBe(first);
  });

  test("is a POST of the task's own input when the definition says nothing else", async () => {
    await send();
    expect(seen[0]).toMatchObject({ method: "POST", headers: { "content-type": "application/json" } });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual(attempt.input);
  });

  test.each<[what: string, params: object, method: string, body: string]>([
    ["sends a text as it is", { body: "plain" }, "POST", "plain"],
    ["sends anything else as JSON", { method: "PUT", body: [1, null] }, "PUT", "[1,null]"],
    ["sends null", { method: "PATCH", body: null }, "PATCH", "null"],
    ["sends nothing with a GET", { method: "GET" }, "GET", ""],
    ["sends nothing with a DELETE that has no body", { method: "DELETE" }, "DELETE", ""],
    ["sends a DELETE's body", { method: "DELETE", body: { a: 1 } }, "DELETE", '{"a":1}'],
  ])("%s", async (_, params, method, body) => {
    await send(params);
    expect(seen).toMatchObject([{ method, body }]);
  });

  test.each(["User-Agent", "user-agent"])("says who sends it, unless the definition does (%s)", async (name) => {
    await send();
    await send({ headers: { [name]: "shop/1.0" } });
    expect(seen.map(({ headers }) => headers["user-agent"])).toEqual(["actcore", "shop/1.0"]);
  });

  test("asks for a plain answer, unless the definition asks for another", async () => {
    await send();
    await send({ headers: { "Accept-Encoding": "br" } });
    expect(seen.map(({ headers }) => headers["accept-encoding"])).toEqual(["identity", "br"]);
  });

  test.each(["GET", "HEAD"])("of a %s with a body, stored before that was refused, fails for good", async (method) => {
    const error = await failure(() => new Response(), { method, body: "x" });
    expect(error).toMatchObject({ name: "TerminalError", code: "http_request_invalid" });
    expect(seen).toEqual([]);
  });

  test.each<[what: string, params: object]>([
    ["a URL that is none", { url: "no url" }],
    ["a URL of another kind", { url: "file:///etc/passwd" }],
    ["a URL that is no text", { url: { a: 1 } }],
    ["a header that is no text", { headers: { "x-a": { a: 1 } } }],
    ["a header of several lines", { headers: { "x-a": "hunter2\r\nx-b: 1" } }],
  ])("with %s that an expression made fails for good", async (_, params) => {
    const error = await failure(() => new Response(), params);
    expect(error).toMatchObject({ name: "TerminalError", code: "http_request_invalid" });
    expect(error.message).not.toContain("hunter2");
    expect(seen).toEqual([]);
  });

  test("has numbers and booleans of expressions as the text of headers", async () => {
    await send({ headers: { "x-a": 1, "x-b": true, "x-c": parseJson("9007199254740993") } });
    expect(seen[0]?.headers).toMatchObject({ "x-a": "1", "x-b": "true", "x-c": "9007199254740993" });
  });

  test("goes to a private host where that is written, and not where an expression made it", async () => {
    const sentBy = (text: string) => send({}, { sources: { "/url": { text } } });
    expect(await sentBy(`${base}/{{ event.payload.path }}`)).toMatchObject({ status: 200 });
    const failed = { name: "TerminalError", code: "http_forbidden", message: expect.stringContaining("expression") };
    for (const text of ["{{ event.payload.url }}", `http://127.0.0.1:{{ port }}/x`])
      await expect(sentBy(text)).rejects.toMatchObject(failed);
    await expect(send({}, { sources: { "": { text: "{{ event.payload.params }}" } } })).rejects.toMatchObject(failed);
    expect(seen).toHaveLength(1);
  });

  test("keeps a content type that the definition chose", async () => {
    await send({ body: { a: 1 }, headers: { "Content-Type": "application/vnd.x+json" } });
    expect(seen[0]?.headers["content-type"]).toBe("application/vnd.x+json");
  });
});

describe("a response", () => {
  test.each<[what: string, response: () => Response, result: object]>([
    [
      "of JSON has every number as it was sent",
      () => new Response('{"id":9007199254740993}', { headers: { "content-type": "application/json" } }),
      { body: parseJson('{"id":9007199254740993}') },
    ],
    ["of JSON is kept as a value", () => Response.json({ n: 1 }), { status: 200, body: { n: 1 }, truncated: false }],
    ["of text is kept as text", () => new Response("hi", { status: 201 }), { status: 201, body: "hi" }],
    ["without a body is kept as empty", () => new Response(null, { status: 204 }), { status: 204, body: "" }],
    [
      "that only claims to be JSON is kept as text",
      () => new Response("{", { headers: { "content-type": "application/json" } }),
      { body: "{" },
    ],
  ])("%s", async (_, response, result) => {
    answer = response;
    expect(await send()).toMatchObject(result);
  });

  test("has its headers in the result, without those that may be a credential or are about the connection", async () => {
    answer = () =>
      new Response("hi", {
        status: 201,
        headers: { Location: "/orders/7", ETag: '"1"', "Set-Cookie": "session=hunter2", Connection: "close" },
      });
    const { headers } = await send();
    expect(headers).toMatchObject({ location: "/orders/7", etag: '"1"' });
    expect(["set-cookie", "connection", "content-length"].filter((name) => name in headers)).toEqual([]);
    expect(JSON.stringify(headers)).not.toContain("hunter2");
  });

  test("has only some kilobytes of headers in the result", async () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`x-${n}`, "y".repeat(2000)]));
    answer = () => new Response("hi", { headers: many });
    const { headers } = await send();
    expect(JSON.stringify(headers).length).toBeWithin(2000, 5000);
  });

  test("is kept up to a bound, however long it goes on", async () => {
    let stopped = false;
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode("x".repeat(8192))),
      cancel: () => {
        stopped = true;
      },
    });
    answer = () => new Response(endless);
    const { body, truncated } = await send();
    expect([String(body).length, truncated]).toEqual([MAX_RESPONSE_BYTES, true]);
    while (!stopped) await Bun.sleep(5); // the test's own time limit is the deadline
  });
});

describe("a try fails", () => {
  test.each([400, 401, 404, 409, 422, 499])("for good with %d", async (status) => {
    const error = await failure(() => new Response("why", { status }));
    expect(error).toMatchObject({ name: "TerminalError", code: "http_status", details: { response: { body: "why" } } });
  });

  test.each([408, 425, 429, 500, 502, 503])("for now with %d", async (status) => {
    const error = await failure(() => new Response("", { status }));
    expect(error).toMatchObject({ name: "RetryableError", code: "http_status" });
    expect((error as { retryAfterMs?: number }).retryAfterMs).toBeUndefined();
  });

  test.each<[header: string, ms: unknown]>([
    ["7", 7000],
    ["999999", 86_400_000],
    ["soon", undefined],
    ["-1", undefined],
  ])("for as long as Retry-After: %s says", async (header, ms) => {
    const error = await failure(() => new Response("", { status: 503, headers: { "retry-after": header } }));
    expect((error as { retryAfterMs?: number }).retryAfterMs).toBe(ms as number);
  });

  test("until the date that Retry-After names", async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const error = await failure(() => new Response("", { status: 429, headers: { "retry-after": date } }));
    expect((error as { retryAfterMs?: number }).retryAfterMs).toBeWithin(50_000, 60_001);
  });

  test.each([301, 302, 307, 308])("for good with a redirect (%d), which is not followed", async (status) => {
    const error = await failure(() => new Response(null, { status, headers: { location: `${base}/else` } }));
    expect(error).toMatchObject({ name: "TerminalError", code: "http_redirect" });
    expect(seen.map(({ path }) => path)).toEqual(["/x"]);
  });

  test("for now when nobody listens, and does not tell the URL's secrets", async () => {
    const url = `http://user:hunter2@127.0.0.1:1/x?token=hunter2`;
    const error = await failure(() => new Response(), { url });
    expect(error).toMatchObject({ name: "RetryableError", code: "http_unreachable" });
    expect(error.message).not.toContain("hunter2");
  });

  test("with the signal's reason when its time is over", async () => {
    answer = () => new Promise<Response>(() => {});
    await expect(send({}, {}, AbortSignal.timeout(20))).rejects.toThrow(
      expect.objectContaining({ name: "TimeoutError" }),
    );
  });

  test("with the signal's reason when its time is over in the middle of the body", async () => {
    const stuck = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array([120])) });
    answer = () => new Response(stuck);
    await expect(send({}, {}, AbortSignal.timeout(50))).rejects.toThrow(
      expect.objectContaining({ name: "TimeoutError" }),
    );
  });
});
