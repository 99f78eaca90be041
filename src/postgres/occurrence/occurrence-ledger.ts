/** The claim, in which an occurrence gets its one workflow, its pinned version and its run (I1, I8). */
import { and, eq, sql } from "drizzle-orm";
import { findDifferences } from "../../event/content.ts";
import type { EventEnvelope } from "../../event/envelope.ts";
import { RetryableError, TerminalError } from "../../kernel/errors.ts";
import { isUuid } from "../../kernel/stable-id.ts";
import { segmentsOf } from "../../occurrence/definition-history.ts";
import type { OccurrenceLedger } from "../../occurrence/ledger.ts";
import { type Database, guarded } from "../client.ts";
import { definitions, definitionVersions } from "../definition-tables.ts";
import { readStored, type StoredEvent } from "../event/event-contents.ts";
import { occurrences, runs } from "../ledger-tables.ts";
import { type DueActivityRow, versionsSince } from "../schedule/due-ledger.ts";
import { type ClaimRow, claimStatement } from "./claim-statement.ts";
import { claimThroughGates } from "./gated-claim.ts";

export function createOccurrenceLedger(db: Database): OccurrenceLedger {
  const ledger: OccurrenceLedger = {
    async findAccepted(activityId, runId) {
      if (!isUuid(activityId)) throw unknownDefinition(activityId);
      const { kind, key, run_id, event_id } = occurrences;
      const query = db.select({ kind, key, run_id, event_id, trigger: runs.trigger }).from(occurrences);
      const ofRun = and(eq(run_id, runId), eq(occurrences.activity_id, activityId));
      const [row] = await guarded(query.innerJoin(runs, eq(runs.run_id, run_id)).where(ofRun));
      if (row === undefined)
        throw new TerminalError("run_not_found", `activity ${activityId} has accepted no run ${runId}`);
      const { event_id: eventId, ...event } = row;
      return { ...event, ...(eventId !== null && { event_id: eventId }) };
    },

    async findSegments(activityId, at, now) {
      // A version counts for the due times after it was written.
      const since = new Date(at.getTime() - 1).toISOString();
      const [row] = await guarded(
        db.execute<Pick<DueActivityRow, "versions">>(sql`
          select coalesce(v.versions, '[]') as versions
          from ${definitions} d cross join lateral (${versionsSince(sql`d.id`, sql`${since}::timestamptz`)}) v
          where d.id = ${activityId}`),
      );
      // The first version was in force before the range begins.
      return segmentsOf({ since: new Date(0).toISOString(), versions: row?.versions ?? [] }, now);
    },

    async findVersion(activityId, version) {
      const one = and(eq(definitionVersions.definition_id, activityId), eq(definitionVersions.version, version));
      const [row] = await guarded(db.select().from(definitionVersions).where(one));
      if (row === undefined) return undefined;
      const { name, enabled } = row.body;
      // No run uses the body of a deletion, and only the current version is judged.
      return { id: activityId, name, version, enabled, deleted: false, since: row.created_at, body: row.body };
    },

    async claim(request, judged) {
      if (!isUuid(request.activity_id)) throw unknownDefinition(request.activity_id);
      const { event } = judged;
      const standing = event.inline && (await findStanding(db, event.inline));
      const row = await (judged.gates === undefined
        ? guarded(db.execute<ClaimRow>(claimStatement(request, judged, standing?.row_id))).then(([first]) => first)
        : claimThroughGates(db, request, judged, standing?.row_id));
      if (row?.current)
        return { outcome: "not_judged", current: { ...row.current, since: new Date(row.current.since) } };
      if (!row?.is_judged) throw unknownDefinition(request.activity_id);
      // It was stored by somebody else since it was looked for, and may say something else.
      if (!row.event_known && event.inline !== undefined)
        throw new RetryableError("event_in_conflict", `event ${event.event_id} is being stored by another workflow`);
      if (!row.event_known)
        throw new TerminalError("event_not_found", `event ${event.event_id} is not in the ledger`, {
          hint: "Publish it first (POST /events), or start the workflow with the whole envelope",
        });
      const start_latency_ms = Math.max(0, row.latency_ms ?? 0);
      const { run_id, version_used, status, reason } = row;
      // Another claim was made after this statement's snapshot was taken: the next one sees what it left.
      if (run_id === null || (row.claimed && !row.swept && status === null)) return ledger.claim(request, judged);
      if (row.status === "queued" && version_used !== null)
        return { outcome: "queued", run_id, version_used, start_latency_ms };
      if (!row.claimed || row.swept || version_used === null) return { outcome: "duplicate", run_id, start_latency_ms };
      const held = { run_id, version_used, start_latency_ms };
      return status === "skipped"
        ? { outcome: "skipped", ...held, reason: reason ?? "skipped" }
        : { outcome: "claimed", ...held, reopened: row.reopened };
    },
  };
  return ledger;
}

/** What is recorded under the event's id, if it says the same as the event. @throws TerminalError `event_differs` */
async function findStanding(db: Database, envelope: EventEnvelope): Promise<StoredEvent | undefined> {
  const [standing] = await readStored(db, [envelope.event_id]);
  const fields = findDifferences(standing?.content, envelope);
  if (fields.length > 0)
    throw new TerminalError(
      "event_differs",
      `trigger_event differs in ${fields.join(", ")} from the event that was recorded before under its id`,
      { hint: "Give it an id of its own, or start the workflow with {event_id} alone" },
    );
  return standing;
}

function unknownDefinition(activityId: string): TerminalError {
  // The id may be of any length, and the engine keeps the text of a failure only up to a bound.
  const shown = JSON.stringify(activityId.slice(0, 200));
  return new TerminalError("definition_not_found", `there is no definition ${shown}`);
}
