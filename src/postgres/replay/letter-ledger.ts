/** Dead letters in Postgres, for whoever sees to them: found, settled, and recorded as the event that they should have been. */
import { and, asc, count, eq, gt, gte, inArray, isNotNull, isNull, sql } from "drizzle-orm";
import { type EventContent, findDifferences } from "../../event/content.ts";
import type { DeadLetterReason, EventEnvelope } from "../../event/envelope.ts";
import type { MatchedEvent } from "../../event/event-ledger.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { firstUuidAt, stableTraceId } from "../../kernel/stable-id.ts";
import { requireUnsettled, type StoredLetter } from "../../replay/letter.ts";
import type { LetterFilter, LetterLedger } from "../../replay/letter-desk.ts";
import { writeAudit } from "../access/audit.ts";
import { type Database, guarded, inTransaction, type Transaction } from "../client.ts";
import { readStored, type StoredEvent } from "../event/event-contents.ts";
import { recordAll } from "../event/event-ledger.ts";
import { eventKeys, eventOutcomes, events } from "../ledger-tables.ts";

const { row_id, event_id, reason, subject, raw, received_at, settled_as, settled_at, settled_by, replayed_as } = events;
const settledFields = { settled_as, settled_at, settled_by, replayed_as };
const letterFields = { row_id, event_id, reason, subject, raw, received_at, ...settledFields };
/** A letter keeps its reason when it has become an event. */
const isLetter = isNotNull(reason);

export function createLetterLedger(db: Database): LetterLedger {
  return {
    async findLetter(eventId) {
      const query = db.select(letterFields).from(eventKeys).innerJoin(events, eq(row_id, eventKeys.row_id));
      const [row] = await guarded(query.where(and(eq(eventKeys.event_id, eventId), isLetter)));
      return row && toLetter(row);
    },

    async listUnsettled(filter, limit, after) {
      const wanted = and(isUnsettled(filter), after === undefined ? undefined : gt(row_id, after));
      return guarded(db.select({ row_id, event_id }).from(events).where(wanted).orderBy(asc(row_id)).limit(limit));
    },

    async countUnsettled(filter) {
      const [row] = await guarded(db.select({ left: count() }).from(events).where(isUnsettled(filter)));
      return row?.left ?? 0;
    },

    replay: (letter, event, { corrected, actor }) =>
      inTransaction(db, async (tx) => {
        await lock(tx, letter);
        const replayed_as = event.envelope.event_id;
        const becomes = replayed_as === letter.event_id;
        await tx
          .update(events)
          .set({ settled_as: "replayed", settled_at: sql`now()`, settled_by: actor, replayed_as })
          .where(eq(row_id, letter.row_id));
        const standing = becomes ? undefined : await findStanding(tx, event.envelope);
        if (becomes) await giveWay(tx, letter, event);
        // As the router records it: its key is free, or is taken over as from a foreign start that says the same.
        const [recorded] = await recordAll(tx, [event], new Set(becomes || standing ? [replayed_as] : []));
        if (recorded === undefined) throw new Error("an event that was recorded has no answer");
        // The router recorded it in the same moment.
        if (!becomes && !standing && !recorded.isNew) throw alreadyRecorded(event.envelope, recorded.content);
        await writeAudit(tx, {
          actor,
          action: "dead_letter.replay",
          subject: `event:${letter.event_id}`,
          before: { reason: letter.reason },
          after: { replayed_as, corrected },
        });
        return { recorded, activities: await readReached(tx, replayed_as) };
      }),

    discard: (rowIds, actor) =>
      inTransaction(db, async (tx) => {
        const discarded = await tx
          .update(events)
          .set({ settled_as: "discarded", settled_at: sql`now()`, settled_by: actor })
          .where(and(inArray(row_id, [...rowIds]), isUnsettled({})))
          .returning({ event_id, reason });
        const entries = discarded.map((letter) => ({
          actor,
          action: "dead_letter.discard",
          subject: `event:${letter.event_id}`,
          before: { reason: letter.reason },
        }));
        await writeAudit(tx, ...entries);
        return discarded.length;
      }),
  };
}

function isUnsettled({ reason: why, type, since }: LetterFilter) {
  return and(
    eq(events.outcome, "dead_lettered"),
    isNull(settled_as),
    why === undefined ? undefined : eq(reason, why),
    type === undefined ? undefined : eq(events.type, type),
    since === undefined ? undefined : gte(row_id, firstUuidAt(since)),
  );
}

function toLetter({
  reason,
  subject,
  raw,
  ...row
}: Pick<typeof events.$inferSelect, keyof typeof letterFields>): StoredLetter {
  return { ...row, reason: reason as DeadLetterReason, subject: subject ?? "", raw: raw ?? new Uint8Array() };
}

/** Of two that settle a letter at once, the second one sees what the first did. @throws TerminalError `not_found`, `letter_settled` */
async function lock(tx: Transaction, letter: StoredLetter): Promise<void> {
  const query = tx.select(settledFields).from(events).where(eq(row_id, letter.row_id));
  const [standing] = await query.for("update");
  if (standing === undefined) throw new TerminalError("not_found", `dead letter ${letter.event_id} is not there`);
  requireUnsettled({ ...standing, event_id: letter.event_id });
}

/** Lets the row of a letter be taken over as the event of its id. Its reason and its bytes stay. */
async function giveWay(tx: Transaction, letter: StoredLetter, { envelope, outcome }: MatchedEvent): Promise<void> {
  const { type, source, subject = null, occurred_at, attributes = null, payload = {} } = envelope;
  const trace_id = envelope.trace_id ?? stableTraceId(letter.event_id);
  await tx
    .update(events)
    .set({ outcome, type, source, subject, occurred_at, attributes, payload, trace_id })
    .where(eq(row_id, letter.row_id));
  await tx.update(eventKeys).set({ provisional: true }).where(eq(eventKeys.event_id, letter.event_id));
}

/**
 * What a foreign start brought under the id, which is taken over; undefined where the id is free.
 * @throws TerminalError `event_recorded`, `event_differs`
 */
async function findStanding(tx: Transaction, envelope: EventEnvelope): Promise<StoredEvent | undefined> {
  const [standing] = await readStored(tx, [envelope.event_id]);
  if (standing === undefined) return undefined;
  if (standing.provisional && findDifferences(standing.content, envelope).length === 0) return standing;
  throw alreadyRecorded(envelope, standing.content);
}

function alreadyRecorded(envelope: EventEnvelope, content: EventContent | null): TerminalError {
  const shown = JSON.stringify(envelope.event_id);
  const fields = findDifferences(content, envelope);
  if (fields.length > 0)
    return new TerminalError("event_differs", `the event recorded under ${shown} differs in ${fields.join(", ")}`, {
      hint: 'Give this one an id of its own in the body, {"event_id": …}, or discard the dead letter',
    });
  return new TerminalError("event_recorded", `the event ${shown} was recorded since: it came again as it should be`, {
    hint: "Discard the dead letter",
  });
}

async function readReached(tx: Transaction, eventId: string) {
  const { activity_id, activity_name, outcome, reason, run_id } = eventOutcomes;
  return tx
    .select({ activity_id, activity_name, outcome, reason, run_id })
    .from(eventOutcomes)
    .innerJoin(eventKeys, eq(eventKeys.row_id, eventOutcomes.row_id))
    .where(eq(eventKeys.event_id, eventId))
    .orderBy(activity_name);
}
