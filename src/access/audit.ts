/** What a reader of the audit log sees, and the port that reads it; postgres/access/audit.ts is behind it. */
import { type Static, Type } from "@sinclair/typebox";

export const AuditView = Type.Object(
  {
    entry_id: Type.String({ format: "uuid" }),
    at: Type.String({ format: "date-time" }),
    actor: Type.String({ description: "`key:{name}`, `cli`, `anonymous`, or of a sync also `start` and `interval`." }),
    action: Type.String(),
    subject: Type.String({ description: "`definition:{id}`, `run:{id}` or `key:{id}`." }),
    before: Type.Unknown({ description: "As it was; null for what was not there." }),
    after: Type.Unknown({ description: "As it is since; null for what is gone." }),
  },
  { title: "AuditEntry" },
);
export type AuditView = Static<typeof AuditView>;

export interface AuditFilter {
  subject?: string;
  actor?: string;
  since?: Date;
}

export interface AuditReader {
  /** Newest first. */
  list(filter: AuditFilter, page: { limit: number; after?: string }): Promise<AuditView[]>;
}
