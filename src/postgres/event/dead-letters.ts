/** Dead letters in Postgres, as the router keeps them. */
import { sql } from "drizzle-orm";
import { findDifferences } from "../../event/content.ts";
import type { DeadLetter } from "../../event/event-ledger.ts";
import { stableTraceId } from "../../kernel/stable-id.ts";
import { type Database, guarded, storableText } from "../client.ts";
import { eventKeys, events } from "../ledger-tables.ts";
import { readStored } from "./event-contents.ts";

/**
 * One statement, one transaction. Answers the ids that were recorded: not those that are known, and not those under which a
 * foreign start brought something else. What a foreign start brought and says the same is taken over: its run goes on
 * reading the row.
 *
 * Payloads travel as text within the rows (event-ledger.ts says why), and bytes in base64.
 */
export async function recordDeadLetters(db: Database, letters: readonly DeadLetter[]): Promise<ReadonlySet<string>> {
  const differing = await findDiffering(db, letters);
  const rows = letters
    .filter(({ event_id }) => !differing.has(event_id))
    .map(({ envelope, raw, detail, subject, ...letter }) => ({
      ...letter,
      row_id: Bun.randomUUIDv7(),
      detail: storableText(detail.slice(0, 2000)),
      // NATS takes any bytes but spaces and line ends as a subject.
      subject: storableText(subject),
      type: envelope?.type,
      source: envelope?.source,
      occurred_at: envelope?.occurred_at,
      // A foreign start of the same event may still read it.
      attributes: envelope?.attributes && JSON.stringify(envelope.attributes),
      payload: envelope && JSON.stringify(envelope.payload ?? {}),
      trace_id: envelope?.trace_id ?? stableTraceId(letter.event_id),
      raw: Buffer.from(raw).toString("base64"),
    }));
  const recorded = await guarded(
    db.execute<{ event_id: string }>(sql`
      with input as (
        select * from json_to_recordset(${JSON.stringify(rows)}::json) as l(row_id uuid, event_id text, reason text, detail text,
          subject text, type text, source text, occurred_at text, trace_id text, attributes text, payload text, raw text, carried_id text)
      ), keyed as (
        insert into ${eventKeys} as k (event_id, row_id) select event_id, row_id from input order by event_id
        on conflict (event_id) do update set provisional = false where k.provisional
        returning event_id, row_id
      ), inserted as (
        insert into ${events} (row_id, event_id, outcome, reason, detail, subject, type, source, occurred_at, trace_id,
          attributes, payload, raw, carried_id)
        select row_id, event_id, 'dead_lettered', reason, detail, subject, type, source, occurred_at, trace_id,
          attributes::json, payload::json, decode(raw, 'base64'), carried_id
        from input join keyed using (row_id, event_id)
      ), taken_over as (
        update ${events} e set outcome = 'dead_lettered', reason = i.reason, detail = i.detail, raw = decode(i.raw, 'base64')
        from keyed k join input i using (event_id) where k.row_id <> i.row_id and e.row_id = k.row_id
      )
      select event_id from keyed`),
  );
  return new Set(recorded.map(({ event_id }) => event_id));
}

/** A message that says something else than the event of a foreign start is another event, and takes nothing over. */
async function findDiffering(db: Database, letters: readonly DeadLetter[]): Promise<ReadonlySet<string>> {
  const envelopes = new Map(
    letters.flatMap(({ event_id, envelope }) => (envelope?.event_id === event_id ? [[event_id, envelope]] : [])),
  );
  const stored = await readStored(db, [...envelopes.keys()]);
  const differing = stored.filter(({ event_id, provisional, content }) => {
    const envelope = envelopes.get(event_id);
    return provisional && envelope !== undefined && findDifferences(content, envelope).length > 0;
  });
  return new Set(differing.map(({ event_id }) => event_id));
}
