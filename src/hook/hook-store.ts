/** Hooks as they are stored and answered, and the port through which REST keeps them; postgres/hook/hook-store.ts is behind it. */
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import type { ChangeContext } from "../definition/store.ts";
import { Nullable } from "../json/schema-parts.ts";
import { type HookBody, HookInputSchema } from "./schema.ts";

const { name, verify, secrets, description, tolerance, hmac, token, map } = HookInputSchema.properties;
const orNull = <T extends TSchema>(schema: T) => Nullable(Type.Optional(schema, false));

/** What is answered of a hook. It has the names of secrets, and nothing of their values (I10). */
export const HookViewSchema = Type.Object(
  {
    id: Type.String({ format: "uuid" }),
    name,
    url: Type.String({
      description: "The path of its address: what a sender is told to POST to.",
      examples: ["/hooks/github"],
    }),
    description: orNull(description),
    enabled: Type.Boolean(),
    verify,
    secrets,
    tolerance: orNull(tolerance),
    hmac: orNull(hmac),
    token: orNull(token),
    map: orNull(map),
    version: Type.Integer({ minimum: 1, description: "Every change adds one." }),
    source: Type.String({ description: "`rest`, or the file that made it." }),
    created_at: Type.String({ format: "date-time" }),
    updated_at: Type.String({ format: "date-time" }),
  },
  { additionalProperties: false, title: "Hook" },
);
export type HookView = Static<typeof HookViewSchema>;

/** What the store adds to a hook; a client may send it back as it got it. */
export const STORED_HOOK_FIELDS = ["id", "url", "version", "source", "created_at", "updated_at"] as const;

/** Every change adds a version and is audited, in one transaction. A retired hook is not there. */
export interface HookStore {
  /** @throws TerminalError `name_taken` */
  create(body: HookBody, actor: string): Promise<HookView>;
  /**
   * Replaces a hook by what `change` makes of it, under a lock; an equal result changes nothing.
   * @throws TerminalError `not_found`, `version_mismatch`, `name_taken`; what `change` throws
   */
  change(name: string, change: (stored: HookView) => HookBody, context: ChangeContext): Promise<HookView>;
  /** @throws TerminalError `not_found`, `version_mismatch`; what `check` throws */
  remove(name: string, check: (stored: HookView) => void, context: ChangeContext): Promise<void>;
  find(name: string): Promise<HookView | undefined>;
  /** By name. */
  list(page: { limit: number; after?: string }): Promise<HookView[]>;
}
