/** Reads what the explanation of an event follows from. */
import { and, asc, count, desc, eq, getTableColumns, gt, isNull, lt, sql } from "drizzle-orm";
import { type EventFacts, type EventRow, MAX_REACHED_SHOWN, type Reached } from "../../explain/event-explanation.ts";
import { MAX_REFUSED_SHOWN } from "../../explain/event-view.ts";
import type { ListenedType } from "../../explain/nearest-type.ts";
import { timeOfUuid } from "../../kernel/stable-id.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { toEnvelope } from "../event/event-contents.ts";
import { eventKeys, eventOutcomes, events, occurrences, ownEvents } from "../ledger-tables.ts";
import { withTimesAsText } from "../schema.ts";
import { readHistory, readRepeats, readRuns } from "./explained-rows.ts";
import { findHolder, findWait, findWindow } from "./flow-facts.ts";

/** So many recorded ids on either side of an unknown one are compared with it. */
const IDS_BESIDE = 10;

const { raw: _raw, ...eventFields } = getTableColumns(events);
type StoredRow = Omit<typeof events.$inferSelect, "raw">;

/** Undefined: there is no definition of the activity's id. */
export async function readEventFacts(
  db: Database,
  event_id: string,
  activityId: string | undefined,
): Promise<EventFacts | undefined> {
  const found = await findEvent(db, event_id);
  const { row, recordedAt } = found;
  const matchedAt = found.event?.matchedAt ?? recordedAt ?? new Date();
  const history = activityId === undefined ? undefined : await readHistory(db, activityId, matchedAt);
  if (activityId !== undefined && history === undefined) return undefined;
  const isNowhere = row === undefined && recordedAt === undefined;
  const [reached, counts, run, unpublished, idsBeside, listened] = await Promise.all([
    row === undefined ? [] : readReached(db, row.row_id, activityId),
    row === undefined || activityId !== undefined ? {} : countReached(db, row.row_id),
    activityId === undefined ? undefined : findRun(db, activityId, event_id),
    isNowhere ? findUnpublished(db, event_id) : undefined,
    isNowhere ? readIdsBeside(db, event_id) : [],
    row?.outcome === "unmatched" ? readListened(db) : [],
  ]);
  const { event } = found;
  const [only] = reached;
  const [duplicateOf, window] =
    row !== undefined && event !== undefined && history !== undefined && only !== undefined
      ? await Promise.all([findHolder(db, only, event, history), findWindow(db, row.row_id, history.activity_id)])
      : [];
  const own = [only?.run_id, run?.run_id].filter((id) => id != null);
  const [repeats, waitsFor] = await Promise.all([
    activityId === undefined ? [] : readRepeats(db, own, { activity_id: activityId, event_id }),
    findWait(db, history && (only?.run ?? run)),
  ]);
  return {
    ...{ duplicateOf, window, repeats, waitsFor },
    event_id,
    event,
    recordedAt,
    unpublished,
    idsBeside,
    counts,
    reached,
    history,
    run,
    listened,
  };
}

/** The event of the id; or the dead letter that carries it, where no event has it. */
async function findEvent(db: Database, eventId: string) {
  const { row_id, provisional } = eventKeys;
  const [[key], letters] = await Promise.all([
    guarded(db.select({ row_id, provisional }).from(eventKeys).where(eq(eventKeys.event_id, eventId))),
    guarded(
      db
        .select(refusedFields)
        .from(events)
        .where(eq(events.carried_id, eventId))
        .orderBy(desc(events.row_id))
        .limit(MAX_REFUSED_SHOWN),
    ),
  ]);
  const rowId = key?.row_id ?? letters[0]?.row_id;
  const [row] =
    rowId === undefined ? [] : await guarded(db.select(eventFields).from(events).where(eq(events.row_id, rowId)));
  const others = letters.filter((letter) => letter.row_id !== rowId);
  const refused = others.map(({ row_id: _, ...letter }) => withTimesAsText(letter));
  return {
    row,
    event: row && toEventRow(row, refused, key?.provisional ?? false),
    recordedAt: row?.received_at ?? (rowId === undefined ? undefined : timeOfUuid(rowId)),
  };
}

const refusedFields = {
  row_id: events.row_id,
  event_id: events.event_id,
  reason: events.reason,
  detail: events.detail,
  received_at: events.received_at,
};

function toEventRow(row: StoredRow, refused: EventRow["refused"], provisional: boolean): EventRow {
  const { event_id, outcome, reason, detail, type, source, subject, occurred_at, carried_id } = row;
  const { received_at, settled_as, settled_at, settled_by, replayed_as } = withTimesAsText(row);
  const told = {
    matchedAt: (outcome !== "dead_lettered" && row.settled_at) || row.received_at,
    ...{ event_id, outcome, reason, detail, type, source, subject, received_at, carried_id, refused },
    ...{ settled_as, settled_at, settled_by, replayed_as },
  };
  if (outcome === "dead_lettered" || type === null || source === null || occurred_at === null)
    return { ...told, envelope: undefined, provisional };
  return { ...told, envelope: toEnvelope(row), provisional };
}

async function readReached(db: Database, rowId: string, activityId: string | undefined): Promise<Reached[]> {
  const { activity_id, activity_name, outcome, reason, run_id } = eventOutcomes;
  const wanted = and(
    eq(eventOutcomes.row_id, rowId),
    activityId === undefined ? undefined : eq(activity_id, activityId),
  );
  const rows = await guarded(
    db
      .select({
        activity_id,
        activity_name,
        outcome,
        reason,
        run_id,
        claimed_by: occurrences.claimed_by,
        key: occurrences.key,
      })
      .from(eventOutcomes)
      .leftJoin(occurrences, eq(occurrences.run_id, run_id))
      .where(wanted)
      .orderBy(asc(activity_name))
      .limit(MAX_REACHED_SHOWN),
  );
  const runs = await readRuns(
    db,
    rows.flatMap((row) => row.run_id ?? []),
  );
  return rows.map(({ claimed_by, key, ...row }) => ({
    ...row,
    run: row.run_id === null ? undefined : runs.get(row.run_id),
    claimed: key === null ? undefined : claimed_by !== null,
  }));
}

async function countReached(db: Database, rowId: string): Promise<EventFacts["counts"]> {
  const { outcome } = eventOutcomes;
  const query = db.select({ outcome, count: count() }).from(eventOutcomes).where(eq(eventOutcomes.row_id, rowId));
  const rows = await guarded(query.groupBy(outcome));
  return Object.fromEntries(rows.map((row) => [row.outcome, row.count]));
}

/** The run that the activity made of the event, also where the event itself is not kept any more. */
async function findRun(db: Database, activityId: string, eventId: string): Promise<EventFacts["run"]> {
  const { activity_id, kind, key, run_id } = occurrences;
  const query = db.select({ run_id }).from(occurrences);
  const [row] = await guarded(query.where(and(eq(activity_id, activityId), eq(kind, "event"), eq(key, eventId))));
  return row && (await readRuns(db, [row.run_id])).get(row.run_id);
}

async function findUnpublished(db: Database, eventId: string): Promise<EventFacts["unpublished"]> {
  const { event_id, created_at, cut_reason, published_at } = ownEvents;
  const query = db.select({ created_at, cut_reason }).from(ownEvents);
  const [row] = await guarded(query.where(and(eq(event_id, eventId), isNull(published_at))));
  return row;
}

async function readIdsBeside(db: Database, eventId: string): Promise<string[]> {
  const { event_id } = eventKeys;
  const query = () => db.select({ event_id }).from(eventKeys);
  const [before, after] = await Promise.all([
    guarded(query().where(lt(event_id, eventId)).orderBy(desc(event_id)).limit(IDS_BESIDE)),
    guarded(query().where(gt(event_id, eventId)).orderBy(asc(event_id)).limit(IDS_BESIDE)),
  ]);
  return [...before.reverse(), ...after].map((row) => row.event_id);
}

/** What the live definitions wait for. */
export async function readListened(db: Database): Promise<ListenedType[]> {
  const { id: activity_id, name: activity_name, enabled, trigger_type, deleted_at, body } = definitions;
  const event_type = sql<string>`${body}->'trigger_config'->>'event_type'`;
  const live = and(eq(trigger_type, "event"), isNull(deleted_at));
  return guarded(db.select({ event_type, activity_id, activity_name, enabled }).from(definitions).where(live));
}
