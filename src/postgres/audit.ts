/** The audit log: written in the transaction of the change that it tells of. */
import { timeOrderedUuid } from "../stable-id.ts";
import type { Database } from "./client.ts";
import { auditLog } from "./schema.ts";

export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];

export interface AuditEntry {
  actor: string;
  action: string;
  subject: string;
  before?: unknown;
  after?: unknown;
}

export async function writeAudit(tx: Transaction | Database, entry: AuditEntry): Promise<void> {
  await tx.insert(auditLog).values({ entry_id: timeOrderedUuid(), before: null, after: null, ...entry });
}
