/** What is known of a key, and the port that keeps keys; postgres/access/key-store.ts is behind it. */
import { type Static, Type } from "@sinclair/typebox";
import { Nullable } from "../json/schema-parts.ts";
import { type Scope, ScopeSchema } from "./scope.ts";

const Time = Type.String({ format: "date-time" });

/** Everything but the key itself, which nobody knows any more. */
export const KeyView = Type.Object(
  {
    key_id: Type.String({ format: "uuid" }),
    name: Type.String(),
    scopes: Type.Array(ScopeSchema),
    created_at: Time,
    expires_at: Nullable(Time),
    last_used_at: Nullable(Type.String({ format: "date-time", description: "To the minute." })),
    revoked_at: Nullable(Time),
  },
  { title: "ApiKey" },
);
export type KeyView = Static<typeof KeyView>;

/** A key that is to be made. */
export interface NewKey {
  name: string;
  scopes: Scope[];
  /** null: never. */
  expires_at: Date | null;
}

/** Every change is audited in its own transaction. Keys are never deleted: that one was made stays known. */
export interface KeyStore {
  /** Whether a key was ever made, also one that is expired or revoked. */
  anyMade(): Promise<boolean>;
  findByHash(hash: string): Promise<KeyView | undefined>;
  /** Notes that the key was used now, unless that was noted within the last minute. */
  noteUse(keyId: string): Promise<void>;
  /** @throws TerminalError `name_taken` when a key that is not revoked has the name */
  create(key: NewKey & { hash: string }, context: { actor: string }): Promise<KeyView>;
  /** For ever; a revoked one stays as it is. @throws TerminalError `not_found` */
  revoke(keyId: string, context: { actor: string }): Promise<KeyView>;
  /** Newest first. */
  list(page: { limit: number; after?: string }): Promise<KeyView[]>;
}
