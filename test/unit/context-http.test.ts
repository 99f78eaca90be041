/** `http` sources against a receiver below HTTP. */
import { afterEach, describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import type { TerminalError } from "../../src/kernel/errors.ts";
import { createDial } from "../../src/outbound/dial.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { resolveContext } from "../support/context.ts";
import { findOwnAddress, urlsOf, urlsOfThisHost } from "../support/forbidden-hosts.ts";
import { NO_ENGINES } from "../support/own-engines.ts";
import { type RawReceiver, startRawReceiver } from "../support/raw-receiver.ts";

const secrets = createSecrets({ values: { TOKEN: "s3cret-token" } });
const dial = createDial({ engines: NO_ENGINES, allowed: [], proxies: { exempt: [] } });

let receiver: RawReceiver;
const listen = async (answer: (socket: Socket, earlier: number) => void) => {
  receiver = await startRawReceiver(answer);
  return receiver.url;
};
afterEach(() => receiver?.stop());

const answer = (type: string, body: string, status = "200 OK", ...headers: string[]) =>
  [
    `HTTP/1.1 ${status}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
    "",
    body,
  ].join("\r\n");
const json = (value: unknown, ...rest: string[]) => answer("application/json", JSON.stringify(value), ...rest);
const resolve = (source: object, values: Record<string, unknown> = {}) =>
  resolveContext([{ name: "a", type: "http", ...source }], { dial, secrets }, { values });
const answerOf = async (source: object, values?: Record<string, unknown>) => (await resolve(source, values)).values.a;
async function failureOf(source: object, values?: Record<string, unknown>) {
  const error: TerminalError = await resolve(source, values).then(
    () => Promise.reject(new Error("it did not fail")),
    (error) => error,
  );
  const [{ code, attempts }] = error.details.sources as [{ code: string; attempts: number }];
  return { code, attempts, message: error.message };
}

describe("an answer", () => {
  test("is its body as JSON with every digit, and status and headers by select", async () => {
    const url = await listen((socket) => socket.end(json({ id: 1 })));
    expect(await answerOf({ url })).toEqual({ id: 1 });
    expect(await answerOf({ url, select: "[status, headers['content-type'], body.id]" })).toEqual([
      ...[200, "application/json", 1],
    ]);
    receiver.stop();
    const exact = await listen((socket) => socket.end(answer("application/problem+json", '{"id":9007199254740993}')));
    expect(JSON.stringify(await answerOf({ url: exact }))).toBe('{"id":9007199254740993}');
  });

  test("that does not say what it is may be JSON all the same, and is text where the source says so", async () => {
    const url = await listen((socket) => socket.end(answer("text/plain", '"1.2.3"')));
    expect(await answerOf({ url })).toBe("1.2.3");
    expect(await answerOf({ url, format: "text" })).toBe('"1.2.3"');
  });

  test("without a body is null", async () => {
    const url = await listen((socket) => socket.end("HTTP/1.1 204 No Content\r\n\r\n"));
    expect(await answerOf({ url })).toBeNull();
    expect(await answerOf({ url, select: "status" })).toBe(204);
  });

  test.each<[what: string, type: string, body: string, message: string]>([
    ["HTML", "text/html; charset=utf-8", "<!doctype html>", "answered text/html; charset=utf-8, not JSON"],
    ["HTML that is JSON", "text/html", "{}", "answered text/html, not JSON"],
    ["a text", "text/plain", "no JSON", "text/plain, is no JSON: "],
    ["nothing", "application/json", "", "application/json, is no JSON: "],
    ["JSON that breaks off", "application/json", '{"a":', "application/json, is no JSON: "],
    ["a number beyond all bounds", "application/json", `1e${"9".repeat(20)}`, "is beyond what can be kept"],
  ])("that is %s where JSON is wanted is named, and not asked for again", async (_, type, body, message) => {
    const url = await listen((socket) => socket.end(answer(type, body)));
    for (const select of [{}, { select: "body.account" }]) {
      const failure = await failureOf({ url, ...select });
      expect(failure).toMatchObject({ code: "source_not_json", attempts: 1 });
      expect(failure.message).toContain(`GET ${url}`);
      expect(failure.message).toContain(message);
    }
    expect(await answerOf({ url, select: "status" })).toBe(200);
    expect(await answerOf({ url, format: "text" })).toBe(body);
  });

  test("that is too large is read no further, and named with its size", async () => {
    let sent = 0;
    const closed = Promise.withResolvers<void>();
    const url = await listen((socket) => {
      socket.on("close", () => closed.resolve());
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n");
      const pump = () => {
        while (!socket.destroyed && sent < 50_000_000 && socket.write("1".repeat(65_536))) sent += 65_536;
      };
      socket.on("drain", pump);
      pump();
    });
    const failure = await failureOf({ url });
    expect(failure).toMatchObject({ code: "source_too_large", attempts: 1 });
    expect(failure.message).toEndWith("answered 50000000 bytes: at most 1048576 are read");
    await closed.promise;
    expect(sent).toBeLessThan(20_000_000); // what the buffers of two sockets take
  });

  test("that never ends, is silent, or drips ends at the timeout", async () => {
    const timers: ReturnType<typeof setInterval>[] = [];
    const url = await listen((socket, earlier) => {
      if (earlier === 0) return;
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
      if (earlier === 2) timers.push(setInterval(() => socket.write("1\r\n1\r\n"), 10));
    });
    for (let tries = 0; tries < 3; tries++) {
      const startedMs = performance.now();
      expect(await failureOf({ url, timeout: "200ms" })).toMatchObject({ code: "source_timeout" });
      expect(performance.now() - startedMs).toBeLessThan(1_000);
    }
    timers.forEach(clearInterval);
    expect(receiver.requests).toHaveLength(3);
  });
});

describe("a request", () => {
  test("has what the definition says, with the event's values and the secrets in it", async () => {
    const url = await listen((socket) => socket.end(json("ok")));
    const values = { event: { payload: { id: "a b", n: 3, list: [1] } } };
    await answerOf(
      {
        url: `${url}x/{{ urlencode(event.payload.id) }}?key={{ secret.TOKEN }}`,
        method: "POST",
        headers: { authorization: "Bearer {{ secret.TOKEN }}", "x-n": "{{ event.payload.n }}" },
        body: { list: "{{ event.payload.list }}", token: "{{ secret.TOKEN }}", plain: 1 },
      },
      values,
    );
    const [request = ""] = receiver.requests;
    expect(request).toStartWith("POST /x/a%20b?key=s3cret-token HTTP/1.1\r\n");
    expect(request.toLowerCase()).toContain("\r\nauthorization: bearer s3cret-token\r\n");
    expect(request.toLowerCase()).toContain("\r\nx-n: 3\r\n");
    expect(request.toLowerCase()).toContain("\r\ncontent-type: application/json\r\n");
    expect(request).toEndWith('{"list":[1],"token":"s3cret-token","plain":1}');
  });

  test("whose answer and failure repeat its secret shows neither", async () => {
    const url = await listen((socket, earlier) =>
      socket.end(json({ you: "sent s3cret-token" }, earlier === 0 ? "200 OK" : "403 No")),
    );
    const source = { url: `${url}{{ secret.TOKEN }}`, headers: { "x-key": "{{ secret.TOKEN }}" } };
    expect(await answerOf(source)).toEqual({ you: "sent ***" });
    const failure = await failureOf(source);
    expect(failure).toEqual({
      code: "http_status",
      attempts: 1,
      message: `context source a: GET ${url}*** answered 403`,
    });
  });

  test.each(["500 Broken", "503 Busy", "429 Slow", "408 Late", "425 Early"])(
    "answered %s is made again",
    async (status) => {
      const url = await listen((socket, earlier) => socket.end(json({ n: earlier }, earlier < 2 ? status : "200 OK")));
      expect(await answerOf({ url })).toEqual({ n: 2 });
    },
  );

  test.each(["400 Bad", "401 Who", "404 None", "422 Odd"])("answered %s is not made again", async (status) => {
    const url = await listen((socket) => socket.end(json({}, status)));
    expect(await failureOf({ url })).toMatchObject({ code: "http_status", attempts: 1 });
    expect(receiver.requests).toHaveLength(1);
  });

  test("answered with Retry-After waits so long, and gives up at once where that is beyond the timeout", async () => {
    const url = await listen((socket, earlier) =>
      socket.end(json({ n: earlier }, earlier === 1 ? "200 OK" : "503 Busy", `Retry-After: ${earlier === 0 ? 1 : 60}`)),
    );
    const startedMs = performance.now();
    expect(await answerOf({ url })).toEqual({ n: 1 });
    expect(performance.now() - startedMs).toBeWithin(950, 2_000);
    expect(await failureOf({ url })).toMatchObject({ code: "http_status", attempts: 1 });
  });

  test("is not redirected", async () => {
    const url = await listen((socket) => socket.end("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"));
    expect(await failureOf({ url })).toMatchObject({ code: "http_redirect", attempts: 1 });
  });

  test("with a URL that an expression makes none of is not sent", async () => {
    const values = { event: { payload: { url: 5, header: [1] } } };
    expect(await failureOf({ url: "{{ event.payload.url }}" }, values)).toMatchObject({ code: "http_request_invalid" });
    const failure = await failureOf(
      { url: "http://127.0.0.1:1/", headers: { a: "{{ event.payload.header }}" } },
      values,
    );
    expect(failure).toMatchObject({ code: "http_request_invalid", attempts: 1 });
  });

  test("whose host an expression computes does not reach this host, in any spelling", async () => {
    const url = await listen((socket) => socket.end(json("reached")));
    const port = Number(new URL(url).port);
    expect(await answerOf({ url: `http://127.0.0.1:${port}/{{ event.payload }}` }, { event: { payload: "x" } })).toBe(
      "reached",
    );
    const own = createDial({
      engines: { ...NO_ENGINES, addresses: [findOwnAddress()] },
      allowed: [],
      proxies: { exempt: [] },
    });
    const spellings = [...urlsOf("127.0.0.1", port), ...urlsOf(findOwnAddress(), port), ...urlsOfThisHost(port)];
    const outcomes = await Promise.all(
      spellings.map(async (payload) => {
        const source = { name: "a", type: "http", url: "{{ event.payload }}", retry: 0, timeout: "5s", optional: true };
        const { sources } = await resolveContext([source], { dial: own }, { values: { event: { payload } } });
        return sources[0]?.code;
      }),
    );
    expect(spellings.length).toBeGreaterThan(60);
    expect(receiver.requests).toHaveLength(1);
    expect(outcomes.filter((code) => !/^http_(forbidden|request_invalid|unreachable)$/.test(code ?? ""))).toEqual([]);
  });
});
