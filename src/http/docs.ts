/** `/openapi.json` and `/docs` from the table of routes, and the schema for editors: from the binary alone, no internet. */
import { swagger } from "@elysiajs/swagger";
import { type TSchema, Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import type { Scope } from "../access/scope.ts";
import { buildInfo } from "../generated/build-info.ts";
import { swaggerUi } from "../generated/swagger-ui.ts";
import type { TaggedRoute } from "./route.ts";

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>actcore API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;
const START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });\n`;

const JSON_TYPE = "application/json";

interface Described {
  content?: Record<string, unknown>;
}

const SECURITY_SCHEMES = {
  bearer: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "actk_…",
    description: "An API key. On loopback none is needed until the first one is made.",
  },
  header: { type: "apiKey", in: "header", name: "X-Api-Key", description: "The same key, in a header of its own." },
} as const;

const PROBLEM = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: "A stable name of the error." }),
    detail: Type.String(),
    hint: Type.Optional(Type.String()),
    errors: Type.Array(Type.Object({ path: Type.String(), message: Type.String() })),
  },
  { title: "Problem" },
);

export function createDocs(routes: readonly TaggedRoute[], documentSchema: string) {
  let document: Promise<string> | undefined;
  const headers = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
  };
  const page = (body: string | Bun.BunFile, type: string) => () =>
    new Response(body, { headers: { ...headers, "content-type": type } });
  return new Elysia()
    .get("/", () => new Response(null, { status: 307, headers: { location: "/docs" } }))
    .get("/docs", page(PAGE, "text/html; charset=utf-8"))
    .get("/docs/start.js", page(START, "text/javascript; charset=utf-8"))
    .get("/docs/swagger-ui.js", page(Bun.file(swaggerUi.script.path), swaggerUi.script.contentType))
    .get("/docs/swagger-ui.css", page(Bun.file(swaggerUi.style.path), swaggerUi.style.contentType))
    .get("/schemas/definition-file.schema.json", page(documentSchema, "application/schema+json"))
    .get("/openapi.json", async () => {
      document ??= renderDocument(routes).catch((error) => {
        document = undefined;
        throw error;
      });
      return new Response(await document, { headers: { "content-type": "application/json" } });
    });
}

/**
 * The swagger plugin makes the document from an application that is never served: its own page would load its script
 * from a CDN.
 */
async function renderDocument(routes: readonly TaggedRoute[]): Promise<string> {
  const described = new Elysia();
  for (const { method, path, tag, scope, summary, params, query, body, answers } of routes) {
    const response = Object.fromEntries(Object.entries(answers).map(([status, schema]) => [status, answer(schema)]));
    described.route(method, path, () => "", {
      ...(params && { params: plain(params) }),
      ...(query && { query: plain(query) }),
      ...(body && { body: plain(body.schema) }),
      response: { ...response, default: answer(PROBLEM) },
      detail: { tags: [tag], summary, ...describeScope(scope) },
    } as object);
  }
  described.use(
    swagger({
      path: "/page",
      specPath: "/openapi.json",
      documentation: {
        info: { title: "actcore", version: buildInfo.version, description: "Events and schedules into tasks." },
        components: { securitySchemes: SECURITY_SCHEMES },
      },
      exclude: ["/page", "/page/json"],
    }),
  );
  const document = await (await described.handle(new Request("http://localhost/openapi.json"))).json();
  for (const route of routes) {
    const { requestBody, responses } =
      document.paths[route.path.replace(/:(\w+)/g, "{$1}")][route.method.toLowerCase()];
    // The plugin offers forms and text as well.
    if (requestBody) {
      const { schema } = requestBody.content[JSON_TYPE];
      requestBody.content = { [JSON_TYPE]: { schema, example: route.body?.example } };
      requestBody.required = route.body?.optional !== true;
    }
    for (const [status, described] of Object.entries<Described>(responses)) {
      const type = status === "default" ? "application/problem+json" : JSON_TYPE;
      if (described.content) described.content = { [type]: described.content[JSON_TYPE] };
    }
  }
  const schemas: Record<string, unknown> = {};
  const paths = shareSchemas(document.paths, schemas);
  const components = { ...document.components, schemas };
  // The plugin says 3.0, but `const` and `null` of our schemas are JSON Schema as 3.1 has it.
  return JSON.stringify({ ...document, openapi: "3.1.0", paths, components });
}

/** Characters of JSON from which on a schema is worth a name of its own. */
const LARGE = 500;

/** The same with a reference in place of each large schema that has a title; those go to `schemas`, each once. */
function shareSchemas(value: unknown, schemas: Record<string, unknown>): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => shareSchemas(item, schemas));
  const shared = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shareSchemas(inner, schemas)]));
  const { title } = shared;
  if (typeof title !== "string" || !/^\w+$/.test(title) || JSON.stringify(shared).length < LARGE) return shared;
  let name = title;
  // What comes in and what goes out may have one title, and differ in their patterns.
  for (let other = 2; name in schemas && !Bun.deepEquals(schemas[name], shared); other++) name = `${title}${other}`;
  schemas[name] = shared;
  return { $ref: `#/components/schemas/${name}` };
}

/** OpenAPI 3.0 has scopes for OAuth only: a key's is in words, and in `x-scope` for programs. */
function describeScope(scope: Scope | null) {
  if (scope === null) return { security: [], description: "Asks for no key." };
  return {
    security: Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [] })),
    description: `Needs a key with the scope \`${scope}\`${scope === "admin" ? "" : " or `admin`"}.`,
    "x-scope": scope,
  };
}

/** A schema as bare JSON Schema: shown, not enforced. */
function plain(schema: TSchema, without: readonly string[] = ["expected"]): TSchema {
  return Type.Unsafe(JSON.parse(JSON.stringify(schema, (key, value) => (without.includes(key) ? undefined : value))));
}

/** Without the patterns, of which the page would make examples that nobody can read: they are for what comes in. */
function answer(schema: TSchema): TSchema {
  return plain(schema, ["expected", "pattern"]);
}
