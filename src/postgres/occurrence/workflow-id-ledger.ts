/** Another workflow id for a run whose own is taken by a workflow that is not the run's. */
import { sql } from "drizzle-orm";
import { unusedWorkflowId } from "../../occurrence/occurrence.ts";
import type { WorkflowIdLedger } from "../../occurrence/owed-starter.ts";
import { type Database, guarded } from "../client.ts";
import { occurrences, runs } from "../ledger-tables.ts";

export function createWorkflowIdLedger(db: Database): WorkflowIdLedger {
  return {
    async replaceWorkflowId(run) {
      const { activity_id, workflow_id: taken, trigger_event } = run;
      const isOfRun =
        "run_id" in trigger_event
          ? sql`run_id = ${trigger_event.run_id}`
          : sql`kind = 'event' and key = ${trigger_event.event_id}`;
      // A second caller waits for the row, and then reads the id that the first one gave.
      const [row] = await guarded(
        db.execute<{ workflow_id: string }>(sql`
          with replaced as (
            update ${occurrences} set workflow_id =
              case when coalesce(workflow_id, ${taken}) = ${taken} then ${unusedWorkflowId(activity_id)} else workflow_id end
            where activity_id = ${activity_id} and ${isOfRun} and claimed_by is null
            returning run_id, workflow_id
          ), shown as (
            -- A run that was accepted over REST has its row already.
            update ${runs} r set workflow_id = replaced.workflow_id from replaced where r.run_id = replaced.run_id
          )
          select workflow_id from replaced`),
      );
      return row && { ...run, workflow_id: row.workflow_id };
    },
  };
}
