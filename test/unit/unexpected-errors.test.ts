/** What a caller of the API sees of an error that nobody expected. */
import { expect, test } from "bun:test";
import { createApp } from "../../src/http/app.ts";
import type { Services } from "../../src/http/services.ts";
import { createLog } from "../../src/kernel/log.ts";
import { TASK_TYPES } from "../../src/task/types.ts";

test("an unexpected error is a problem without a stack, also where it cannot be logged", async () => {
  const log = new Proxy(createLog("silent"), {
    get: () => () => {
      throw new Error("the log cannot be written");
    },
  });
  const access = {
    authenticate: async () => ({ actor: "anonymous", scopes: ["admin"] as const }),
    hosts: { loopback: true, hosts: [] },
    closed: () => undefined,
  };
  // Each service that is not there is an unexpected TypeError.
  const app = createApp({} as Services, access as never, log as never, TASK_TYPES).listen({
    port: 0,
    hostname: "127.0.0.1",
  });
  try {
    for (const [method, path] of [
      ["GET", "/readyz"],
      ["GET", "/activity-definitions"],
    ]) {
      const response = await fetch(`http://127.0.0.1:${app.server?.port}${path}`, { method: method ?? "GET" });
      expect([response.status, response.headers.get("content-type")]).toEqual([500, "application/problem+json"]);
      expect(await response.json()).toMatchObject({ code: "internal", detail: "an unexpected error; the log has it" });
    }
  } finally {
    await app.stop(true);
  }
});
