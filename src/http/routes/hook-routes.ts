/** Hooks over REST, beside those of files. Whatever is sent to a hook comes in by another door: POST /hooks/{name}. */
import { Type } from "@sinclair/typebox";
import { HookViewSchema } from "../../hook/hook-store.ts";
import { applyHookChange, requireOfRest } from "../../hook/rest-change.ts";
import { HookInputSchema, parseHook } from "../../hook/schema.ts";
import { isStorable } from "../ids.ts";
import { BY_NAME, listRoute } from "../list-route.ts";
import { type Route, requireFound, route } from "../route.ts";
import { expectedVersion, withTag } from "../version.ts";

const Params = Type.Object({ name: Type.String() });
/** What a change answers to who may write definitions, and not read them. */
const ReceiptSchema = Type.Pick(HookViewSchema, ["id", "version", "updated_at"], { title: "HookReceipt" });

const change = (method: "PUT" | "PATCH", example: object) =>
  route({
    method,
    path: "/hooks/:name",
    scope: "definitions:write",
    summary: "Change some top-level keys of a hook that REST made, each as a whole; null takes an optional one away",
    params: Params,
    // It is checked together with the stored hook that it changes.
    body: { schema: Type.Partial(HookInputSchema), example, read: (json) => json },
    answers: {
      200: Type.Union([HookViewSchema, ReceiptSchema], {
        description: "The receipt for a key without `definitions:read`.",
      }),
    },
    async handle({ params: { name }, body, services, actor, headers, may }) {
      const hook = await services.hooks.change(requireStorable(name), (stored) => applyHookChange(stored, body), {
        actor,
        ...expectedVersion(headers, body),
      });
      const { id, version, updated_at } = hook;
      return withTag(may("definitions:read") ? hook : { id, version, updated_at });
    },
  });

export const HOOK_ROUTES: readonly Route[] = [
  listRoute({
    path: "/hooks",
    scope: "definitions:read",
    summary: "List the hooks, by name",
    filters: {},
    row: HookViewSchema,
    cursor: BY_NAME,
    read: ({ services }, _, page) => services.hooks.list(page),
  }),
  route({
    method: "POST",
    path: "/hooks",
    scope: "definitions:write",
    summary: "Create a hook: what is sent to POST /hooks/{name} becomes an event",
    body: {
      schema: HookInputSchema,
      example: { name: "github", verify: "github", secrets: ["GITHUB_HOOK"] },
      read: parseHook,
    },
    answers: { 201: HookViewSchema },
    async handle({ body, services, actor }) {
      const hook = await services.hooks.create(body, actor);
      return withTag(hook, { status: 201, headers: { location: hook.url } });
    },
  }),
  route({
    method: "GET",
    path: "/hooks/:name",
    scope: "definitions:read",
    summary: "Read a hook",
    params: Params,
    answers: { 200: HookViewSchema },
    async handle({ params: { name }, services }) {
      return withTag(requireFound(await services.hooks.find(requireStorable(name)), describe(name)));
    },
  }),
  change("PUT", { secrets: ["GITHUB_HOOK", "GITHUB_HOOK_NEXT"] }),
  change("PATCH", { enabled: false }),
  route({
    method: "DELETE",
    path: "/hooks/:name",
    scope: "definitions:write",
    summary: "Delete a hook that REST made; the events that it made stay",
    params: Params,
    answers: { 204: Type.Null() },
    async handle({ params: { name }, services, actor, headers }) {
      await services.hooks.remove(requireStorable(name), requireOfRest, { actor, ...expectedVersion(headers) });
      return { status: 204 };
    },
  }),
];

/** @throws TerminalError `not_found` for a name that no hook can have */
function requireStorable(name: string): string {
  return requireFound(isStorable(name) ? name : undefined, describe(name));
}

function describe(name: string): string {
  return `hook ${JSON.stringify(name.slice(0, 200))}`;
}
