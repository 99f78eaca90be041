/** The query, the credentials, the signature and the expected statuses of http tasks: what is refused, and what is sent. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { parseJson } from "../../src/json/parse.ts";
import { createLog } from "../../src/kernel/log.ts";
import type { HttpAnswer } from "../../src/outbound/response.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { httpTask } from "../../src/task/http/http-task.ts";
import { executeHttp, httpAttempt } from "../support/http-attempt.ts";
import { taskFaultsOf } from "../support/task-faults.ts";

let seen: { url: string; headers: Record<string, string>; body: string }[] = [];
let answer: () => Response = () => Response.json({});
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    seen.push({ url: request.url, headers: Object.fromEntries(request.headers), body: await request.text() });
    return answer();
  },
});
beforeEach(() => {
  seen = [];
  answer = () => Response.json({});
});
afterAll(() => server.stop(true));

const url = `http://127.0.0.1:${server.port}/x`;
const context = { signal: new AbortController().signal, log: createLog("silent") };
const send = (params: object) => executeHttp(httpAttempt({ url, ...params }), context) as Promise<HttpAnswer>;
const faultsOf = (params: object) => taskFaultsOf("http", { url, ...params });

describe("query", () => {
  test("is put behind the URL's own query, escaped, with lists as repeated names", async () => {
    const query = { q: "a b&c=ä+", page: 2, exact: parseJson("9007199254740993"), all: true, tag: ["x", 1], none: [] };
    await send({ url: `${url}?own=%20+1#part`, query });
    expect(seen[0]?.url).toBe(
      `${url}?own=%20+1&q=a%20b%26c%3D%C3%A4%2B&page=2&exact=9007199254740993&all=true&tag=x&tag=1`,
    );
  });

  test("takes no object and no null, neither in a definition nor from an expression", async () => {
    expect(faultsOf({ query: { a: "{{ event.payload.a }}", b: [1, "x"] } })).toEqual([]);
    expect(faultsOf({ query: { a: { b: 1 }, c: null } })).toEqual([
      '/query/a expected a text, a number, a boolean or a list of them, received {"b":1}',
      "/query/c expected a text, a number, a boolean or a list of them, received null",
    ]);
    const error = { name: "TerminalError", code: "http_request_invalid", message: expect.stringContaining("/query/a") };
    await expect(send({ query: { a: null } })).rejects.toMatchObject(error);
    expect(seen).toEqual([]);
  });
});

describe("auth", () => {
  test("sends a username and a password in UTF-8, or a token", async () => {
    await send({ auth: { type: "basic", username: "jörg", password: "a:b" } });
    await send({ auth: { type: "bearer", token: "abc" } });
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([
      `Basic ${Buffer.from("jörg:a:b").toString("base64")}`,
      "Bearer abc",
    ]);
  });

  test.each<[params: object, fault: string]>([
    [{ auth: { type: "basic", username: "a" } }, "/auth/password is required by basic"],
    [{ auth: { type: "bearer", token: "a", username: "b" } }, "/auth/username is no field of bearer"],
    [{ auth: { type: "digest" } }, '/auth/type expected basic or bearer, received "digest"'],
    [
      { auth: { type: "basic", username: "a:b", password: "c" } },
      "/auth/username has a colon or a control character, which no username may have",
    ],
    [
      { auth: { type: "bearer", token: "a" }, headers: { Authorization: "b" } },
      "/auth the headers have an authorization already: leave out one of the two",
    ],
  ])("%j is refused in a definition", (params, fault) => {
    expect(faultsOf(params)).toEqual([fault]);
  });

  test("with a token that no header may have fails for good, and the token is not told", async () => {
    const error = await send({ auth: { type: "bearer", token: "hunter2\nx" } }).catch((error) => error);
    expect(error).toMatchObject({ name: "TerminalError", code: "http_request_invalid" });
    expect(error.message).not.toContain("hunter2");
  });

  test("is masked where it is echoed, as base64 too", async () => {
    const secrets = createSecrets({ values: { PASSWORD: "correct horse" } });
    const auth = { type: "basic", username: "ann", password: secrets.read("PASSWORD") };
    answer = () => Response.json({ echo: seen[0]?.headers.authorization });
    const { body } = secrets.maskJson(await send({ auth })) as { body: { echo: string } };
    const sent = seen[0]?.headers.authorization?.replace("Basic ", "") ?? "";
    expect(Buffer.from(sent, "base64").toString()).toBe("ann:correct horse");
    expect(body.echo).toContain("***");
    expect(Buffer.from(body.echo, "base64").toString()).not.toContain("horse");
  });
});

describe("sign", () => {
  test("signs the very bytes of the body, with the id that every try has", async () => {
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const body = { name: "ä", n: parseJson("9007199254740993") };
    await send({ body, sign: { type: "standard-webhooks", secret } });
    const [{ headers = {}, body: sent = "" } = {}] = seen;
    expect(sent).toBe('{"name":"ä","n":9007199254740993}');
    expect(headers["webhook-id"]).toBe(headers["idempotency-key"] as string);
    expect(Math.abs(Number(headers["webhook-timestamp"]) - Date.now() / 1000)).toBeLessThan(60);
    const key = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
    const text = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${sent}`;
    const signature = new Bun.CryptoHasher("sha256", key).update(text).digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${signature}`);
  });

  test.each<[params: object, fault: string]>([
    [{ sign: { type: "github" } }, "/sign/secret is required"],
    [
      { sign: { type: "github", secret: "a", encoding: "hex" } },
      "/sign/encoding is a field of hmac: github says itself how it signs",
    ],
    [
      { sign: { type: "standard-webhooks", secret: "not base64" } },
      "/sign/secret expected base64, with whsec_ before it or without",
    ],
    [
      { sign: { type: "hmac", secret: "a", header: "x-a" }, headers: { "X-A": "b" } },
      "/sign the header x-a has a meaning already: put the signature into another",
    ],
    [
      { sign: { type: "hmac", secret: "a", header: "Idempotency-Key" } },
      "/sign the header idempotency-key has a meaning already: put the signature into another",
    ],
    [
      { sign: { type: "hmac", secret: "a", header: "X-T", timestamp_header: "x-t" } },
      "/sign/timestamp_header is the header of the signature: choose another",
    ],
  ])("%j is refused in a definition", (params, fault) => {
    expect(faultsOf(params)).toEqual([fault]);
  });

  test("by a secret that is not what its receivers take fails for good, and the secret is not told", async () => {
    const error = await send({ sign: { type: "standard-webhooks", secret: "hunter2 no base64" } }).catch((e) => e);
    expect(error).toMatchObject({ name: "TerminalError", code: "http_request_invalid" });
    expect(error.message).not.toContain("hunter2");
  });
});

describe("expect", () => {
  const answered = (status: number, expected: unknown[], headers = {}) => {
    answer = () => new Response("why", { status, headers });
    return send({ expect: { status: expected } }).then(
      (result) => result.status,
      (error) => `${error.name} ${error.code}: ${error.message}`,
    );
  };

  test("says which statuses are a success, and others fail as they do without it", async () => {
    expect(await answered(404, ["2xx", 404])).toBe(404);
    expect(await answered(302, [302], { location: "http://169.254.169.254/" })).toBe(302);
    expect(await answered(503, ["5xx"])).toBe(503);
    const message = `POST ${url} answered`;
    const wanted = "as the definition expects";
    expect(await answered(200, [201, 204])).toBe(
      `TerminalError http_status: ${message} 200, and not 201 or 204, ${wanted}`,
    );
    expect(await answered(429, [201])).toBe(`RetryableError http_status: ${message} 429, and not 201, ${wanted}`);
    expect(seen).toHaveLength(5);
  });

  test("takes statuses from 200 on, and classes of them", () => {
    expect(faultsOf({ expect: { status: [200, "4xx"] } })).toEqual([]);
    const expected = "expected a status from 200 to 599, or a class such as 2xx, received";
    expect(faultsOf({ expect: { status: [100, "6xx", "200"] } })).toEqual([
      `/expect/status/0 ${expected} 100`,
      `/expect/status/1 ${expected} "6xx"`,
      `/expect/status/2 ${expected} "200"`,
    ]);
    expect(faultsOf({ expect: { status: [] } })).toEqual(["/expect/status expected a list of statuses, received []"]);
  });
});

test.each(["http://169.254.169.254/latest/meta-data", "http://[::ffff:127.0.0.1]:4222/"])(
  "a redirect to %s is not followed",
  async (location) => {
    answer = () => new Response(null, { status: 307, headers: { location } });
    await expect(send({})).rejects.toMatchObject({ name: "TerminalError", code: "http_redirect" });
    expect(seen).toHaveLength(1);
  },
);

test("who may read tasks sees the names of a query's values, and how it is signed, without credentials", () => {
  const shown = httpTask.show({
    url,
    query: { token: "hunter2" },
    auth: { type: "basic", username: "hunter2", password: "hunter2" },
    sign: { type: "hmac", secret: "hunter2", header: "X-A" },
    expect: { status: [204] },
  });
  expect(shown).toEqual({
    url,
    query: { token: "***" },
    auth: { type: "basic", username: "***", password: "***" },
    sign: { type: "hmac", secret: "***", header: "X-A" },
    expect: { status: [204] },
  });
});
