/** The audit log: written in the transaction of the change that it tells of. */
import { and, desc, eq, gte, lt } from "drizzle-orm";
import type { AuditReader } from "../../access/audit.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { type Database, guarded, inChunks, type Transaction } from "../client.ts";
import { auditLog } from "../ledger-tables.ts";

export interface AuditEntry {
  actor: string;
  action: string;
  subject: string;
  before?: unknown;
  after?: unknown;
}

export async function writeAudit(tx: Transaction | Database, ...entries: AuditEntry[]): Promise<void> {
  const rows = entries.map((entry) => ({ entry_id: Bun.randomUUIDv7(), before: null, after: null, ...entry }));
  await inChunks(rows, (chunk) => tx.insert(auditLog).values(chunk));
}

export function createAuditReader(db: Database): AuditReader {
  return {
    async list({ subject, actor, since }, { limit, after }) {
      const conditions = [
        subject === undefined ? undefined : eq(auditLog.subject, subject),
        actor === undefined ? undefined : eq(auditLog.actor, actor),
        since === undefined ? undefined : gte(auditLog.entry_id, firstUuidAt(since)),
        after === undefined ? undefined : lt(auditLog.entry_id, after),
      ];
      const query = db
        .select()
        .from(auditLog)
        .where(and(...conditions));
      const rows = await guarded(query.orderBy(desc(auditLog.entry_id)).limit(limit));
      return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
    },
  };
}
