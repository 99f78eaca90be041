/** The types of recorded events: one step of the index for each type, however many events there are of it. */
import { sql } from "drizzle-orm";
import { type Database, guarded } from "../client.ts";
import { events } from "../ledger-tables.ts";

/** In their order; the one after `after` is the first, at most `limit` of them. */
export async function listRecordedTypes(
  db: Database,
  { after, limit }: { after?: string; limit: number },
): Promise<string[]> {
  const first = after === undefined ? sql`true` : sql`type > ${after}`;
  const rows = await guarded(
    db.execute<{ type: string }>(sql`
      with recursive step(type, number) as (
        (select type, 1 from ${events} where ${first} and type is not null order by type limit 1)
        union all
        select (select e.type from ${events} e where e.type > step.type order by e.type limit 1), number + 1
        from step where step.type is not null and number < ${limit}
      )
      select type from step where type is not null`),
  );
  return rows.map((row) => row.type);
}
