/**
 * Counts unmatched events by their types. It reads the index of what is notable, `(type, outcome, row_id)`: one step for each type,
 * whatever else was recorded, and of the types that are shown so many entries at most.
 */
import { sql } from "drizzle-orm";
import { MAX_COUNTED, MAX_TYPES_LOOKED_AT, type UnmatchedReader } from "../../explain/unmatched-types.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { type Database, guarded } from "../client.ts";
import { events } from "../ledger-tables.ts";
import { readListened } from "./event-facts.ts";

type TypeRow = { type: string; count: number; last_seen: string; sample_event_id: string; types_seen: number };

export function createUnmatchedReader(db: Database): UnmatchedReader {
  return {
    async listUnmatched(since, limit) {
      const from = firstUuidAt(since);
      const rows = await guarded(
        db.execute<TypeRow>(sql`
          with recursive step(type, number) as (
            (select type, 1 from ${events} where outcome <> 'dispatched' and type is not null order by type limit 1)
            union all
            select (select e.type from ${events} e where e.outcome <> 'dispatched' and e.type > step.type order by e.type limit 1),
              number + 1
            from step where step.type is not null and number <= ${MAX_TYPES_LOOKED_AT}
          ), newest as (
            select step.type, last.row_id from step cross join lateral (
              select row_id from ${events} e
              where e.type = step.type and e.outcome = 'unmatched' and e.row_id >= ${from}::uuid
              order by row_id desc limit 1) last
            where step.type is not null and step.number <= ${MAX_TYPES_LOOKED_AT}
            order by last.row_id desc limit ${limit}
          )
          select newest.type, e.event_id as sample_event_id, e.received_at as last_seen, counted.count,
            (select count(*)::int from step where type is not null) as types_seen
          from newest join ${events} e using (row_id) cross join lateral (
            select count(*)::int as count from (
              select from ${events} e
              where e.type = newest.type and e.outcome = 'unmatched' and e.row_id >= ${from}::uuid
              limit ${MAX_COUNTED + 1}) all_of_type) counted
          order by newest.row_id desc`),
      );
      return {
        types: rows.map(({ type, count, sample_event_id, last_seen }) => {
          return { type, count, sample_event_id, last_seen: new Date(last_seen) };
        }),
        isCut: rows.some(({ types_seen }) => types_seen > MAX_TYPES_LOOKED_AT),
      };
    },
    listListened: () => readListened(db),
  };
}
