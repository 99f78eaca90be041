/** Over REST: who may use the API, and who changed what. */
import { Type } from "@sinclair/typebox";
import { AuditView } from "../../access/audit.ts";
import { issueKey, KeyRequest, readKeyRequest } from "../../access/key-request.ts";
import { KeyView } from "../../access/key-store.ts";
import { Uuid } from "../ids.ts";
import { byId, listRoute } from "../list-route.ts";
import { Since } from "../query.ts";
import { type Route, route } from "../route.ts";

const IssuedKey = Type.Composite([Type.Object({ key: Type.String({ description: "Shown only here." }) }), KeyView], {
  title: "IssuedApiKey",
});

export const ACCESS_ROUTES: readonly Route[] = [
  listRoute({
    path: "/keys",
    scope: "admin",
    summary: "List the API keys, newest first, without the keys themselves",
    filters: {},
    row: KeyView,
    cursor: byId("key_id"),
    read: ({ services }, _, page) => services.keys.list(page),
  }),
  route({
    method: "POST",
    path: "/keys",
    scope: "admin",
    summary: "Make an API key; from the first one on, loopback needs one too",
    body: {
      schema: KeyRequest,
      example: { name: "shop", scopes: ["events:write"], expires_in: "90d" },
      read: (json) => readKeyRequest(json),
    },
    answers: { 201: IssuedKey },
    async handle({ body, services, actor }) {
      const issued = await issueKey(services.keys, body, { actor });
      return { status: 201, body: issued, headers: { "cache-control": "no-store" } };
    },
  }),
  route({
    method: "DELETE",
    path: "/keys/:key_id",
    scope: "admin",
    summary: "Revoke an API key, for ever and at once",
    params: Type.Object({ key_id: Uuid }),
    answers: { 204: Type.Null() },
    async handle({ params, services, actor }) {
      await services.keys.revoke(params.key_id, { actor });
      return { status: 204 };
    },
  }),
  listRoute({
    path: "/audit",
    scope: "admin",
    summary: "List who changed what, newest first",
    filters: {
      subject: Type.Optional(Type.String({ maxLength: 300, description: "Such as `definition:{id}`." })),
      actor: Type.Optional(Type.String({ maxLength: 1000, description: "Such as `key:{name}`." })),
      since: Type.Optional(Since),
    },
    row: AuditView,
    cursor: byId("entry_id"),
    read: ({ services }, filter, page) => services.audit.list(filter, page),
  }),
];
