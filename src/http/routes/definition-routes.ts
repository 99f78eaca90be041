/**
 * Definitions over REST. They are checked by definition/validate.ts, which names every fault, and changed by
 * definition/rest-change.ts.
 */
import { Type } from "@sinclair/typebox";
import { applyChange, parseNewDefinition } from "../../definition/rest-change.ts";
import { type Definition, type DefinitionBody, definitionInputSchema } from "../../definition/schema.ts";
import { REST_SOURCE } from "../../definition/store.ts";
import { type DefinitionView, definitionViewSchema } from "../../explain/definition-view.ts";
import { TerminalError } from "../../kernel/errors.ts";
import type { TaskTypes } from "../../task/task-type.ts";
import { ActivityId, ActivityParams } from "../ids.ts";
import { BY_NAME, listRoute } from "../list-route.ts";
import { type Body, type Route, requireFound, route } from "../route.ts";
import type { Services } from "../services.ts";
import { expectedVersion, readVersion, withTag } from "../version.ts";

const TRIGGER = { trigger_type: "cron", cron_expression: "0 9 * * MON-FRI", timezone: "Europe/Berlin" };

/** The body of a definition that is not stored yet. */
export function newDefinition(types: TaskTypes): Body<DefinitionBody> {
  return {
    schema: definitionInputSchema(types),
    // README.md creates the same one.
    example: {
      name: "morning-report",
      trigger_config: TRIGGER,
      task_templates: [
        {
          key: "report",
          type: "http",
          timeout: "30s",
          params: { method: "POST", url: "http://127.0.0.1:3000/report" },
          retry: { max_attempts: 5, initial_interval: "1s" },
        },
      ],
    },
    read: (json, { services }) => parseNewDefinition(json, new Date(), services.rules),
  };
}

async function withExpectations(
  { expectations }: Services,
  definitions: readonly Definition[],
): Promise<DefinitionView[]> {
  const states = await expectations.read(definitions.map(({ id }) => id));
  return definitions.map((definition) => ({ ...definition, expectation: states.get(definition.id) ?? null }));
}

async function withExpectation(services: Services, definition: Definition): Promise<DefinitionView> {
  const [view] = await withExpectations(services, [definition]);
  return view as DefinitionView;
}

/** Routes of definitions that may have tasks of these types. */
export function definitionRoutes(types: TaskTypes): readonly Route[] {
  const DefinitionSchema = definitionViewSchema(types);
  const VersionSchema = Type.Composite(
    [
      Type.Omit(DefinitionSchema, ["id", "enabled_override", "source", "retired_at", "updated_at", "expectation"]),
      Type.Object({ version: Type.Integer(), created_at: Type.String({ format: "date-time" }) }),
    ],
    { title: "ActivityDefinitionVersion" },
  );
  /** What a change answers to who may write definitions, and not read them. */
  const ReceiptSchema = Type.Pick(DefinitionSchema, ["id", "version", "updated_at"], { title: "DefinitionReceipt" });

  const change = (method: "PUT" | "PATCH", example: object) =>
    route({
      method,
      path: "/activity-definitions/:id",
      scope: "definitions:write",
      summary: "Change some top-level keys, each as a whole; If-Match or `version` makes it conditional",
      params: ActivityParams,
      // It is checked together with the stored definition that it changes.
      body: { schema: Type.Partial(definitionInputSchema(types)), example, read: (json) => json },
      answers: {
        200: Type.Union([DefinitionSchema, ReceiptSchema], {
          description: "The receipt for a key without `definitions:read`.",
        }),
      },
      async handle({ params, body, services, actor, headers, may }) {
        const definition = await services.definitions.change(
          params.id,
          (stored) => applyChange(stored, body, new Date(), services.rules),
          { actor, ...expectedVersion(headers, body) },
        );
        const { id, version, updated_at } = definition;
        if (may("definitions:read")) return withTag(await withExpectation(services, definition));
        return withTag({ id, version, updated_at });
      },
    });

  return [
    listRoute({
      path: "/activity-definitions",
      scope: "definitions:read",
      summary: "List the definitions, in the order of their names",
      filters: {
        name: Type.Optional(Type.String({ ...DefinitionSchema.properties.name, description: "Exactly this name." })),
        enabled: Type.Optional(Type.Boolean({ expected: "true or false" })),
        trigger_type: Type.Optional(DefinitionSchema.properties.trigger_type),
        source: Type.Optional(Type.String({ maxLength: 1000 })),
        retired: Type.Optional(
          Type.Boolean({ expected: "true or false", description: "Whether its document is gone; both when absent." }),
        ),
      },
      row: DefinitionSchema,
      cursor: BY_NAME,
      read: async ({ services }, filter, page) =>
        withExpectations(services, await services.definitions.list(filter, page)),
    }),
    route({
      method: "POST",
      path: "/activity-definitions",
      scope: "definitions:write",
      summary: "Create a definition",
      body: newDefinition(types),
      answers: { 201: DefinitionSchema },
      async handle({ body, services, actor }) {
        const definition = await services.definitions.create(body, REST_SOURCE, { actor });
        return withTag(await withExpectation(services, definition), {
          status: 201,
          headers: { location: `/activity-definitions/${definition.id}` },
        });
      },
    }),
    route({
      method: "GET",
      path: "/activity-definitions/:id",
      scope: "definitions:read",
      summary: "Read a definition",
      params: ActivityParams,
      answers: { 200: DefinitionSchema },
      async handle({ params: { id }, services }) {
        const definition = requireFound(await services.definitions.find(id), `definition ${id}`);
        return withTag(await withExpectation(services, definition));
      },
    }),
    change("PUT", { trigger_config: TRIGGER }),
    change("PATCH", { enabled: false }),
    route({
      method: "DELETE",
      path: "/activity-definitions/:id",
      scope: "definitions:write",
      summary: "Delete a definition that REST made, or a retired one; its runs stay",
      params: ActivityParams,
      answers: { 204: Type.Null() },
      async handle({ params: { id }, services, actor, headers }) {
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
        // A sync may revive a retired definition meanwhile: then its version is another one, and it stays.
        const asRead = isOfFile ? { expectedVersion: stored.version } : {};
        await services.definitions.remove(id, { actor, ...asRead, ...expectedVersion(headers) });
        return { status: 204 };
      },
    }),
    listRoute({
      path: "/activity-definitions/:id/versions",
      scope: "definitions:read",
      summary: "List the versions of a definition, newest first; those of a deleted one too",
      params: ActivityParams,
      filters: {},
      row: VersionSchema,
      cursor: { of: ({ version }) => version.toString(), read: (text) => readVersion(text, "?cursor") },
      async read({ params: { id }, services }, _, { limit, after: before }) {
        const rows = await services.definitions.listVersions(id, { limit, ...(before !== undefined && { before }) });
        if (rows.length === 0 && before === undefined) requireFound(undefined, `definition ${id}`);
        return rows;
      },
    }),
    route({
      method: "GET",
      path: "/activity-definitions/:id/versions/:version",
      scope: "definitions:read",
      summary: "Read a version of a definition",
      // Given as text, for a text that is no version is refused with a code of its own.
      params: Type.Object({ id: ActivityId, version: Type.Unsafe<string>(Type.Integer()) }),
      answers: { 200: VersionSchema },
      async handle({ params, services }) {
        const version = readVersion(params.version, "{version}");
        const found = await services.definitions.findVersion(params.id, version);
        return { body: requireFound(found, `version ${version} of definition ${params.id}`) };
      },
    }),
  ];
}
