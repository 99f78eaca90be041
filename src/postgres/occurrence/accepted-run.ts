/** The rows of a run that is accepted before its workflow is started: its definition as it is now, its occurrence, the run. */
import { and, eq, isNull, sql } from "drizzle-orm";
import { compileFlow, type Flow, type FlowInput } from "../../definition/flow.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { QUEUED } from "../../occurrence/occurrence.ts";
import type { AcceptedRun } from "../../run/engine.ts";
import { writeAudit } from "../access/audit.ts";
import type { Transaction } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { toOwedRun } from "../event/event-ledger.ts";
import { tellGates } from "../flow/gate-news.ts";
import { occurrences, runs } from "../ledger-tables.ts";

/** The definition that a run is accepted for, and its version, which the run pins. */
type Accepting = Pick<typeof definitions.$inferSelect, "id" | "name" | "version"> & {
  /** As it is now, whichever version the run uses. */
  flow: Flow | undefined;
};

type Owing = Pick<typeof occurrences.$inferSelect, "activity_id" | "run_id" | "kind" | "event_id" | "workflow_id"> &
  Pick<AcceptedRun, "activity_name">;

/** A live definition. A change of it waits until the transaction ends; other acceptances do not. */
export async function lockAgainstChange(tx: Transaction, id: string): Promise<Accepting> {
  const { name, version, body } = definitions;
  const flow = sql<FlowInput | null>`${body}->'flow'`;
  const query = tx.select({ id: definitions.id, name, version, flow }).from(definitions);
  const [row] = await query.where(and(eq(definitions.id, id), isNull(definitions.deleted_at))).for("share");
  if (row === undefined) throw new TerminalError("definition_not_found", `definition ${id} is not there`);
  return { ...row, flow: compileFlow(row.flow ?? undefined) };
}

/** Answers the run that has the occurrence already; undefined when it was free, and belongs to `run_id` now. */
export async function insertOccurrence(
  tx: Transaction,
  { id: activity_id, name: activity_name, version: version_used }: Accepting,
  run_id: string,
  occurrence: Pick<typeof occurrences.$inferInsert, "kind" | "key" | "event_id" | "workflow_id">,
  flow_key?: string,
): Promise<AcceptedRun | undefined> {
  const row = {
    activity_id,
    run_id,
    version_used,
    ...occurrence,
    ...(flow_key !== undefined && { claimed_by: QUEUED }),
  };
  const inserted = await tx
    .insert(occurrences)
    .values(row)
    .onConflictDoNothing()
    .returning({ run_id: occurrences.run_id });
  if (inserted.length > 0) return undefined;
  const same = and(
    eq(occurrences.activity_id, activity_id),
    eq(occurrences.kind, occurrence.kind),
    eq(occurrences.key, occurrence.key),
  );
  const [standing] = await tx.select().from(occurrences).where(same);
  if (standing === undefined) throw new Error("an occurrence that conflicts is not there");
  const { workflow_id, claimed_by } = standing;
  return {
    ...toAccepted({ activity_id, activity_name, run_id: standing.run_id, workflow_id: workflow_id ?? "" }),
    ...(claimed_by === QUEUED && { waits: true }),
  };
}

/** A run with a `flow_key` waits, and whoever lets runs in is told of it. */
export async function insertRun(
  tx: Transaction,
  { id: activity_id, name: activity_name, version: version_used }: Accepting,
  run: Omit<typeof runs.$inferInsert, "activity_id" | "activity_name" | "version_used" | "status">,
  audit?: { actor: string; action: string; after?: object },
): Promise<AcceptedRun> {
  const { flow_key = null } = run;
  const status = flow_key === null ? "running" : "queued";
  await tx.insert(runs).values({ ...run, activity_id, activity_name, version_used, status, fired_at: sql`now()` });
  if (flow_key !== null) await tx.execute(sql`select ${tellGates(sql`${activity_id}`, sql`${flow_key}::text`)}`);
  if (audit)
    await writeAudit(tx, {
      ...audit,
      subject: `run:${run.run_id}`,
      after: { activity_id, activity_name, version_used, ...audit.after },
    });
  return {
    ...toAccepted({ activity_id, activity_name, run_id: run.run_id, workflow_id: run.workflow_id }),
    ...(flow_key !== null && { waits: true }),
  };
}

/** The run that an occurrence is owed which nobody has claimed. */
export function toOwed({ kind, event_id, workflow_id, run_id, activity_id, activity_name }: Owing): AcceptedRun {
  // An occurrence that no event made was accepted over REST or by the reconciler, with its run and a workflow id.
  return kind === "event" || workflow_id === null
    ? { run_id, ...toOwedRun({ activity_id, activity_name }, event_id ?? "", workflow_id) }
    : toAccepted({ run_id, activity_id, activity_name, workflow_id });
}

export function toAccepted(run: Omit<AcceptedRun, "trigger_event">): AcceptedRun {
  return { ...run, trigger_event: { run_id: run.run_id } };
}
