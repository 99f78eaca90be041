/** The server under test, as an operator reaches it: over REST, and nothing else. */
import type { Definition } from "../../src/definition/schema.ts";
import type { RunSummary } from "../../src/explain/run-view.ts";
import type { ScheduleView } from "../../src/explain/schedule-view.ts";
import type { ReadinessReport } from "../../src/kernel/readiness.ts";
import type { SyncReport, SyncSummary } from "../../src/sync/report.ts";

const ANSWER_WITHIN_MS = 10_000;
/** A sync waits for its turn. */
const SYNC_WITHIN_MS = 250_000;

export interface Answer<T> {
  status: number;
  body: T;
}

interface Problem {
  code: string;
  detail: string;
  hint?: string;
}

/** What the server said instead of what was asked for. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(what: string, status: number, { code, detail, hint }: Partial<Problem>) {
    super(`${what} -> ${status} ${code ?? ""}: ${detail ?? "no reason"}${hint === undefined ? "" : ` (${hint})`}`);
    this.status = status;
    this.code = code ?? "";
  }
}

export type RemoteServer = ReturnType<typeof createRemoteServer>;

/** `signal` ends every request. */
export function createRemoteServer(url: string, key: string | undefined, signal: AbortSignal) {
  const base = url.replace(/\/+$/, "");

  /** @throws Refused for a status that is not among `expected` */
  async function ask<T>(
    method: string,
    path: string,
    { json, expected = [200], withinMs = ANSWER_WITHIN_MS }: { json?: unknown; expected?: number[]; withinMs?: number },
  ): Promise<Answer<T>> {
    const headers = {
      ...(json !== undefined && { "content-type": "application/json" }),
      ...(key !== undefined && { "x-api-key": key }),
    };
    const response = await fetch(`${base}${path}`, {
      method,
      headers,
      ...(json !== undefined && { body: JSON.stringify(json) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(withinMs)]),
    });
    const text = await response.text();
    const body = parse(text);
    if (!expected.includes(response.status)) throw new Refused(`${method} ${path}`, response.status, body ?? {});
    return { status: response.status, body };
  }
  const get = async <T>(path: string) => (await ask<T>("GET", path, {})).body;

  return {
    readiness: () => ask<ReadinessReport>("GET", "/readyz", { expected: [200, 503] }),
    /** With the stages that are the defaults. */
    sync: (options: { dryRun?: boolean } = {}) =>
      ask<SyncReport>("POST", `/admin/sync${options.dryRun ? "?dry_run=true" : ""}`, {
        expected: [200, 207, 409],
        withinMs: SYNC_WITHIN_MS,
      }),
    listSyncs: () => get<SyncSummary[]>("/admin/syncs?limit=20"),
    readSync: (id: string) => get<SyncReport>(`/admin/syncs/${id}`),
    /** Those whose names begin so. */
    async listDefinitions(prefix: string): Promise<Definition[]> {
      const rows = await get<Definition[]>(`/activity-definitions?limit=50&cursor=${encodeURIComponent(prefix)}`);
      return rows.filter(({ name }) => name.startsWith(prefix));
    },
    readSchedule: (id: string) => get<ScheduleView>(`/activity-definitions/${id}/schedule`),
    remove: (id: string) => ask("DELETE", `/activity-definitions/${id}`, { expected: [204, 404] }),
    publish: (event: object) => ask("POST", "/events", { json: event, expected: [202] }),
    listRuns: (activityId: string) => get<RunSummary[]>(`/runs?activity_id=${activityId}&limit=10`),
  };
}

function parse(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
