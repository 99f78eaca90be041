/** What tests of rehearsals begin with: activities of bodies, and a history that is a list of events and runs. */
import { type Activity, compileActivity } from "../../src/definition/activity.ts";
import type { DefinitionBody } from "../../src/definition/schema.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import type { HistoryReader, RecordedRun } from "../../src/rehearsal/history.ts";
import type { RoundOptions } from "../../src/run/decide.ts";
import type { Write } from "../../src/sync/document-row.ts";
import { createParamsCheck } from "../../src/task/params-check.ts";
import { bodyOf } from "./ledger.ts";
import { TASK_RULES } from "./own-engines.ts";

export const ROUND: RoundOptions = { checkParams: createParamsCheck(TASK_RULES), breathe: () => undefined };

export function activityOfBody(body: DefinitionBody, rest: Partial<Activity> = {}): Activity {
  const { name, enabled } = body;
  return {
    ...compileActivity({ id: "a", name, version: 1, enabled, deleted: false, since: new Date(0), body }),
    ...rest,
  };
}

/** The write of a sync that makes `after` of `before`; a document that is gone retires its row. */
export function writeOf(id: string, before: DefinitionBody | undefined, after: DefinitionBody | undefined): Write {
  const state = (body: DefinitionBody, retired = false) => ({
    body,
    source: "file:x.yaml",
    tree: "/t",
    tree_key: body.name,
    retired,
  });
  const action = before === undefined ? "create" : after === undefined ? "retire" : "update";
  return {
    ...{ stage: "definitions", action, id, version: before === undefined ? null : 1 },
    before: before ? state(before) : null,
    after: after ? state(after) : state(before ?? bodyOf(id), true),
  };
}

/** Of events and runs, the newest first; each event came by the stream. */
export function historyOf(
  events: readonly { envelope: EventEnvelope; received_at: Date }[],
  runs: readonly RecordedRun[] = [],
  enabled: Record<string, boolean> = {},
): HistoryReader & { pages: number } {
  const rows = events.map((event, index) => ({ row_id: String(events.length - index).padStart(9, "0"), ...event }));
  return {
    pages: 0,
    async listTypes() {
      return [...new Set(rows.map(({ envelope }) => envelope.type))].sort();
    },
    async listEvents(type, { since, after, limit }) {
      this.pages++;
      const wanted = rows.filter(({ row_id, envelope, received_at }) => {
        return envelope.type === type && received_at >= since && (after === undefined || row_id < after);
      });
      return wanted.slice(0, limit).map((row) => ({ ...row, bytes: JSON.stringify(row.envelope.payload).length }));
    },
    listLastEvents: async (types, limit) =>
      rows.filter(({ envelope }) => types.includes(envelope.type)).slice(0, limit),
    findEvent: async (id) => rows.find(({ envelope }) => envelope.event_id === id),
    findRun: async (id) => runs.find(({ run_id }) => run_id === id),
    listGathered: async () => rows.map(({ envelope }) => envelope).reverse(),
    listTasks: async () => [],
    listRunsOfEvents: async (ids, eventIds) =>
      runs.filter(
        ({ activity_id, event_id }) => ids.includes(activity_id) && event_id !== null && eventIds.includes(event_id),
      ),
    listRunsOfDueTimes: async (id, from, to) =>
      runs.filter(({ activity_id, scheduled_for }) => {
        return activity_id === id && scheduled_for !== null && scheduled_for >= from && scheduled_for <= to;
      }),
    listEnabled: async (ids) =>
      new Map(
        ids.filter((id) => id in enabled).map((id) => [id, { enabled: enabled[id] ?? true, enabled_override: null }]),
      ),
  };
}

/** A run of an event, with what its context sources answered. */
export function recordedRun(activity_id: string, event_id: string, values: Record<string, unknown>): RecordedRun {
  return {
    ...{ run_id: `run-of-${event_id}`, activity_id, event_id, trigger: "event", scheduled_for: null },
    ...{
      fired_at: new Date("2026-01-31T09:30:00Z"),
      version_used: 1,
      window_id: null,
      context: { values, sources: [] },
    },
  };
}
