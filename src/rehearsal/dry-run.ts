/**
 * Dry runs: what a definition, stored or not, would do on an event, at a due time, or again on what a past run was made for.
 *
 *   occasion → judged → context (asked, as it was recorded, or given) → the definition's condition → templates → tasks
 *
 * Context sources are really asked where that is wished. Otherwise nothing is done, and nothing is stored.
 */
import pLimit from "p-limit";
import type { ContextResolver } from "../context/resolver.ts";
import type { Snapshot } from "../context/snapshot.ts";
import type { Activity } from "../definition/activity.ts";
import type { DefinitionBody } from "../definition/schema.ts";
import { compileTemplate } from "../expression/template.ts";
import { InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { createPause } from "../kernel/wait.ts";
import { matchesType } from "../match/type-pattern.ts";
import type { RoundOptions } from "../run/decide.ts";
import { nameOf } from "../run/task-instance.ts";
import type { Secrets } from "../secret/secrets.ts";
import { MAX_TYPES } from "./affected-types.ts";
import type { DryRunReport } from "./dry-run-report.ts";
import type { About } from "./dry-run-request.ts";
import type { HistoryReader, RecordedRun } from "./history.ts";
import { judgeOccasion, type Occasion, occasionOfDueTime, occasionOfEvent, occasionOfRun } from "./occasion.ts";
import { createReporter, type Finding } from "./occurrence-report.ts";
import { decide, type Known } from "./rehearse.ts";
import { valuesOf } from "./values.ts";

/** The definition that is rehearsed. */
export interface Target {
  activity: Activity;
  body: DefinitionBody;
  /** Whether the activity's id and version are those of a definition in the database. */
  isStored: boolean;
}

export interface DryRunDeps {
  resolver: ContextResolver;
  secrets: Pick<Secrets, "has" | "maskJson">;
  checkParams: RoundOptions["checkParams"];
  /** Absent without a database: then nothing recorded can be asked about. */
  history?: HistoryReader;
}

export interface DryRuns {
  /**
   * @throws InvalidInputError `invalid_dry_run`; TerminalError `not_found` for a run that is not there, `input_not_kept` for one whose
   *   event is not kept any more; what `history` throws; the reason of `signal`
   */
  dryRun(target: Target, about: About, signal: AbortSignal): Promise<DryRunReport>;
}

/** Occasions that one process rehearses at the same time, of all requests. */
const CONCURRENT = 8;
/** How long the context sources of all occasions of one request may take, in milliseconds. */
const CONTEXT_WITHIN_MS = 100_000;

export function createDryRuns({ resolver, secrets, checkParams, history }: DryRunDeps): DryRuns {
  const options: RoundOptions = { checkParams, breathe: createPause() };
  const limit = pLimit(CONCURRENT);

  async function findOccasions(target: Target, { occasion }: About): Promise<Occasion[]> {
    if ("event" in occasion) return [occasionOfEvent(occasion.event, new Date())];
    if ("due" in occasion) return [occasionOfDueTime(occasion.due)];
    const reader = requireHistory(history);
    if ("run_id" in occasion) return [await findRun(reader, target, occasion.run_id)];
    const events = await reader.listLastEvents(await findTypes(reader, target), occasion.last_events);
    const ids = events.map(({ envelope }) => envelope.event_id);
    const runs = target.isStored ? await reader.listRunsOfEvents([target.activity.id], ids) : [];
    const byEvent = new Map(runs.map((run) => [run.event_id, run]));
    return events.map(({ envelope, received_at }) => {
      const run = byEvent.get(envelope.event_id);
      return occasionOfEvent(envelope, run?.fired_at ?? received_at, run);
    });
  }

  async function rehearseOne(target: Target, about: About, occasion: Occasion, signal: AbortSignal): Promise<Finding> {
    const { activity } = target;
    const verdict = judgeOccasion(occasion, activity);
    const isDisabled = verdict.do === "skip" && verdict.reason === "disabled";
    if (verdict.do === "skip" && !isDisabled)
      return { occasion, rehearsed: { would: "skip", reason: verdict.reason, detail: verdict.detail } };
    const asked = await findContext(activity, about, occasion, signal);
    if (asked.error !== undefined) {
      const { code, message } = asked.error;
      return {
        ...asked,
        occasion,
        isDisabled,
        rehearsed: { would: "fail", reason: code, detail: message, faults: [] },
      };
    }
    const known: Known = {
      context: asked.snapshot.values,
      endOf: about.endOf ?? (occasion.run && (await readEnds(occasion.run))),
    };
    const placed = verdict.do === "run" ? verdict : {};
    return { ...asked, occasion, isDisabled, rehearsed: await decide(activity, occasion, known, options, placed) };
  }

  /** What is known of the context, and how the sources did that were asked, or were asked then. */
  async function findContext(
    activity: Activity,
    { context, given }: About,
    occasion: Occasion,
    signal: AbortSignal,
  ): Promise<{ snapshot: Snapshot; error?: TerminalError }> {
    const recorded = context === "recorded" ? occasion.run?.context : undefined;
    if (recorded) return { snapshot: { ...recorded, values: { ...recorded.values, ...given } } };
    if (context !== "fetch") return { snapshot: { values: given, sources: [] } };
    const sources = activity.context.filter(({ name }) => !Object.hasOwn(given, name));
    const { firedAt: fired_at, run } = occasion;
    // A source of earlier runs looks for those before this id.
    const run_id = run?.run_id ?? Bun.randomUUIDv7("hex", fired_at);
    try {
      const values = valuesOf(occasion, activity);
      const snapshot = await resolver.resolve(sources, values, { run_id, activity_id: activity.id, fired_at }, signal);
      return { snapshot: { ...snapshot, values: { ...snapshot.values, ...given } } };
    } catch (error) {
      // Nobody knows what the sources would have answered.
      if (signal.aborted) return { snapshot: { values: given, sources: [] } };
      if (!(error instanceof TerminalError) || error.code !== "context_failed") throw error;
      return { snapshot: { values: given, sources: error.details.sources as Snapshot["sources"] }, error };
    }
  }

  async function readEnds(run: RecordedRun): Promise<Known["endOf"]> {
    const tasks = await requireHistory(history).listTasks(run.run_id);
    const byName = new Map(tasks.map((task) => [nameOf(task), task]));
    return (key, instance) => byName.get(nameOf({ key, instance }));
  }

  return {
    async dryRun(target, about, signal) {
      const occasions = await findOccasions(target, about);
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(CONTEXT_WITHIN_MS)]);
      const findings = await limit.map(occasions, (occasion) => rehearseOne(target, about, occasion, inTime));
      signal.throwIfAborted();
      const describe = createReporter(target.body);
      const { id, name, version, enabled } = target.activity;
      const report: DryRunReport = {
        activity_id: target.isStored ? id : null,
        activity_name: name,
        version: target.isStored ? version : null,
        enabled,
        missing_secrets: findSecrets(target.body).filter((secret) => !secrets.has(secret)),
        occurrences: findings.map(describe),
      };
      return secrets.maskJson(report) as DryRunReport;
    },
  };
}

async function findRun(history: HistoryReader, { activity, isStored }: Target, runId: string): Promise<Occasion> {
  const run = await history.findRun(runId);
  if (run === undefined) throw new TerminalError("not_found", `run ${runId} is not there`);
  if (isStored && run.activity_id !== activity.id)
    throw invalid("/run_id", `is a run of another activity, ${run.activity_id}`);
  const event = run.event_id === null ? undefined : await history.findEvent(run.event_id);
  if (run.event_id !== null && event === undefined)
    throw new TerminalError("input_not_kept", `the event ${run.event_id} of run ${runId} is not kept any more`);
  const gathered = run.window_id === null ? undefined : await history.listGathered(run.window_id);
  return occasionOfRun(run, event?.envelope, gathered);
}

/** The recorded types that the activity waits for. */
async function findTypes(history: HistoryReader, { activity: { trigger } }: Target): Promise<string[]> {
  if (trigger.type !== "event") throw invalid("/last_events", "the definition waits for no events: ask about `due`");
  const { text, segments } = trigger.event_type;
  if (segments === undefined) return [text];
  return (await history.listTypes({ limit: MAX_TYPES })).filter((type) => matchesType(trigger.event_type, type));
}

/** The names of secrets that a definition reads, wherever it may. */
function findSecrets({ context_sources, task_templates }: DefinitionBody): string[] {
  const { reads } = compileTemplate([context_sources, task_templates.map(({ params }) => params)], { roots: [] });
  return [...reads.names("secret")].sort();
}

function requireHistory(history: HistoryReader | undefined): HistoryReader {
  if (history !== undefined) return history;
  throw invalid("/", "what is recorded can only be asked of a server");
}

function invalid(path: string, message: string): InvalidInputError {
  return new InvalidInputError("the request for a dry run is not valid", [{ path, message }], "invalid_dry_run");
}
