/** Keeps, over restarts, when the reconciler's rounds end. A stretch in which none ended is an absence. */
import { type SQL, sql } from "drizzle-orm";
import type { Absence } from "../../occurrence/due-facts.ts";
import type { DueWatch } from "../../schedule/reconciler.ts";
import { guarded, type Postgres } from "../client.ts";
import { dueWatch } from "../ledger-tables.ts";
import { RELAXED_COMMIT } from "../relaxed-commit.ts";

/** A longer stretch without the end of a round is an absence: some worker begins one every five seconds. */
const AWAY_AFTER_MS = 10_000;
/** An absence that begins so soon after another is joined with it, because the due times of the first may not be judged yet. */
const JOINED_WITHIN_MS = 60_000;

/** Times of a raw statement are text. */
type WatchRow = Record<"away_from" | "away_until", string | null>;

export function createDueWatch({ prepared }: Postgres): DueWatch {
  return {
    async begin(now) {
      const [row] = await guarded(prepared.execute<WatchRow>(beginStatement(now)));
      return row === undefined ? undefined : absenceOf(row);
    },

    async end(now) {
      const at = now.toISOString();
      await guarded(
        prepared.execute(sql`
          with ${RELAXED_COMMIT}
          insert into ${dueWatch} ("only", round_ended_at) select true, ${at}::timestamptz from relaxed
          on conflict ("only") do update set round_ended_at = excluded.round_ended_at`),
      );
    },
  };
}

/** A round that fails does not end, so the absence goes on to the next one's beginning. */
function beginStatement(now: Date) {
  const at = now.toISOString();
  const ended = sql`${dueWatch.round_ended_at}`;
  return sql`
    with noted as (
      update ${dueWatch} set
        away_from = case when ${dueWatch.away_until} > ${ended} - ${JOINED_WITHIN_MS} * interval '1 ms'
          then ${dueWatch.away_from} else ${ended} end,
        away_until = ${at}::timestamptz
      where ${at}::timestamptz - ${ended} > ${AWAY_AFTER_MS} * interval '1 ms'
      returning away_from, away_until
    )
    select away_from, away_until from noted
    union all
    select away_from, away_until from ${dueWatch} where not exists (select from noted)`;
}

/**
 * The columns `absent_from` and `absent_until` of an absence at `now`, which is a join for a statement; both null where there was
 * none. One that goes on has no end.
 */
export function joinAbsence(now: Date): SQL {
  const at = sql`${now.toISOString()}::timestamptz`;
  const isAway = sql`${at} - w.round_ended_at > ${AWAY_AFTER_MS} * interval '1 ms'`;
  return sql`left join lateral (
    select case when ${isAway} then w.round_ended_at else w.away_from end as absent_from,
      case when not ${isAway} then w.away_until end as absent_until
    from ${dueWatch} w) absence on true`;
}

function absenceOf({ away_from, away_until }: WatchRow): Absence | undefined {
  if (away_from === null || away_until === null) return undefined;
  return { from: new Date(away_from), until: new Date(away_until) };
}
