/** The claim of an activity with gates: its run is opened as one that waits, and the gates look at it in the same transaction. */
import { sql } from "drizzle-orm";
import { findFlowKey } from "../../flow/gate-key.ts";
import { describeError } from "../../kernel/errors.ts";
import type { JudgedStart } from "../../occurrence/ledger.ts";
import { QUEUED, queuedWorkflowId } from "../../occurrence/occurrence.ts";
import type { ClaimRequest } from "../../run/run.ts";
import { type Database, guarded, inTransaction, type Transaction } from "../client.ts";
import { readEnvelope } from "../event/event-contents.ts";
import { admit, lockGates } from "../flow/admission.ts";
import { tellGates } from "../flow/gate-news.ts";
import { occurrences, runs } from "../ledger-tables.ts";
import { type ClaimRow, claimStatement } from "./claim-statement.ts";

/**
 * As the statement answers, with the status `queued` where the run has to wait. A run that begins at once stays with the workflow.
 * Others of its line that may begin by now are left to whoever lets runs in.
 */
export async function claimThroughGates(
  db: Database,
  request: ClaimRequest,
  start: JudgedStart,
  standingRow: string | undefined,
): Promise<ClaimRow | undefined> {
  const { flow_key, ...judged } = await withFlowKey(db, start);
  return inTransaction(db, async (tx) => {
    const gates = await lockGates(tx, request.activity_id);
    const [row] = await tx.execute<ClaimRow>(claimStatement(request, judged, standingRow, flow_key));
    if (row === undefined || row.run_id === null || row.current !== null || row.swept) return row;
    if (row.claimed && row.status !== "queued") return row;
    const line = { activity_id: request.activity_id, flow_key };
    if (row.claimed) {
      const [own] = (await admit(tx, line, gates, row.run_id)).judged;
      if (own !== undefined) return { ...row, status: own.status, reason: own.reason };
    }
    const version_used = await letWait(tx, request, row.run_id);
    return version_used === undefined ? row : { ...row, status: "queued", version_used };
  });
}

/** Where its key fails it is refused, as the router refuses an event of which the key fails. */
async function withFlowKey(db: Database, judged: JudgedStart): Promise<JudgedStart & { flow_key: string }> {
  const { inline, event_id } = judged.event;
  const event = inline ?? (event_id === undefined ? undefined : await guarded(readEnvelope(db, event_id)));
  try {
    return { ...judged, flow_key: findFlowKey(judged.gates, event) ?? "" };
  } catch (error) {
    const detail = `the key of the activity's flow fails: ${describeError(error)}`;
    return { ...judged, flow_key: "", refusal: judged.refusal ?? "failed_expression", detail };
  }
}

/**
 * The run of a workflow that ends, or would: it waits, and will have a workflow of another id, since that one's is used up. Answers
 * the version that it uses; undefined where it does not wait.
 */
async function letWait(tx: Transaction, request: ClaimRequest, runId: string): Promise<number | undefined> {
  const { activity_id, workflow_id, first_execution_run_id } = request;
  const [waiting] = await tx.execute<{ version_used: number }>(sql`
    with waiting as (
      update ${occurrences} set claimed_by = ${QUEUED}, workflow_id = case when coalesce(workflow_id, ${workflow_id}) = ${workflow_id}
        then ${queuedWorkflowId(activity_id, runId)} else workflow_id end
      where run_id = ${runId} and claimed_by in (${QUEUED}, ${first_execution_run_id})
        and exists (select from ${runs} where run_id = ${runId} and status = 'queued')
      returning run_id, workflow_id
    ), shown as (
      update ${runs} r set workflow_id = w.workflow_id from waiting w where r.run_id = w.run_id
      returning r.version_used, ${tellGates(sql`r.activity_id`, sql`r.flow_key`)} as told
    )
    select version_used, told from shown`);
  return waiting?.version_used;
}
