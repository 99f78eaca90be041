/** The history of syncs, and the trees that a rollback holds. */
import { desc, eq, inArray, lt, ne, sql } from "drizzle-orm";
import { makeOwnEvent, type OwnEvent } from "../../event/own-event.ts";
import type { Write } from "../../sync/document-row.ts";
import { noCounts, type SyncReport, type SyncSummary } from "../../sync/report.ts";
import type { SyncStore } from "../../sync/store.ts";
import { writeAudit } from "../access/audit.ts";
import { type Database, guarded, type Transaction } from "../client.ts";
import { heldTrees, syncs } from "../definition-tables.ts";
import { insertOwnEvents } from "../event/own-event-outbox.ts";

/** How many syncs are kept. */
const KEPT = 1000;

/** Fills in fields that an earlier release did not know when it stored the report. */
function toSummary(report: Record<string, unknown>): SyncSummary {
  return { not_asked: [], hooks: noCounts(), ...report } as unknown as SyncSummary;
}

/** How many errors of a sync its event names. */
const MAX_ERRORS_TOLD = 20;

function tellOfFailure({ sync_id, actor, started_at, errors, errors_total }: SyncReport): OwnEvent {
  const payload = { sync_id, actor, started_at, errors: errors.slice(0, MAX_ERRORS_TOLD), errors_total };
  return makeOwnEvent({ type: "actcore.sync.failed", subject: sync_id, occasion: "1", cause: null, payload });
}

type SyncHistory = Pick<SyncStore, "record" | "list" | "find" | "findLaterChange" | "listHeld" | "release">;

export function createSyncHistory(db: Database): SyncHistory {
  return {
    async record(report) {
      const { errors, errors_total, changes_total } = report;
      await guarded(
        db.transaction(async (tx) => {
          const others = tx.select().from(syncs).where(ne(syncs.sync_id, report.sync_id));
          const [newest] = await others.orderBy(desc(syncs.sync_id)).limit(1);
          const before = newest?.report as SyncSummary | undefined;
          const isRepeated = before?.errors_total === errors_total && Bun.deepEquals(before.errors, errors);
          // Otherwise syncs at an interval would repeat an error that stands until nothing else is left of the history.
          if (changes_total === 0 && isRepeated) return;
          await insertSync(tx, report, []);
          if (errors_total > 0 && !isRepeated) await insertOwnEvents(tx, [tellOfFailure(report)]);
          const oldest = sql`(select sync_id from ${syncs} order by sync_id desc offset ${KEPT} limit 1)`;
          await tx.delete(syncs).where(sql`${syncs.sync_id} <= ${oldest}`);
        }),
      );
    },
    async list({ limit, after }) {
      const older = after === undefined ? undefined : lt(syncs.sync_id, after);
      const query = db.select({ report: syncs.report }).from(syncs).where(older).orderBy(desc(syncs.sync_id));
      return (await guarded(query.limit(limit))).map(({ report }) => toSummary(report));
    },
    async find(syncId) {
      const [row] = await guarded(db.select().from(syncs).where(eq(syncs.sync_id, syncId)));
      return row && { summary: toSummary(row.report), writes: row.changes as unknown as Write[] };
    },
    async findLaterChange(syncId, trees) {
      const among = sql`(select json_array_elements_text(${JSON.stringify(trees)}::json))`;
      const [row] = await guarded(
        db.execute<{ sync_id: string }>(sql`
          select sync_id from ${syncs}, json_array_elements(changes) as change
          where sync_id > ${syncId}::uuid
            and (change->'after'->>'tree' in ${among} or change->'before'->>'tree' in ${among})
          order by sync_id desc limit 1`),
      );
      return row?.sync_id;
    },
    async listHeld() {
      const rows = await guarded(db.select().from(heldTrees).orderBy(heldTrees.tree));
      return rows.map(({ tree, sync_id }) => ({ tree, sync_id }));
    },
    release: (syncId, actor) =>
      guarded(
        db.transaction(async (tx) => {
          const [row] = await tx.select().from(syncs).where(eq(syncs.sync_id, syncId));
          const rolledBack = (row?.report as SyncSummary | undefined)?.rolled_back;
          // By the sync that was rolled back, or by the rollback itself.
          const ids = typeof rolledBack === "string" ? [syncId, rolledBack] : [syncId];
          const released = await tx.delete(heldTrees).where(inArray(heldTrees.sync_id, ids)).returning();
          const entries = released.map((before) => ({
            actor,
            action: "release",
            subject: `tree:${before.tree}`,
            before,
          }));
          await writeAudit(tx, ...entries);
          return released.map(({ tree }) => tree).sort();
        }),
      ),
  };
}

/** Or its final report, where the transaction of its changes inserted it already. */
export async function insertSync(tx: Transaction, report: SyncReport, writes: readonly Write[]): Promise<void> {
  const { changes: _, ...summary } = report;
  const finished_at = new Date();
  await tx
    .insert(syncs)
    .values({
      sync_id: report.sync_id,
      started_at: new Date(report.started_at),
      finished_at,
      actor: report.actor,
      report: summary,
      changes: writes as unknown as Record<string, unknown>[],
    })
    .onConflictDoUpdate({ target: syncs.sync_id, set: { report: summary, finished_at } });
}

/** Holds the trees until they are released. */
export async function hold(tx: Transaction, trees: readonly string[], report: SyncReport): Promise<void> {
  if (trees.length === 0) return;
  const { actor } = report;
  const rows = trees.map((tree) => ({ tree, held_by: actor, sync_id: report.rolled_back ?? report.sync_id }));
  const { held_by, sync_id } = { held_by: sql`excluded.held_by`, sync_id: sql`excluded.sync_id` };
  await tx.insert(heldTrees).values(rows).onConflictDoUpdate({ target: heldTrees.tree, set: { held_by, sync_id } });
  await writeAudit(tx, ...rows.map((after) => ({ actor, action: "hold", subject: `tree:${after.tree}`, after })));
}
