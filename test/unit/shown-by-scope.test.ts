/** An answer shows no more than the scopes of the key allow. */
import { describe, expect, test } from "bun:test";
import type { Scope } from "../../src/access/scope.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import { type Access, createApp } from "../../src/http/app.ts";
import type { Services } from "../../src/http/services.ts";
import { createLog } from "../../src/kernel/log.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const ID = "0b0b0b0b-0000-7000-8000-000000000000";
const SECRET = "s3cret";
const PARAMS = {
  method: "POST",
  url: `https://user:${SECRET}@shop.local/hook?token=${SECRET}`,
  headers: { Authorization: `Bearer ${SECRET}` },
  body: { token: SECRET },
};
const TASK = { task_id: ID, type: "http", params: PARAMS, waiting_for: null };

const body = parseDefinition(
  {
    name: "mail",
    trigger_config: { trigger_type: "event", event_type: "x" },
    task_templates: [{ key: "a", type: "http", params: PARAMS }],
  },
  TASK_RULES,
);
const definition = {
  ...{ id: ID, ...body, enabled_override: null, version: 3, source: "rest", retired_at: null },
  ...{ created_at: "2026-01-01T00:00:00.000Z", updated_at: "2026-01-02T00:00:00.000Z" },
} satisfies Definition;

async function ask(scopes: readonly Scope[], method: string, path: string, sent?: object) {
  const access: Access = {
    hosts: { loopback: true, hosts: [] },
    closed: () => undefined,
    authenticate: async () => ({ actor: "key:test", scopes }),
  };
  const services = {
    rules: TASK_RULES,
    ledger: {
      findTask: async (id: string) => (id === ID ? TASK : { ...TASK, type: "log", params: { message: "m" } }),
    },
    expectations: { read: async () => new Map() },
    definitions: {
      async change(_: string, change: (stored: object) => unknown) {
        change({ definition, body });
        return definition;
      },
    },
  } as unknown as Services;
  const app = createApp(services, access, createLog("silent"), TASK_TYPES);
  const init =
    sent === undefined ? {} : { body: JSON.stringify(sent), headers: { "content-type": "application/json" } };
  const answer = await app.handle(new Request(`http://localhost${path}`, { method, ...init }));
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

describe("a key that may read tasks and no definitions", () => {
  const hidden = {
    method: "POST",
    url: "https://***@shop.local/hook?…",
    headers: { Authorization: "***" },
    body: "***",
  };

  test("is shown an http task without its header values, body and query", async () => {
    const { text } = await ask(["tasks:read"], "GET", `/tasks/${ID}`);
    expect(JSON.parse(text)).toEqual({ ...TASK, params: hidden });
  });

  test("is shown the message of a log task, which is no secret", async () => {
    const { text } = await ask(["tasks:read"], "GET", `/tasks/${crypto.randomUUID()}`);
    expect(JSON.parse(text).params).toEqual({ message: "m" });
  });
});

test.each(["/explain?event_id=e", "/unmatched-event-types"])(
  "%s tells what definitions wait for, so a key that may not read definitions is refused",
  async (path) => {
    const { status, text } = await ask(["runs:read"], "GET", path);
    expect([status, JSON.parse(text).code]).toEqual([403, "scope_missing"]);
    expect(text).toContain("definitions:read");
    expect((await ask(["definitions:read"], "GET", path)).status).toBe(403);
  },
);

test.each([[["tasks:read", "definitions:read"]], [["admin"]]] as Scope[][][])(
  "a key with %p is shown a task as it is",
  async (scopes) => {
    expect(JSON.parse((await ask(scopes, "GET", `/tasks/${ID}`)).text)).toEqual(TASK);
  },
);

describe.each(["PATCH", "PUT"])("%s", (method) => {
  const path = `/activity-definitions/${ID}`;

  test("answers a receipt to a key that may write definitions and not read them", async () => {
    const { status, headers, text } = await ask(["definitions:write"], method, path, {});
    expect([status, headers.get("etag")]).toEqual([200, '"3"']);
    expect(JSON.parse(text)).toEqual({ id: ID, version: 3, updated_at: "2026-01-02T00:00:00.000Z" });
  });

  test("shows such a key nothing of what stays in a fault either", async () => {
    const { status, text } = await ask(["definitions:write"], method, path, { trigger_config: 1, name: "" });
    expect(status).toBe(400);
    expect(text).not.toContain(SECRET);
  });

  test("answers the definition to a key that may read it", async () => {
    const { text } = await ask(["definitions:write", "definitions:read"], method, path, {});
    expect(JSON.parse(text)).toEqual({ ...definition, expectation: null });
  });
});
