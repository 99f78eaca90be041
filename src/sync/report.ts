/** The answer of a sync: what it changed, what it could not, and what it left alone. */
import { type Static, Type } from "@sinclair/typebox";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import {
  DOCUMENT_STAGES,
  type DocumentStage,
  fieldChanges,
  placeOf,
  WRITE_ACTIONS,
  type Write,
} from "./document-row.ts";
import type { Plan } from "./plan.ts";
import { SyncError } from "./sync-error.ts";

/** Errors and changes of one answer; the rest is counted. */
const MAX_ERRORS = 50;
const MAX_CHANGES = 1000;
/** Names of one stage that was not asked for. */
const MAX_NAMES = 10;

const Count = Type.Integer({ minimum: 0 });
const DocumentCounts = Type.Object({ created: Count, updated: Count, unchanged: Count, retired: Count });
const Change = Type.Object({
  stage: oneOf(DOCUMENT_STAGES),
  action: oneOf(WRITE_ACTIONS, {
    description:
      "adopt: a document took over the row of its name, whose own document is gone. delete: a rollback gave a name back to the one that had it.",
  }),
  id: Type.String({ format: "uuid" }),
  name: Type.String(),
  file: Type.String({ description: "Where its document stands, or stood." }),
  fields: Type.Array(Type.Object({ path: Type.String(), before: Type.Unknown(), after: Type.Unknown() }), {
    description: "null: there was nothing.",
  }),
});

export const SyncReport = Type.Object(
  {
    sync_id: Type.String({ format: "uuid" }),
    actor: Type.String(),
    started_at: Type.String({ format: "date-time" }),
    duration_ms: Type.Integer(),
    dry_run: Type.Boolean(),
    definitions: DocumentCounts,
    event_types: DocumentCounts,
    hooks: DocumentCounts,
    schedules: Type.Object({ upserted: Count, unchanged: Count, paused: Count, orphans_deleted: Count }),
    schedules_removed: Type.Integer({
      minimum: 0,
      description: "Of one-shots that are done, and of activities that have another trigger by now.",
    }),
    changes: Type.Array(Change, { description: "Field by field; of a dry run: what would be changed." }),
    changes_total: Count,
    not_asked: Type.Array(
      Type.Object({
        stage: Change.properties.stage,
        changes: Type.Integer({ minimum: 1, description: "How many it would make." }),
        names: Type.Array(Type.String(), { description: "Of the first ten." }),
      }),
      { description: "Stages that were not asked for, and whose files say otherwise than what is stored." },
    ),
    drift: Type.Array(
      Type.Object({
        schedule_id: Type.String(),
        activity_id: Type.Optional(Type.String({ format: "uuid" })),
        what: Type.String({ description: "paused, unpaused, changed or deleted" }),
        repaired: Type.Boolean({ description: "A pause is honoured." }),
      }),
      { description: "What somebody did to schedules behind actcore's back." },
    ),
    errors: Type.Array(SyncError),
    errors_total: Count,
    refused: Type.Array(Type.String(), { description: "Trees that would lose too much: with `force` it is done." }),
    held: Type.Array(Type.String(), {
      description: "Trees that a rollback holds: left alone until they are released.",
    }),
    held_by: Type.Record(Type.String(), Type.String({ format: "uuid" }), {
      description: "Of each held tree the sync that was rolled back: POST /admin/syncs/{sync_id}/release frees it.",
    }),
    rolled_back: Nullable(Type.String({ format: "uuid" }), {
      description: "Of a rollback: the sync that it took back.",
    }),
  },
  { title: "SyncReport" },
);
export type SyncReport = Static<typeof SyncReport>;

export interface HeldTree {
  tree: string;
  /** The sync that was rolled back: what `release` takes. */
  sync_id: string;
}

/** A sync as a list of the history has it. */
export const SyncSummary = Type.Omit(SyncReport, ["changes"], { title: "SyncSummary" });
export type SyncSummary = Static<typeof SyncSummary>;

/** Of a stage that has changed nothing. */
export function noCounts(): SyncReport["definitions"] {
  return { created: 0, updated: 0, unchanged: 0, retired: 0 };
}

/** Of a sync that begins. */
export function beginReport(actor: string, dry_run: boolean): SyncReport {
  return {
    sync_id: Bun.randomUUIDv7(),
    actor,
    started_at: new Date().toISOString(),
    dry_run,
    duration_ms: 0,
    definitions: noCounts(),
    event_types: noCounts(),
    hooks: noCounts(),
    schedules: { upserted: 0, unchanged: 0, paused: 0, orphans_deleted: 0 },
    schedules_removed: 0,
    changes: [],
    changes_total: 0,
    not_asked: [],
    drift: [],
    errors: [],
    errors_total: 0,
    refused: [],
    held: [],
    held_by: {},
    rolled_back: null,
  };
}

const COUNTED_AS = {
  create: "created",
  update: "updated",
  revive: "updated",
  adopt: "updated",
  retire: "retired",
  delete: "retired",
} as const;

/** Which trees no sync touches. */
export function noteHeld(report: SyncReport, held: readonly HeldTree[]): void {
  report.held = held.map(({ tree }) => tree);
  report.held_by = Object.fromEntries(held.map(({ tree, sync_id }) => [tree, sync_id]));
}

/** Counts the writes, and lists them with their fields. */
export function addWrites(report: SyncReport, writes: readonly Write[]): void {
  for (const { stage, action } of writes) report[stage][COUNTED_AS[action]]++;
  report.changes_total += writes.length;
  report.changes = listChanges(writes);
}

export function listChanges(writes: readonly Write[]): SyncReport["changes"] {
  return writes.slice(0, MAX_CHANGES).map((write) => ({
    stage: write.stage,
    action: write.action,
    id: write.id,
    name: write.after.body.name,
    file: placeOf(write.after),
    fields: fieldChanges(write),
  }));
}

export function addPlan(report: SyncReport, plan: Plan, stages: readonly DocumentStage[]): void {
  for (const stage of stages) report[stage].unchanged = plan.unchanged[stage];
  addErrors(report, plan.errors);
  const stage = stages[0] ?? "definitions";
  addErrors(
    report,
    plan.withheld.map((tree) => ({ stage, subject: tree, message: withheldMessage(report.held_by[tree]) })),
  );
  report.refused = plan.refused;
  addWrites(report, plan.writes);
}

/** What a sync would write of a stage that it was not asked for. */
export function noteNotAsked(report: SyncReport, stage: DocumentStage, writes: readonly Write[]): void {
  if (writes.length === 0) return;
  const names = writes.slice(0, MAX_NAMES).map(({ after }) => after.body.name);
  report.not_asked.push({ stage, changes: writes.length, names });
}

function withheldMessage(syncId = ""): string {
  return (
    `is held since sync ${syncId} was rolled back, and its files differ from what is stored: nothing of it was ` +
    `synced. Once they are mended: POST /admin/syncs/${syncId}/release, and sync`
  );
}

export function addErrors(report: SyncReport, errors: readonly SyncError[]): void {
  report.errors_total += errors.length;
  report.errors.push(...errors.slice(0, Math.max(0, MAX_ERRORS - report.errors.length)));
}
