/**
 * Definitions over REST. They are checked by definition/validate.ts, which names every fault, and changed by
 * definition/rest-change.ts.
 */
import { type Static, Type } from "@sinclair/typebox";
import { applyChange, parseNewDefinition } from "../../definition/rest-change.ts";
import { definitionInputSchema, definitionSchema } from "../../definition/schema.ts";
import { REST_SOURCE } from "../../definition/store.ts";
import { InvalidInputError, TerminalError } from "../../kernel/errors.ts";
import type { TaskTypes } from "../../task/task-type.ts";
import { ActivityId, ActivityParams } from "../activity-id.ts";
import { linkNext, listQuery } from "../query.ts";
import { type Reply, type Route, requireFound, requireUuid } from "../route.ts";

const VersionQuery = listQuery({});

/** The README's. */
export const EXAMPLE_DEFINITION = {
  name: "morning-report",
  trigger_config: { trigger_type: "cron", cron_expression: "0 9 * * MON-FRI", timezone: "Europe/Berlin" },
  task_templates: [
    {
      key: "report",
      type: "http",
      timeout: "30s",
      params: { method: "POST", url: "http://127.0.0.1:3000/report" },
      retry: { max_attempts: 5, initial_interval: "1s" },
    },
  ],
};

/** Of definitions that may have tasks of these types. */
export function definitionRoutes(types: TaskTypes): readonly Route[] {
  const InputSchema = definitionInputSchema(types);
  const DefinitionSchema = definitionSchema(types);
  const ListQuery = listQuery({
    name: Type.Optional(Type.String({ ...DefinitionSchema.properties.name, description: "Exactly this name." })),
    enabled: Type.Optional(Type.Boolean({ expected: "true or false" })),
    trigger_type: Type.Optional(DefinitionSchema.properties.trigger_type),
    source: Type.Optional(Type.String({ maxLength: 1000 })),
    retired: Type.Optional(
      Type.Boolean({ expected: "true or false", description: "Whether its document is gone; both when absent." }),
    ),
  });
  const VersionSchema = Type.Composite(
    [
      Type.Omit(DefinitionSchema, ["id", "enabled_override", "source", "retired_at", "updated_at"]),
      Type.Object({ version: Type.Integer(), created_at: Type.String({ format: "date-time" }) }),
    ],
    { title: "ActivityDefinitionVersion" },
  );

  /** What a change answers to who may write definitions, and not read them. */
  const ReceiptSchema = Type.Pick(DefinitionSchema, ["id", "version", "updated_at"], { title: "DefinitionReceipt" });

  const change = (method: "PUT" | "PATCH", example: object): Route => ({
    method,
    path: "/activity-definitions/:id",
    tag: "Definitions",
    scope: "definitions:write",
    summary: "Change some top-level keys, each as a whole; If-Match or `version` makes it conditional",
    params: ActivityParams,
    body: Type.Partial(InputSchema),
    example,
    answers: {
      200: Type.Union([DefinitionSchema, ReceiptSchema], {
        description: "The receipt for a key without `definitions:read`.",
      }),
    },
    async handle({ params, body, services, actor, headers, may }) {
      const context = { actor, ...expectedVersion(headers, body) };
      const definition = await services.definitions.change(
        requireUuid(params, "id"),
        (stored) => applyChange(stored, body, new Date(), { types, engines: services.engines }),
        context,
      );
      const { id, version, updated_at } = definition;
      return withTag(may("definitions:read") ? definition : { id, version, updated_at });
    },
  });

  return [
    {
      method: "GET",
      path: "/activity-definitions",
      tag: "Definitions",
      scope: "definitions:read",
      summary: "List the definitions, in the order of their names",
      query: ListQuery,
      answers: { 200: Type.Array(DefinitionSchema) },
      async handle({ query, services, url }) {
        const { limit = 100, cursor, ...filter } = query as Static<typeof ListQuery>;
        const rows = await services.definitions.list(filter, { limit, ...(cursor !== undefined && { after: cursor }) });
        return { body: rows, headers: linkNext(url, rows.length, limit, rows.at(-1)?.name) };
      },
    },
    {
      method: "POST",
      path: "/activity-definitions",
      tag: "Definitions",
      scope: "definitions:write",
      summary: "Create a definition",
      body: InputSchema,
      example: EXAMPLE_DEFINITION,
      answers: { 201: DefinitionSchema },
      async handle({ body, services, actor }) {
        const definition = await services.definitions.create(
          parseNewDefinition(body, new Date(), { types, engines: services.engines }),
          REST_SOURCE,
          {
            actor,
          },
        );
        return withTag(definition, { status: 201, headers: { location: `/activity-definitions/${definition.id}` } });
      },
    },
    {
      method: "GET",
      path: "/activity-definitions/:id",
      tag: "Definitions",
      scope: "definitions:read",
      summary: "Read a definition",
      params: ActivityParams,
      answers: { 200: DefinitionSchema },
      async handle({ params, services }) {
        const id = requireUuid(params, "id");
        return withTag(requireFound(await services.definitions.find(id), `definition ${id}`));
      },
    },
    change("PUT", { trigger_config: EXAMPLE_DEFINITION.trigger_config }),
    change("PATCH", { enabled: false }),
    {
      method: "DELETE",
      path: "/activity-definitions/:id",
      tag: "Definitions",
      scope: "definitions:write",
      summary: "Delete a definition that REST made, or a retired one; its runs stay",
      params: ActivityParams,
      answers: { 204: Type.Null() },
      async handle({ params, services, actor, headers }) {
        const id = requireUuid(params, "id");
        const stored = requireFound(await services.definitions.find(id), `definition ${id}`);
        const isOfFile = stored.source !== REST_SOURCE;
        if (isOfFile && stored.retired_at === null)
          throw new TerminalError(
            "definition_from_file",
            `${stored.name} comes from ${stored.source}: it can only be removed there`,
            {
              hint: "remove its document and sync, which retires it; over REST it can be disabled with `enabled: false`",
            },
          );
        // A sync may revive it meanwhile.
        const asRead = isOfFile ? { expectedVersion: stored.version } : {};
        await services.definitions.remove(id, { actor, ...asRead, ...expectedVersion(headers) });
        return { status: 204 };
      },
    },
    {
      method: "GET",
      path: "/activity-definitions/:id/versions",
      tag: "Definitions",
      scope: "definitions:read",
      summary: "List the versions of a definition, newest first; those of a deleted one too",
      params: ActivityParams,
      query: VersionQuery,
      answers: { 200: Type.Array(VersionSchema) },
      async handle({ params, query, services, url }) {
        const id = requireUuid(params, "id");
        const { limit = 100, cursor } = query as Static<typeof VersionQuery>;
        const before = cursor === undefined ? {} : { before: readVersion(cursor, "?cursor") };
        const rows = await services.definitions.listVersions(id, { limit, ...before });
        if (rows.length === 0 && cursor === undefined) requireFound(undefined, `definition ${id}`);
        return { body: rows, headers: linkNext(url, rows.length, limit, rows.at(-1)?.version.toString()) };
      },
    },
    {
      method: "GET",
      path: "/activity-definitions/:id/versions/:version",
      tag: "Definitions",
      scope: "definitions:read",
      summary: "Read a version of a definition",
      params: Type.Object({ id: ActivityId, version: Type.Integer() }),
      answers: { 200: VersionSchema },
      async handle({ params, services }) {
        const id = requireUuid(params, "id");
        const version = readVersion(params.version ?? "", "{version}");
        return {
          body: requireFound(
            await services.definitions.findVersion(id, version),
            `version ${version} of definition ${id}`,
          ),
        };
      },
    },
  ];
}

function withTag<T extends { version: number }>(body: T, reply: Omit<Reply, "body"> = {}): Reply {
  return { ...reply, body, headers: { ...reply.headers, etag: `"${body.version}"` } };
}

/** Of `If-Match: "3"`, or else of `version: 3` in the body. @throws InvalidInputError */
function expectedVersion(headers: Headers, body?: unknown): { expectedVersion?: number } {
  const tag = headers.get("if-match");
  if (tag !== null && tag !== "*")
    return { expectedVersion: readVersion(tag.replace(/^(W\/)?"(.*)"$/, "$2"), "If-Match") };
  const version = (body as { version?: unknown } | null | undefined)?.version;
  return typeof version === "number" ? { expectedVersion: version } : {};
}

function readVersion(text: string, path: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const fault = { path, message: `expected a version number, received ${JSON.stringify(text.slice(0, 80))}` };
  throw new InvalidInputError("the request is not valid", [fault], "invalid_version");
}
