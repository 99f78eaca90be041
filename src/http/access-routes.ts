import { type Static, Type } from "@sinclair/typebox";
import { AuditView } from "../access/audit.ts";
import { issueKey, KeyRequest, readKeyRequest } from "../access/key-request.ts";
import { KeyView } from "../access/key-store.ts";
import { filterOf, linkNext, PageQuery, type Route, readPage, requireUuid, Since } from "./route.ts";

const KeyQuery = Type.Object(PageQuery, { additionalProperties: false });
const IssuedKey = Type.Composite([Type.Object({ key: Type.String({ description: "Shown only here." }) }), KeyView], {
  title: "IssuedApiKey",
});
const AuditQuery = Type.Object(
  {
    ...PageQuery,
    subject: Type.Optional(Type.String({ maxLength: 300, description: "Such as `definition:{id}`." })),
    actor: Type.Optional(Type.String({ maxLength: 1000, description: "Such as `key:{name}`." })),
    since: Type.Optional(Since),
  },
  { additionalProperties: false },
);

/** Who may use the API, and who changed what. */
export const ACCESS_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/keys",
    tag: "Access",
    scope: "admin",
    summary: "List the API keys, newest first, without the keys themselves",
    query: KeyQuery,
    answers: { 200: Type.Array(KeyView) },
    async handle({ query, services, url }) {
      const page = readPage(query as Static<typeof KeyQuery>);
      const rows = await services.keys.list(page);
      return { body: rows, headers: linkNext(url, rows.length, page.limit, rows.at(-1)?.key_id) };
    },
  },
  {
    method: "POST",
    path: "/keys",
    tag: "Access",
    scope: "admin",
    summary: "Make an API key; from the first one on, loopback needs one too",
    body: KeyRequest,
    answers: { 201: IssuedKey },
    async handle({ body, services, actor }) {
      const issued = await issueKey(services.keys, readKeyRequest(body), { actor });
      return { status: 201, body: issued, headers: { "cache-control": "no-store" } };
    },
  },
  {
    method: "DELETE",
    path: "/keys/:key_id",
    tag: "Access",
    scope: "admin",
    summary: "Revoke an API key, for ever and at once",
    params: Type.Object({ key_id: Type.String({ format: "uuid" }) }),
    answers: { 204: Type.Null() },
    async handle({ params, services, actor }) {
      await services.keys.revoke(requireUuid(params, "key_id"), { actor });
      return { status: 204 };
    },
  },
  {
    method: "GET",
    path: "/audit",
    tag: "Access",
    scope: "admin",
    summary: "List who changed what, newest first",
    query: AuditQuery,
    answers: { 200: Type.Array(AuditView) },
    async handle({ query, services, url }) {
      const page = readPage(query as Static<typeof AuditQuery>);
      const rows = await services.audit.list(filterOf(query), page);
      return { body: rows, headers: linkNext(url, rows.length, page.limit, rows.at(-1)?.entry_id) };
    },
  },
];
