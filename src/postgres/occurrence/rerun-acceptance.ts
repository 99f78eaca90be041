/** A run that repeats an earlier one: with its input, and from `failed` also with the context that it decided by. */
import { and, eq, sql } from "drizzle-orm";
import { type Flow, isGated } from "../../definition/flow.ts";
import { findFlowKey, NO_KEY } from "../../flow/gate-key.ts";
import { TerminalError } from "../../kernel/errors.ts";
import type { RerunRequest } from "../../occurrence/control.ts";
import { repeatedWorkflowId, rerunWorkflowId, withoutReopening } from "../../occurrence/occurrence.ts";
import type { AcceptedRun } from "../../run/engine.ts";
import type { Transaction } from "../client.ts";
import { definitionVersions } from "../definition-tables.ts";
import { readEnvelope } from "../event/event-contents.ts";
import { flowMembers, flowWindows } from "../flow-tables.ts";
import { eventKeys, events, runs } from "../ledger-tables.ts";
import { insertOccurrence, insertRun, lockAgainstChange } from "./accepted-run.ts";

type Run = typeof runs.$inferSelect;

/** @throws TerminalError as `AcceptanceLedger.acceptRerun` says */
export async function acceptRerun(
  tx: Transaction,
  { run_id: rerun_of, from: rerun_from, version: wanted, actor }: RerunRequest,
): Promise<AcceptedRun> {
  // The lock makes concurrent reruns of one run take their numbers in turn.
  const [old] = await tx.select().from(runs).where(eq(runs.run_id, rerun_of)).for("update");
  if (old === undefined) throw new TerminalError("not_found", `run ${rerun_of} is not there`);
  if (rerun_from === "failed") requireFailed(old);
  const newest = await lockAgainstChange(tx, old.activity_id);
  const activity = wanted === "same" ? { ...newest, version: old.version_used } : newest;
  const context = rerun_from === "failed" ? await findContext(tx, old, activity.version) : {};
  const { event_id, window_id, scheduled_for, trace_id } = old;
  await requireKept(tx, old);
  const flow_key = await findFlowKeyOf(tx, old, activity.flow);
  const repeated = old.rerun_of === null ? withoutReopening(old.workflow_id) : repeatedWorkflowId(old.workflow_id);
  const run_id = Bun.randomUUIDv7();
  // Usually the first number is free. It is not where retention has removed earlier reruns and kept their occurrences.
  let workflow_id = "";
  for (let number = (await countReruns(tx, rerun_of)) + 1; ; number++) {
    workflow_id = rerunWorkflowId(repeated, number);
    const occurrence = { kind: "rerun" as const, key: workflow_id, event_id, workflow_id };
    if ((await insertOccurrence(tx, activity, run_id, occurrence, flow_key)) === undefined) break;
  }
  const repeats = { rerun_of, rerun_from };
  const run = {
    run_id,
    workflow_id,
    trigger: "rerun" as const,
    event_id,
    window_id,
    scheduled_for,
    trace_id,
    flow_key,
    ...repeats,
    ...context,
  };
  return insertRun(tx, activity, run, { actor, action: "rerun", after: repeats });
}

/** @throws TerminalError `run_not_over`, `nothing_to_repeat` */
function requireFailed({ run_id, status }: Run): void {
  if (status === "running" || status === "queued")
    throw new TerminalError("run_not_over", `run ${run_id} is not over: what failed in it is not known yet`, {
      hint: "Wait for its end, or cancel it first",
    });
  if (status === "succeeded")
    throw new TerminalError("nothing_to_repeat", `run ${run_id} succeeded: nothing in it is left to do`, {
      hint: 'Rerun it from the start ({"from": "start"})',
    });
}

/** The key of the run that is repeated. One that had none is counted by its event, or without a key where that fails. */
async function findFlowKeyOf(tx: Transaction, { flow_key, event_id }: Run, flow: Flow | undefined) {
  if (!isGated(flow)) return undefined;
  if (flow_key !== null) return flow_key;
  const event = event_id === null ? undefined : await readEnvelope(tx, event_id);
  try {
    return findFlowKey(flow, event);
  } catch {
    return NO_KEY;
  }
}

/** What a run that goes on from `old` knows of its context: what the old one did, unless its sources are others by now. */
async function findContext(tx: Transaction, old: Run, version: number): Promise<Partial<Run>> {
  const { context_snapshot, context_sources, activity_id, version_used } = old;
  if (context_snapshot === null) return {};
  if (version !== version_used) {
    const [then, now] = [await findSources(tx, activity_id, version_used), await findSources(tx, activity_id, version)];
    if (!Bun.deepEquals(then, now)) return {};
  }
  return { context_snapshot, context_sources };
}

async function findSources(tx: Transaction, definition_id: string, version: number): Promise<unknown> {
  const one = and(eq(definitionVersions.definition_id, definition_id), eq(definitionVersions.version, version));
  const [row] = await tx.select({ body: definitionVersions.body }).from(definitionVersions).where(one);
  return row?.body.context_sources;
}

/** How many reruns there are of the run that this one repeats, directly or over other reruns. */
async function countReruns(tx: Transaction, runId: string): Promise<number> {
  const [row] = await tx.execute<{ reruns: number }>(sql`
    with recursive up as (
      select run_id, rerun_of from ${runs} where run_id = ${runId}
      union select r.run_id, r.rerun_of from up join ${runs} r on r.run_id = up.rerun_of
    ), down as (
      -- Retention may have removed the run that the oldest one repeats: its id is enough.
      select coalesce(rerun_of, run_id) as run_id from up
      where not exists (select from ${runs} r where r.run_id = up.rerun_of)
      union select r.run_id from down join ${runs} r on r.rerun_of = down.run_id
    )
    select count(*)::integer - 1 as reruns from down`);
  return row?.reruns ?? 0;
}

/** Of a run that is about a window: all of its events. @throws TerminalError `input_not_kept` */
export async function requireKept(
  tx: Transaction,
  { event_id, window_id }: Pick<Run, "event_id" | "window_id">,
): Promise<void> {
  if (event_id === null || (await isKept(tx, event_id, window_id))) return;
  const what = window_id === null ? `the event ${event_id} of the run is` : "the events of the run are";
  throw new TerminalError("input_not_kept", `${what} not kept any more`, {
    hint: `Publish ${window_id === null ? "the event" : "them"} again under another id`,
  });
}

async function isKept(tx: Transaction, event_id: string, window_id: string | null): Promise<boolean> {
  const [kept] = await tx.execute(
    window_id === null
      ? sql`select from ${eventKeys} k join ${events} using (row_id) where k.event_id = ${event_id}`
      : sql`select from ${flowWindows} w where w.window_id = ${window_id} and w.events = (
          select count(*) from ${flowMembers} m join ${events} using (row_id) where m.window_id = w.window_id)`,
  );
  return kept !== undefined;
}
