/** Lines of runs that wait, for whoever lets them in. */
import { sql } from "drizzle-orm";
import type { AdmissionLedger, Line } from "../../flow/gate-keeper.ts";
import { guarded, inTransaction, type Postgres } from "../client.ts";
import { runs } from "../ledger-tables.ts";
import { toOwed } from "../occurrence/accepted-run.ts";
import { admit, lockGates } from "./admission.ts";
import { GATES_CHANNEL, readNews } from "./gate-news.ts";

export function createAdmissionLedger({ db, sql: client }: Postgres): AdmissionLedger {
  return {
    async listLines(limit, after) {
      const next = (than?: { activity_id: unknown; flow_key: unknown }) => sql`
        select activity_id, flow_key from ${runs}
        where status = 'queued' ${than ? sql`and (activity_id, flow_key) > (${than.activity_id}, ${than.flow_key})` : sql``}
        order by activity_id, flow_key limit 1`;
      // Each line is one step into the index, however many runs wait in it.
      return guarded(
        db.execute<Line & Record<string, unknown>>(sql`
          with recursive line as (
            (${next(after && { activity_id: sql`${after.activity_id}::uuid`, flow_key: after.flow_key })})
            union all
            select n.activity_id, n.flow_key from line
              cross join lateral (${next({ activity_id: sql`line.activity_id`, flow_key: sql`line.flow_key` })}) n
          )
          select activity_id, flow_key from line limit ${limit}`),
      );
    },

    admit: (line) =>
      inTransaction(db, async (tx) => {
        // What a crash of Postgres undoes is judged again: a workflow that was started meanwhile finds that its run waits.
        const gates = await lockGates(tx, line.activity_id, { relaxed: true });
        const { judged, ...rest } = await admit(tx, line, gates);
        const [begun, skipped] = [
          judged.filter(({ status }) => status === "running"),
          judged.filter(({ status }) => status === "skipped"),
        ];
        return {
          ...rest,
          begun: begun.map(toOwed),
          skipped: skipped.map(({ run_id, activity_name, reason, detail }) => {
            return { run_id, activity_name, reason: reason ?? "", detail: detail ?? "" };
          }),
        };
      }),

    async onChange(listener) {
      const { unlisten } = await guarded(client.listen(GATES_CHANNEL, (payload) => listener(readNews(payload))));
      return unlisten;
    },
  };
}
