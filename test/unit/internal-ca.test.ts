/** Servers whose certificate a company's own authority made. */
import { afterAll, describe, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { getCACertificates } from "node:tls";
import { loadConfig } from "../../src/kernel/config.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { httpAttempt, httpExecutor } from "../support/http-attempt.ts";

const CERTIFICATES = `${import.meta.dir}/../support/certificates`;
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls: { key: Bun.file(`${CERTIFICATES}/server.key`), cert: Bun.file(`${CERTIFICATES}/server.pem`) },
  fetch: (request) => new Response(request.headers.get("host")),
});
afterAll(() => server.stop(true));

/** An http task's request to a name that leads to the server. */
const execute = (name: string, trusted?: readonly string[]) =>
  httpExecutor({ trusted, resolve: async () => ["127.0.0.1"] })(
    httpAttempt({ url: `https://${name}:${server.port}/`, method: "GET" }),
    { signal: new AbortController().signal, log: createLog("silent") },
  ).catch((error) => error);
const { trusted } = loadConfig({}, { ACTCORE_CA_FILE: `${CERTIFICATES}/ca.pem` }).caFile ?? {};

describe("an http task", () => {
  test("refuses a server whose authority is not trusted", async () => {
    expect(await execute("internal.test")).toMatchObject({ code: "http_unreachable" });
  });

  test("reaches it when ACTCORE_CA_FILE names the authority", async () => {
    expect(await execute("internal.test", trusted)).toMatchObject({
      status: 200,
      body: `internal.test:${server.port}`,
    });
    expect(await execute("internal.test.", trusted)).toMatchObject({ status: 200 });
  });

  test("refuses its certificate for another name, though it dials the same address", async () => {
    const error = (await execute("other.test", trusted)) as Error;
    expect(error).toMatchObject({ code: "http_unreachable" });
    expect(error.message).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
  });
});

test("an address that a proxy is asked for in place of a computed name has to have the name's certificate", async () => {
  const asked: string[] = [];
  const proxy = createServer((client) => {
    client.once("data", (head) => {
      asked.push(head.toString().split("\r\n", 1)[0] as string);
      const receiver = connect({ host: "127.0.0.1", port: server.port as number }, () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        client.pipe(receiver).pipe(client);
      });
      for (const socket of [client, receiver]) socket.on("error", () => {}); // the client may leave at any time
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const proxies = { https: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, exempt: [] };
  const call = (name: string) =>
    httpExecutor({ proxies, trusted, resolve: async () => ["8.8.8.8"] })(
      httpAttempt(
        { url: `https://${name}/`, method: "GET" },
        { sources: { "/url": { text: "{{ event.payload.url }}" } } },
      ),
      { signal: AbortSignal.timeout(5000), log: createLog("silent") },
    ).catch((error) => error);

  expect(await call("internal.test")).toMatchObject({ status: 200, body: "internal.test" });
  expect(await call("other.test")).toMatchObject({ message: expect.stringContaining("ERR_TLS_CERT_ALTNAME_INVALID") });
  expect(asked).toEqual(["CONNECT 8.8.8.8:443 HTTP/1.1", "CONNECT 8.8.8.8:443 HTTP/1.1"]);
  proxy.close();
});

describe("ACTCORE_CA_FILE", () => {
  test("adds to the usual authorities", async () => {
    const own = await Bun.file(`${CERTIFICATES}/ca.pem`).text();
    expect(trusted).toEqual([...getCACertificates("default"), own.trim()]);
    expect(trusted?.length).toBeGreaterThan(100);
    expect(loadConfig({}, {}).caFile).toBeUndefined();
  });

  test("that is not there, or has no or a damaged certificate, is refused", async () => {
    const damaged = `${tmpdir()}/${crypto.randomUUID()}.pem`;
    await Bun.write(damaged, "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n");
    const messageOf = (caFile: string) => {
      try {
        loadConfig({ caFile }, {});
      } catch (error) {
        return (error as InvalidInputError).faults.map(({ path, message }) => `${path}: ${message}`).join();
      }
      return "accepted";
    };
    expect(messageOf(`${CERTIFICATES}/none.pem`)).toMatch(/^--ca-file: .*cannot be read: ENOENT/);
    expect(messageOf(`${CERTIFICATES}/server.key`)).toMatch(/^--ca-file: .*it has none/);
    expect(messageOf(damaged)).toMatch(/^--ca-file: .*its certificate 1 is none/);
    await Bun.file(damaged).delete();
  });
});
