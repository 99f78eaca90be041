/** `actcore sync`: files and schedules brought up to date by this process, on the engines that are configured or run. */

import { findRunningEngines } from "../engines/data-directory.ts";
import type { EngineEndpoints } from "../engines/engine-status.ts";
import { migrations } from "../generated/migrations.ts";
import type { Config } from "../kernel/config.ts";
import { RetryableError, TerminalError } from "../kernel/errors.ts";
import { createLog } from "../kernel/log.ts";
import { createMetrics } from "../kernel/metrics.ts";
import { inOneLine } from "../kernel/printable.ts";
import { migrate, requireMigrated } from "../postgres/migrate.ts";
import { createHistoryReader } from "../postgres/rehearsal/history-reader.ts";
import { readHistory, rehearseSync } from "../rehearsal/sync-rehearsal.ts";
import { createWhatIf } from "../rehearsal/what-if.ts";
import type { SyncRehearsal } from "../rehearsal/what-if-report.ts";
import { findTaskRules } from "../roles/own-engines.ts";
import { createSync } from "../roles/sync.ts";
import { type DocumentStage, NOUN_OF } from "../sync/document-row.ts";
import type { SyncReport } from "../sync/report.ts";
import type { SyncRequest } from "../sync/service.ts";
import { createParamsCheck } from "../task/params-check.ts";
import { TASK_TYPES } from "../task/types.ts";
import { openTemporal, type Temporal, temporalTlsOf } from "../temporal/connection.ts";
import { ensureNamespace } from "../temporal/namespace.ts";
import { type CommandContext, usageError } from "./command.ts";
import { withDatabase } from "./database.ts";
import { toWhatIfLines } from "./what-if-lines.ts";

type Context = Pick<CommandContext, "config" | "print" | "json" | "args" | "shutdown">;

/** One holds the lock, one that of the schedules, the others do the work. */
const CONNECTIONS = 6;
const TEMPORAL_WITHIN_MS = 10_000;
/** What has a stage synced. */
const FLAG_OF: Readonly<Record<DocumentStage, string>> = {
  definitions: "not --no-definitions",
  event_types: "--event-types",
  hooks: "not --no-hooks",
};

/**
 * @returns 0, or 1 when there were errors: the rest was done
 * @throws InvalidInputError `usage`; TerminalError `interrupted`; what `withDatabase` throws
 */
export async function runSync({ config, print, json, args, shutdown }: Context): Promise<number> {
  const request = {
    definitions: !readSwitch(args, "no-definitions"),
    event_types: readSwitch(args, "event-types"),
    hooks: !readSwitch(args, "no-hooks"),
    schedules: !readSwitch(args, "no-schedules"),
    dryRun: readSwitch(args, "dry-run"),
    force: readSwitch(args, "force"),
    actor: "cli",
  };
  const historyMs = readHistoryOption(args);
  if (historyMs !== undefined && !request.dryRun)
    throw usageError([{ path: "--history", message: "is only taken with --dry-run" }], "help sync");
  const report: SyncReport | SyncRehearsal = await withDatabase(
    config,
    "sync",
    async (postgres) => {
      if (request.dryRun) await requireMigrated(postgres.sql, migrations);
      else await migrate(postgres.sql, migrations);
      const located = (await findRunningEngines(config.dataDir))?.endpoints;
      const reached = request.schedules ? await reachTemporal(config, located, shutdown.stopping) : undefined;
      const temporal = () => {
        if (reached !== undefined && "client" in reached) return reached;
        throw reached?.error;
      };
      try {
        // Its own report says all that there is to say.
        const log = createLog("error");
        const service = createSync({
          config,
          rules: findTaskRules(TASK_TYPES, config, located),
          postgres,
          temporal,
          metrics: createMetrics(),
          log,
        });
        if (historyMs === undefined) return await service.sync(request, shutdown.stopping);
        const checkParams = createParamsCheck(findTaskRules(TASK_TYPES, config, located));
        const whatIf = createWhatIf({ history: createHistoryReader(postgres.db), checkParams });
        return await rehearseSync({ sync: service, whatIf }, request, historyMs, shutdown.stopping);
      } catch (error) {
        if (!shutdown.stopping.aborted) throw error;
        throw new TerminalError("interrupted", "the sync was interrupted: what it had stored by then stays");
      } finally {
        if (reached !== undefined && "client" in reached) await reached.close();
      }
    },
    CONNECTIONS,
  );
  if (json) print(JSON.stringify(report));
  else for (const line of toLines(report, config, request)) print(inOneLine(line));
  return report.errors_total > 0 ? 1 : 0;
}

/** The engine, or why it is not there: files are synced without it. */
async function reachTemporal(
  config: Config,
  located: Partial<EngineEndpoints> | undefined,
  signal: AbortSignal,
): Promise<Temporal | { error: unknown }> {
  const address = config.temporalHost ?? located?.temporalHost;
  if (address === undefined) {
    const message = `no Temporal is configured, and no engines run on ${config.dataDir}`;
    return { error: new RetryableError("temporal_unavailable", message) };
  }
  try {
    const temporal = await openTemporal(address, config.temporalNamespace, "sync", temporalTlsOf(config));
    try {
      const options = { signal, withinMs: TEMPORAL_WITHIN_MS };
      await ensureNamespace(temporal.connection, config.temporalNamespace, options);
      return temporal;
    } catch (error) {
      await temporal.close();
      throw error;
    }
  } catch (error) {
    return { error };
  }
}

function toLines(
  report: SyncReport | SyncRehearsal,
  { definitionsDirs }: Config,
  { event_types: askedTypes }: Pick<SyncRequest, "event_types">,
): string[] {
  const { definitions, event_types, hooks, schedules, changes, changes_total, errors, errors_total, held, not_asked } =
    report;
  const differing = not_asked.map(({ stage, changes, names }) => {
    const more = changes > names.length ? ` and ${changes - names.length} more` : "";
    return `differ  ${changes} ${NOUN_OF[stage]}s from their files, and were not asked for (${FLAG_OF[stage]}): ${names.join(", ")}${more}`;
  });
  const count = ({ created, updated, unchanged, retired }: SyncReport["definitions"]) =>
    `${created} created, ${updated} updated, ${unchanged} unchanged, ${retired} retired`;
  const { upserted, unchanged, paused, orphans_deleted } = schedules;
  return [
    ...changes.flatMap(({ action, name, file, stage, fields }) => [
      `${action.padEnd(7)} ${NOUN_OF[stage]} ${name}  ${file}`,
      ...(action === "create" ? [] : fields.map((field) => `          ${describe(field)}`)),
    ]),
    ...rest(changes_total - changes.length, "changes"),
    ...report.drift.map(
      ({ schedule_id, what, repaired }) =>
        `drift   ${schedule_id} was ${what} by somebody else: ${repaired ? "repaired" : "left as it is"}`,
    ),
    ...held.map(
      (tree) =>
        `held    ${tree}: rolled back, and left alone until it is released: POST /admin/syncs/${report.held_by[tree]}/release`,
    ),
    ...errors.map(
      ({ stage, subject, message }) => `error   ${stage}: ${subject === stage ? "" : `${subject}: `}${message}`,
    ),
    ...rest(errors_total - errors.length, "errors"),
    ...differing,
    `directories  ${definitionsDirs.join(", ") || "none"}`,
    `definitions  ${count(definitions)}`,
    `event types  ${askedTypes ? count(event_types) : "not asked for (--event-types)"}`,
    `hooks        ${count(hooks)}`,
    `schedules    ${upserted} upserted, ${unchanged} unchanged, ${paused} of them paused, ${orphans_deleted} orphans deleted`,
    ...("what_if" in report ? toWhatIfLines(report.what_if) : []),
    `${report.dry_run ? "a dry run: nothing was changed" : `sync ${report.sync_id}`}, ${report.duration_ms} ms`,
  ];
}

function describe({ path, before, after }: { path: string; before: unknown; after: unknown }): string {
  return `${path}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
}

function rest(count: number, what: string): string[] {
  return count > 0 ? [`        and ${count} more ${what}`] : [];
}

/** Milliseconds. */
function readHistoryOption({ history }: Context["args"]): number | undefined {
  if (history === undefined) return undefined;
  const found = readHistory(history, "--history");
  if (typeof found === "number") return found;
  throw usageError(found, "help sync");
}

function readSwitch(args: Context["args"], name: string): boolean {
  const text = args[name] ?? "false";
  if (text === "true" || text === "false") return text === "true";
  const fault = { path: `--${name}`, message: `expected true or false, received ${JSON.stringify(text)}` };
  throw usageError([fault], "help sync");
}
