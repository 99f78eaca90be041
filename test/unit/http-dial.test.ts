/** How the http executor's requests go out, seen by a receiver below HTTP. */
import { afterEach, describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { describeError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import type { HttpAnswer } from "../../src/outbound/response.ts";
import type { HttpParams } from "../../src/task/http/params.ts";
import { executeHttp, httpAttempt } from "../support/http-attempt.ts";
import { type RawReceiver, startRawReceiver } from "../support/raw-receiver.ts";

const log = createLog("silent");
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const signal = new AbortController().signal;
const execute = (params: HttpParams) => executeHttp(httpAttempt(params), { signal, log }) as Promise<HttpAnswer>;

let receiver: RawReceiver;
const listen = async (answer: (socket: Socket, earlier: number) => void) => {
  receiver = await startRawReceiver(answer);
  return receiver.url;
};
afterEach(() => receiver.stop());

describe("one try is one request, though the receiver closes without an answer:", () => {
  test.each(["GET", "HEAD", "DELETE", "PUT", "POST", "PATCH"])("%s", async (method) => {
    const url = await listen((socket, earlier) => {
      if (earlier === 0) socket.write(method === "HEAD" ? OK.replace("ok", "") : OK);
      else socket.end();
    });
    // Answered, and the connection left open: fetch would use it again.
    await execute({ url, method });
    const error = await execute({ url, method }).catch((error) => error);
    expect(error).toMatchObject({ name: "RetryableError", code: "http_unreachable" });
    expect(receiver.requests).toHaveLength(2);
  });
});

test("a request says that its connection is not used again, whatever the definition says", async () => {
  const url = await listen((socket) => socket.end(OK));
  await execute({ url, headers: { Connection: "keep-alive" } });
  expect(receiver.requests[0]).toContain("\r\nConnection: close\r\n");
});

describe("the head of an answer is bounded:", () => {
  const endless = (socket: Socket, line: string) => {
    const pump = () => {
      while (!socket.destroyed && socket.write(line.repeat(100)));
    };
    socket.on("drain", pump);
    pump();
  };
  test.each<[what: string, line: string]>([
    ["headers without end", `X-H: ${"a".repeat(1000)}\r\n`],
    ["a header without end", "a".repeat(1000)],
  ])("%s", async (_, line) => {
    const url = await listen((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nX-A: ");
      endless(socket, line);
    });
    expect(await execute({ url }).catch((error) => error)).toMatchObject({ code: "http_unreachable" });
  });

  test("a content type is kept up to a thousand characters", async () => {
    const url = await listen((socket) =>
      socket.end(OK.replace("\r\n", `\r\nContent-Type: text/${"x".repeat(50_000)}\r\n`)),
    );
    expect((await execute({ url })).content_type).toHaveLength(1000);
  });
});

describe("a packed answer", () => {
  const packed = (bytes: Buffer) =>
    Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bytes.byteLength}\r\n\r\n`),
      bytes,
    ]);

  test("is unpacked", async () => {
    const url = await listen((socket) => socket.end(packed(gzipSync("hello"))));
    expect(await execute({ url })).toMatchObject({ body: "hello", truncated: false });
  });

  test("is never unpacked by fetch, whose one thread all requests share", async () => {
    const url = await listen((socket) => socket.end(packed(Buffer.from("no gzip"))));
    expect(await execute({ url })).toMatchObject({ status: 200, body: "", truncated: true });
  });
});

test.each<[what: string, answer: string]>([
  ["a head that is none", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"],
  ["chunks that are none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n"],
  ["no answer", ""],
])("an error of fetch tells neither the secrets of the URL nor what to do in a program: %s", async (_, answer) => {
  const url = await listen((socket) => socket.end(answer));
  const error = await execute({ url: `${url}?token=hunter2` }).catch((error) => error);
  expect(error).toMatchObject({ code: "http_unreachable" });
  // What the ledger, the log and the engine are told includes the cause.
  expect(describeError(error)).not.toMatch(/hunter2|fetch/);
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("hunter2");
});

describe("a body that breaks off", () => {
  const cut = (status: number, more = "") => `HTTP/1.1 ${status} X\r\nContent-Length: 100\r\n${more}\r\nthe begin`;

  test.each<[status: number, name: string, code: string]>([
    [200, "RetryableError", "http_unreachable"],
    [404, "TerminalError", "http_status"],
    [422, "TerminalError", "http_status"],
    [429, "RetryableError", "http_status"],
    [503, "RetryableError", "http_status"],
  ])("leaves the status %d and what came of it", async (status, name, code) => {
    const url = await listen((socket) => socket.end(cut(status)));
    const error = await execute({ url }).catch((error) => error);
    const response = { status, truncated: true };
    expect(error).toMatchObject({ name, code, details: { response } });
    expect(error.message).toContain(`answered ${status}`);
  });

  test("leaves Retry-After", async () => {
    const url = await listen((socket) => socket.end(cut(503, "Retry-After: 7\r\n")));
    expect(await execute({ url }).catch((error) => error)).toMatchObject({ retryAfterMs: 7000 });
  });

  test("leaves a redirect", async () => {
    const url = await listen((socket) => socket.end(cut(302, "Location: /else\r\n")));
    expect(await execute({ url }).catch((error) => error)).toMatchObject({ code: "http_redirect" });
  });

  test("because time is over leaves a status that is final", async () => {
    const url = await listen((socket) => socket.write(cut(404)));
    const short = AbortSignal.timeout(100);
    const error = await executeHttp(httpAttempt({ url }), { signal: short, log }).catch((error) => error);
    expect(error).toMatchObject({ name: "TerminalError", code: "http_status" });
  });
});

describe("a status of 3xx that sends nobody elsewhere is no redirect:", () => {
  test.each([300, 302, 304])("%d without Location", async (status) => {
    const url = await listen((socket) => socket.end(`HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`));
    const error = await execute({ url }).catch((error) => error);
    expect(error).toMatchObject({ name: "TerminalError", code: "http_status" });
    expect(error.message).toBe(`POST ${url} answered ${status}`);
  });
});
