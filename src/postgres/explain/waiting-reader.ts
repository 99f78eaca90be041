/** What waits: runs in their lines, and open windows. What a line waits for is counted anew, as its gates would. */
import { and, asc, eq, gt, isNull } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { Page } from "../../explain/ledger-reader.ts";
import type { WaitingReader, WaitingView } from "../../explain/waiting-view.ts";
import { NO_KEY } from "../../flow/gate-key.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";
import { flowWindows } from "../flow-tables.ts";
import { runs } from "../ledger-tables.ts";
import { readWaits } from "./run-waits.ts";

const keyOf = (flow_key: string | null) => (flow_key === NO_KEY ? null : flow_key);

export function createWaitingReader(db: Database): WaitingReader {
  async function listRuns(activityId: string | undefined, page: Page): Promise<WaitingView[]> {
    const { run_id, activity_id, activity_name, flow_key, fired_at } = runs;
    const wanted = and(eq(runs.status, "queued"), isWanted(activity_id, activityId), isBehind(run_id, page));
    const query = db.select({ run_id, activity_id, activity_name, flow_key, fired_at }).from(runs).where(wanted);
    const rows = await guarded(query.orderBy(asc(run_id)).limit(page.limit));
    const waits = await readWaits(db, rows);
    return rows.map(({ flow_key, fired_at, ...run }) => ({
      ...{ id: run.run_id, ...run, key: keyOf(flow_key), since: fired_at.toISOString(), events: null },
      waits_for: waits.get(run.run_id) ?? null,
    }));
  }

  async function listWindows(activityId: string | undefined, page: Page): Promise<WaitingView[]> {
    const { window_id, activity_id, flow_key, kind, opened_at, closes_at, events } = flowWindows;
    const activity_name = definitions.name;
    const wanted = and(isNull(flowWindows.closed_at), isWanted(activity_id, activityId), isBehind(window_id, page));
    const query = db
      .select({ window_id, activity_id, activity_name, flow_key, kind, opened_at, closes_at, events })
      .from(flowWindows)
      .innerJoin(definitions, eq(definitions.id, activity_id))
      .where(wanted);
    const rows = await guarded(query.orderBy(asc(window_id)).limit(page.limit));
    return rows.map(({ window_id, flow_key, kind, opened_at, closes_at, ...rest }) => ({
      ...{ id: window_id, ...rest, key: keyOf(flow_key), since: opened_at.toISOString(), run_id: null },
      waits_for: { kind, holders: null, until: closes_at.toISOString() },
    }));
  }

  return {
    async listWaiting({ activity_id }, page) {
      const [waiting, windows] = await Promise.all([listRuns(activity_id, page), listWindows(activity_id, page)]);
      // Ids of both begin with their time.
      const all = [...waiting, ...windows].sort((a, b) => (a.id < b.id ? -1 : 1));
      return all.slice(0, page.limit);
    },
  };
}

const isWanted = (column: PgColumn, id: string | undefined) => (id === undefined ? undefined : eq(column, id));
const isBehind = (column: PgColumn, { after }: Page) => (after === undefined ? undefined : gt(column, after));
