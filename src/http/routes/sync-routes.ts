/** Files and schedules brought up to date over REST: the same sync as at start-up, at an interval and on the command line. */
import { Type } from "@sinclair/typebox";
import { readHistory, rehearseSync } from "../../rehearsal/sync-rehearsal.ts";
import { SyncRehearsal } from "../../rehearsal/what-if-report.ts";
import { listChanges, SyncReport, SyncSummary } from "../../sync/report.ts";
import { Uuid } from "../ids.ts";
import { byId, listRoute } from "../list-route.ts";
import { invalidQuery } from "../query.ts";
import { type Reply, type Route, requireFound, route } from "../route.ts";

/** Milliseconds. A sync of many schedules takes long, and so does waiting for another sync. */
const ANSWER_WITHIN_MS = 240_000;

const Params = Type.Object({ sync_id: Uuid });
const flag = (description: string, fallback: boolean) =>
  Type.Optional(Type.Boolean({ default: fallback, description, expected: "true or false" }));
const SyncQuery = Type.Object(
  {
    definitions: flag("Bring the activities up to their files.", true),
    schedules: flag("Bring the engine's schedules up to the activities.", true),
    event_types: flag("Bring the event types up to their files.", false),
    hooks: flag("Bring the hooks up to their files.", true),
    dry_run: flag("Answer what would be changed, field by field, and change nothing.", false),
    force: flag("Retire however much has vanished from the files.", false),
    history: Type.Optional(
      Type.String({
        maxLength: 32,
        description:
          "With dry_run: also answers on which events and due times of so long before now the changed activities would have done something else; at most 30d.",
        examples: ["7d"],
      }),
    ),
  },
  { additionalProperties: false },
);
const Released = Type.Object({ released: Type.Array(Type.String(), { description: "The trees that are free now." }) });

export const SYNC_ROUTES: readonly Route[] = [
  route({
    method: "POST",
    path: "/admin/sync",
    scope: "admin",
    summary: "Sync files and schedules: 207 when something could not be, 409 when a tree would lose too much",
    query: SyncQuery,
    answerWithinMs: ANSWER_WITHIN_MS,
    answers: {
      200: Type.Union([SyncReport, SyncRehearsal], { description: "The rehearsal where `history` is given." }),
      207: SyncReport,
      409: SyncReport,
    },
    async handle({ query, services, actor }) {
      const { definitions = true, schedules = true, event_types = false, hooks = true, ...rest } = query;
      const { dry_run: dryRun = false, force = false, history } = rest;
      const request = { definitions, schedules, event_types, hooks, force, actor };
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
      if (history === undefined) return replyWith(await services.sync.sync({ ...request, dryRun }, signal));
      const historyMs = readHistory(history, "?history");
      if (typeof historyMs !== "number") throw invalidQuery(historyMs);
      if (!dryRun) throw invalidQuery([{ path: "?history", message: "is only taken with dry_run=true" }]);
      return replyWith(await rehearseSync(services, request, historyMs, signal));
    },
  }),
  listRoute({
    path: "/admin/syncs",
    scope: "admin",
    summary: "List the syncs that changed something or had errors, newest first",
    filters: {},
    row: SyncSummary,
    cursor: byId("sync_id"),
    read: ({ services }, _, page) => services.sync.list(page),
  }),
  route({
    method: "GET",
    path: "/admin/syncs/:sync_id",
    scope: "admin",
    summary: "Read a sync, with all that it changed",
    params: Params,
    answers: { 200: SyncReport },
    async handle({ params, services }) {
      const id = params.sync_id;
      const { summary, writes } = requireFound(await services.sync.find(id), `sync ${id}`);
      return { body: { ...summary, changes: listChanges(writes) } };
    },
  }),
  route({
    method: "POST",
    path: "/admin/syncs/:sync_id/rollback",
    scope: "admin",
    summary: "Put back what the newest sync of its trees changed, and hold the trees until they are released",
    params: Params,
    answerWithinMs: ANSWER_WITHIN_MS,
    answers: { 200: SyncReport, 207: SyncReport },
    async handle({ params, services, actor }) {
      const id = params.sync_id;
      return replyWith(await services.sync.rollback(id, actor, AbortSignal.timeout(ANSWER_WITHIN_MS)));
    },
  }),
  route({
    method: "POST",
    path: "/admin/syncs/:sync_id/release",
    scope: "admin",
    summary: "Release the trees that a rollback holds: the next sync brings them up to their files",
    params: Params,
    answers: { 200: Released },
    async handle({ params, services, actor }) {
      return { body: { released: await services.sync.release(params.sync_id, actor) } };
    },
  }),
];

function replyWith(report: SyncReport): Reply {
  const status = report.refused.length > 0 ? 409 : report.errors_total > 0 ? 207 : 200;
  return { status, body: report };
}
