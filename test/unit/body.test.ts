/** What comes in as a request's body. */
import { afterAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { type Access, createApp } from "../../src/http/app.ts";
import { readJson } from "../../src/http/body.ts";
import type { Services } from "../../src/http/services.ts";
import type { Log } from "../../src/kernel/log.ts";
import { TASK_TYPES } from "../../src/task/types.ts";

const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  readJson(new Request("http://localhost/events", { method: "POST", body: body as string, headers }));

test.each(["gzip", "br", "gzip, identity"])(
  "a body with the encoding %s is refused with what to send",
  async (encoding) => {
    expect(post(gzipSync("{}"), { "content-encoding": encoding })).rejects.toMatchObject({
      code: "unsupported_media_type",
      message: `expected a body without an encoding, received ${encoding}`,
      hint: "send the JSON as it is, without Content-Encoding",
    });
  },
);

test("a body that is said to have no encoding is read", async () => {
  expect(await post("{}", { "content-encoding": "identity" })).toEqual({});
});

const logged: unknown[] = [];
const note = (level: string) => (fields: object, message: string) => void logged.push([level, message, fields]);
const log = { error: note("error"), warn: note("warn"), info: note("info"), debug: note("debug") } as unknown as Log;
const access: Access = {
  hosts: { loopback: true, hosts: [] },
  closed: () => undefined,
  authenticate: async () => ({ actor: "anonymous", scopes: ["admin"] }),
};
const { promise: cut, resolve: noteCut } = Promise.withResolvers<void>();
const reached: Access = {
  ...access,
  async authenticate(...asked) {
    noteCut();
    return access.authenticate(...asked);
  },
};
const app = createApp({} as Services, reached, log, TASK_TYPES).listen({ hostname: "127.0.0.1", port: 0 });
afterAll(() => app.stop(true));

test("a caller who leaves in the middle of an upload is no error in the log", async () => {
  const socket = connect(app.server?.port as number, "127.0.0.1");
  socket.write("POST /events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{");
  await cut;
  await Bun.sleep(50);
  socket.destroy();
  await Bun.sleep(200);
  expect(logged).toEqual([]);
});
