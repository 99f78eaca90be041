import { describe, expect, test } from "bun:test";
import { readKeyRequest } from "../../src/access/key-request.ts";
import { SCOPES } from "../../src/access/scope.ts";
import { parseNewDefinition } from "../../src/definition/rest-change.ts";
import { findEnvelopeFaults } from "../../src/event/envelope.ts";
import { type Access, createApp, createRoutes } from "../../src/http/app.ts";
import type { Services } from "../../src/http/services.ts";
import { findFaults } from "../../src/json/faults.ts";
import { createLog } from "../../src/kernel/log.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

/** The last one asks for a signature. */
const OPEN = ["GET /healthz", "GET /readyz", "POST /hooks/:name"];
/** Static, the same for everyone, and without a key of their own. */
const DOCUMENTATION = [
  "/",
  "/docs",
  "/docs/start.js",
  "/docs/swagger-ui.js",
  "/docs/swagger-ui.css",
  "/openapi.json",
  "/schemas/definition-file.schema.json",
];

const nobody: Access = {
  hosts: { loopback: true, hosts: [] },
  closed: () => undefined,
  authenticate: () => Promise.reject(new Error("the documentation asks for no key")),
};
const app = createApp({} as Services, nobody, createLog("silent"), TASK_TYPES);
const ROUTES = createRoutes(TASK_TYPES);
const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

describe("every route", () => {
  test.each(ROUTES.map((route) => [nameOf(route), route] as const))("%s says which scope it needs", (name, route) => {
    expect(Object.hasOwn(route, "scope")).toBe(true);
    if (OPEN.includes(name)) expect(route.scope).toBeNull();
    else expect(SCOPES as readonly unknown[]).toContain(route.scope);
  });

  test("that is served stands in the table, or is documentation", () => {
    const served = app.routes.filter(({ path }) => !DOCUMENTATION.includes(path)).map(nameOf);
    expect(served.sort()).toEqual(ROUTES.map(nameOf).sort());
  });

  test("stands in the OpenAPI document with its scope", async () => {
    const document = await (await app.handle(new Request("http://localhost/openapi.json"))).json();
    expect(Object.keys(document.components.securitySchemes)).toEqual(["bearer", "header"]);
    for (const { method, path, scope } of ROUTES) {
      const operation = document.paths[path.replace(/:(\w+)/g, "{$1}")][method.toLowerCase()];
      expect([path, operation["x-scope"] ?? null]).toEqual([path, scope]);
      expect(operation.security).toEqual(scope === null ? [] : [{ bearer: [] }, { header: [] }]);
      if (scope !== null) expect(operation.description).toContain(`\`${scope}\``);
    }
  });
});

describe("every route that takes a body", () => {
  const routes = ROUTES.filter(({ body }) => body !== undefined);

  test.each(routes.map((route) => [nameOf(route), route] as const))(
    "%s offers JSON alone, with an example that it would take",
    async (_, route) => {
      const document = await (await app.handle(new Request("http://localhost/openapi.json"))).json();
      const operation = document.paths[route.path.replace(/:(\w+)/g, "{$1}")][route.method.toLowerCase()];
      const { content, required } = operation.requestBody;
      expect(Object.keys(content)).toEqual(["application/json"]);
      expect(required).toBe(route.body?.optional !== true);
      const { schema, example } = content["application/json"];
      expect(example).toEqual(route.body?.example);
      if (route.body) expect(findFaults(route.body.schema, example)).toEqual([]);
      if (schema.title === "ActivityDefinitionInput" && route.method === "POST")
        expect(parseNewDefinition(example, new Date(), TASK_RULES)).toMatchObject({ name: example.name });
      if (schema.title === "EventEnvelope") expect(findEnvelopeFaults(example)).toEqual([]);
      if (schema.title === "ApiKeyRequest") expect(readKeyRequest(example)).toMatchObject({ name: example.name });
    },
  );
});

test("the root leads to the documentation", async () => {
  const { status, headers } = await app.handle(new Request("http://localhost/"));
  expect([status, headers.get("location")]).toEqual([307, "/docs"]);
});

test("the schema of definition files is served as it is published, without a key", async () => {
  const answer = await app.handle(new Request("http://localhost/schemas/definition-file.schema.json"));
  const published = Bun.file(new URL("../../docs/schemas/definition-file.schema.json", import.meta.url));
  expect(await answer.text()).toBe(await published.text());
});

test("a retired definition is deleted as it was read: one that a sync revives meanwhile stays", async () => {
  const asked: unknown[] = [];
  const definitions = {
    find: async () => ({ name: "x", source: "file:x.yaml", retired_at: "2026-01-01T00:00:00Z", version: 3 }),
    remove: async (_: string, context: object) => void asked.push(context),
  };
  const anybody: Access = { ...nobody, authenticate: async () => ({ actor: "anonymous", scopes: SCOPES }) };
  const served = createApp({ definitions } as unknown as Services, anybody, createLog("silent"), TASK_TYPES);
  const path = `http://localhost/activity-definitions/${crypto.randomUUID()}`;
  expect((await served.handle(new Request(path, { method: "DELETE" }))).status).toBe(204);
  expect(asked).toEqual([{ actor: "anonymous", expectedVersion: 3 }]);
});
