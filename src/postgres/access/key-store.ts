/** API keys in Postgres, as hashes. */
import { and, desc, eq, isNull, lt, or, sql } from "drizzle-orm";
import type { KeyStore, KeyView } from "../../access/key-store.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { type Database, errorCode, guarded } from "../client.ts";
import { apiKeys } from "../definition-tables.ts";
import { writeAudit } from "./audit.ts";

type Row = typeof apiKeys.$inferSelect;

export function createKeyStore(db: Database): KeyStore {
  return {
    async anyMade() {
      return (await guarded(db.select({ key_id: apiKeys.key_id }).from(apiKeys).limit(1))).length > 0;
    },
    async findByHash(hash) {
      const [row] = await guarded(db.select().from(apiKeys).where(eq(apiKeys.hash, hash)));
      return row && toView(row);
    },
    async noteUse(keyId) {
      // Asked again here: many requests and processes may find the same minute passed.
      const due = or(isNull(apiKeys.last_used_at), lt(apiKeys.last_used_at, sql`now() - interval '1 minute'`));
      await guarded(
        db
          .update(apiKeys)
          .set({ last_used_at: sql`now()` })
          .where(and(eq(apiKeys.key_id, keyId), due)),
      );
    },
    async create({ name, scopes, expires_at, hash }, { actor }) {
      try {
        return await guarded(
          db.transaction(async (tx) => {
            const row = { key_id: Bun.randomUUIDv7(), name, scopes, expires_at, hash };
            const [created] = await tx.insert(apiKeys).values(row).returning();
            const after = toView(created as Row);
            await writeAudit(tx, { actor, action: "create", subject: `key:${after.key_id}`, after });
            return after;
          }),
        );
      } catch (error) {
        if (errorCode(error) !== "23505") throw error;
        throw new TerminalError("name_taken", `there is a key named ${JSON.stringify(name)} already`, {
          hint: "revoke it first, or take another name: the audit log tells keys apart by it",
        });
      }
    },
    async revoke(keyId, { actor }) {
      return await guarded(
        db.transaction(async (tx) => {
          const [before] = await tx.select().from(apiKeys).where(eq(apiKeys.key_id, keyId)).for("update");
          if (before === undefined) throw new TerminalError("not_found", `key ${keyId} is not there`);
          if (before.revoked_at !== null) return toView(before);
          const [row] = await tx
            .update(apiKeys)
            .set({ revoked_at: sql`now()` })
            .where(eq(apiKeys.key_id, keyId))
            .returning();
          const after = toView(row as Row);
          await writeAudit(tx, { actor, action: "revoke", subject: `key:${keyId}`, before: toView(before), after });
          return after;
        }),
      );
    },
    async list({ limit, after }) {
      const older = after === undefined ? undefined : lt(apiKeys.key_id, after);
      const query = db.select().from(apiKeys).where(older);
      return (await guarded(query.orderBy(desc(apiKeys.key_id)).limit(limit))).map(toView);
    },
  };
}

function toView({ hash: _, ...row }: Row): KeyView {
  return {
    ...row,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
  };
}
