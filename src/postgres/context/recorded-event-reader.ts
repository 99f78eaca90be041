/**
 * Counts recorded events, and reads the last few, for `events` sources. Whatever is asked, it reads by the index of types and
 * ids: a pattern is made into the types that there are. Filters are asked here, of payloads that come in small groups.
 */
import { type SQL, sql } from "drizzle-orm";
import {
  MAX_COUNTED,
  type RecordedEvent,
  type RecordedEventQuestion,
  type RecordedEventReader,
} from "../../context/ports.ts";
import { MAX_ANSWER_BYTES } from "../../context/source.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { firstUuidAt } from "../../kernel/stable-id.ts";
import { createFilterCheck } from "../../match/filter.ts";
import { matchesType, type TypePattern } from "../../match/type-pattern.ts";
import { type Database, guarded } from "../client.ts";
import { listRecordedTypes } from "../event/recorded-types.ts";
import { events, runs } from "../ledger-tables.ts";
import { type CappedRow, cappedRows, readCapped } from "./capped-rows.ts";

/** A pattern is asked of so many types at most, and may mean so many of them. */
const MAX_TYPES = 10_000;
const MAX_MEANT = 1_000;
/** Events whose payloads are looked at at a time: so many, and so many bytes of them. */
const GROUP = 500;
const GROUP_BYTES = 2_000_000;
const HINT = "Read fewer events, with last";

type ScannedRow = RecordedEvent & { row_id: string; bytes: number };

export function createRecordedEventReader(db: Database): RecordedEventReader {
  async function findSince(since: RecordedEventQuestion["since"]): Promise<Date | undefined> {
    if (since instanceof Date) return since;
    const { activity_id, run_id } = since;
    const [row] = await guarded(
      db.execute<{ fired_at: string }>(sql`
        select fired_at from ${runs} where activity_id = ${activity_id} and run_id < ${run_id} and status <> 'skipped'
        order by run_id desc limit 1`),
    );
    return row && new Date(row.fired_at);
  }

  async function findTypes(pattern: TypePattern): Promise<string[]> {
    if (pattern.segments === undefined) return [pattern.text];
    const known = await listRecordedTypes(db, { limit: MAX_TYPES + 1 });
    const meant = known.filter((type) => matchesType(pattern, type));
    if (known.length > MAX_TYPES || meant.length > MAX_MEANT)
      throw new TerminalError(
        "too_many_event_types",
        `there are too many types of events to look for ${pattern.text}`,
        {
          hint: `A pattern may mean ${MAX_MEANT} types, of ${MAX_TYPES} that there are`,
        },
      );
    return meant;
  }

  async function countAll(types: readonly string[], within: SQL): Promise<number> {
    const [row] = await guarded(
      db.execute<{ count: number }>(sql`
        select count(*)::int as count from (
          select from ${events} where type in ${types} and ${within} limit ${MAX_COUNTED + 1}
        ) as counted`),
    );
    return row?.count ?? 0;
  }

  async function readLast(types: readonly string[], within: SQL, last: number): Promise<RecordedEvent[]> {
    if (last === 0) return [];
    const rows = await guarded(
      db.execute<CappedRow>(
        cappedRows(sql`
          select json_build_object('event_id', event_id, 'type', type, 'source', source, 'subject', subject,
            'occurred_at', occurred_at, 'payload', payload)::text as json
          from json_array_elements_text(${JSON.stringify(types)}::json) as wanted(name) cross join lateral (
            select * from ${events} e where e.type = wanted.name and ${within} order by row_id desc limit ${last}
          ) as e order by row_id desc limit ${last}`),
      ),
    );
    return readCapped<RecordedEvent>(rows, HINT);
  }

  /** The newest events of one type before `before`, as many as may be looked at at a time; at least one, if there is one. */
  function readGroup(type: string, within: SQL, before: string | undefined, limit: number) {
    const older = before === undefined ? sql`` : sql`and row_id < ${before}`;
    return guarded(
      db.execute<ScannedRow & Record<string, unknown>>(sql`
        select row_id, event_id, type, source, subject, occurred_at, payload, bytes from (
          select *, sum(bytes) over (order by row_id desc) as total from (
            select *, octet_length(payload::text) as bytes from ${events}
            where type = ${type} and ${within} ${older} order by row_id desc limit ${limit}
          ) as e
        ) as e where total - bytes < ${GROUP_BYTES} order by row_id desc`),
    );
  }

  async function scan(types: readonly string[], within: SQL, { filters, last, signal }: RecordedEventQuestion) {
    let count = 0;
    let looked = 0;
    let latest: ScannedRow[] = [];
    for (const type of types) {
      let before: string | undefined;
      for (;;) {
        signal.throwIfAborted();
        const rows = await readGroup(type, within, before, Math.min(GROUP, MAX_COUNTED - looked + 1));
        const passing = rows.filter(({ payload }) => createFilterCheck(payload)(filters) === undefined);
        count += passing.length;
        looked += rows.length;
        latest = [...latest, ...passing].sort((a, b) => (a.row_id < b.row_id ? 1 : -1)).slice(0, last);
        if (looked > MAX_COUNTED) return { count, capped: true, latest };
        before = rows.at(-1)?.row_id;
        if (before === undefined) break;
      }
    }
    return { count, capped: false, latest };
  }

  return {
    async read(question) {
      const { pattern, filters, until, last } = question;
      const [since, types] = await Promise.all([findSince(question.since), findTypes(pattern)]);
      const from = since === undefined ? sql`` : sql`and row_id >= ${firstUuidAt(since)}`;
      const within = sql`outcome <> 'dead_lettered' and row_id < ${firstUuidAt(until)} ${from}`;
      const answer = { since: since?.toISOString() ?? null };
      if (types.length === 0) return { count: 0, capped: false, ...answer, events: [] };
      if (filters.length > 0) {
        const { count, capped, latest } = await scan(types, within, question);
        return { count, capped, ...answer, events: withinSize(latest).reverse() };
      }
      const [count, latest] = await Promise.all([countAll(types, within), readLast(types, within, last)]);
      const capped = count > MAX_COUNTED;
      return { count: capped ? MAX_COUNTED : count, capped, ...answer, events: latest.reverse() };
    },
  };
}

function withinSize(rows: readonly ScannedRow[]): RecordedEvent[] {
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > MAX_ANSWER_BYTES)
    throw new TerminalError(
      "source_too_large",
      `the payloads of the last events have ${total} bytes: at most ${MAX_ANSWER_BYTES} are read`,
      { hint: HINT },
    );
  return rows.map(({ row_id: _, bytes: __, ...event }) => event);
}
