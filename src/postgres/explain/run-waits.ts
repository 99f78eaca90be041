/** What runs wait for in their lines, counted anew as their gates would. */
import { inArray, sql } from "drizzle-orm";
import { compileFlow, type FlowInput } from "../../definition/flow.ts";
import type { WaitsFor } from "../../explain/waiting-view.ts";
import { type GateVerdict, judgeLine } from "../../flow/gate.ts";
import type { Line } from "../../flow/gate-keeper.ts";
import { NO_KEY } from "../../flow/gate-key.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { readLine } from "../flow/admission.ts";

interface WaitingRun {
  run_id: string;
  activity_id: string;
  flow_key: string | null;
}

/** By the ids of the runs; null for one that is just about to begin. */
export async function readWaits(db: Database, runs: readonly WaitingRun[]): Promise<Map<string, WaitsFor | null>> {
  const verdicts = await judgeLines(db, runs.map(lineOf));
  return new Map(runs.map((run) => [run.run_id, describe(run.run_id, verdicts.get(lineId(lineOf(run))))]));
}

const lineOf = ({ activity_id, flow_key }: WaitingRun): Line => ({ activity_id, flow_key: flow_key ?? NO_KEY });
const lineId = ({ activity_id, flow_key }: Line) => `${activity_id} ${flow_key}`;

async function judgeLines(db: Database, lines: readonly Line[]): Promise<Map<string, GateVerdict>> {
  const distinct = new Map(lines.map((line) => [lineId(line), line]));
  const ids = [...new Set(lines.map(({ activity_id }) => activity_id))];
  if (ids.length === 0) return new Map();
  const flow = sql<FlowInput | null>`${definitions.body}->'flow'`;
  const found = await guarded(
    db.select({ id: definitions.id, flow }).from(definitions).where(inArray(definitions.id, ids)),
  );
  const flows = new Map(found.map(({ id, flow }) => [id, compileFlow(flow ?? undefined) ?? {}]));
  const now = new Date();
  const verdicts = [...distinct].map(async ([id, line]) => {
    const gates = { flow: flows.get(line.activity_id) ?? {}, now };
    const facts = await guarded(readLine(db, line, gates));
    return [id, judgeLine(gates.flow, facts, now)] as const;
  });
  return new Map(await Promise.all(verdicts));
}

function describe(runId: string, { run, waitsFor: waits }: GateVerdict = { run: [], skip: [] }): WaitsFor | null {
  if (waits === undefined || run.includes(runId)) return null;
  return waits.kind === "rate_limit"
    ? { kind: waits.kind, holders: null, until: waits.until.toISOString() }
    : { kind: waits.kind, holders: waits.holders, until: null };
}
