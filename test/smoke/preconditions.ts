/** What must be so before the smoke touches anything that counts; what is not so is told in one line. */
import type { SyncReport } from "../../src/sync/report.ts";
import type { Evidence } from "./evidence.ts";
import { describeProcess, readProcesses, type SeenProcess } from "./processes.ts";
import { Refused, type RemoteServer } from "./server.ts";
import { findDirectoryFault, type SmokeTree } from "./tree.ts";

export class NotMet extends Error {}

export interface Settings {
  url: string;
  key: string | undefined;
  /** The first that can be written to. */
  directory: string;
  metrics: string[];
  waitMs: number;
}

/** @throws NotMet */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const url = readUrl("ACTCORE_URL", env.ACTCORE_URL || "http://127.0.0.1:8010");
  const metrics = (env.ACTCORE_METRICS_URL ?? "").split(",").filter((text) => text !== "");
  const directories = (env.ACTCORE_DEFINITIONS_DIR ?? "").split(":").filter((text) => text !== "");
  if (directories.length === 0)
    throw new NotMet("ACTCORE_DEFINITIONS_DIR is not set: it names a directory that the server reads");
  const faults = directories.map(findDirectoryFault);
  const directory = directories[faults.indexOf(undefined)];
  if (directory === undefined) throw new NotMet(`ACTCORE_DEFINITIONS_DIR: ${faults.join(", ")}`);
  const wait = env.ACTCORE_SMOKE_WAIT_SECONDS || "30";
  if (!/^\d{1,4}$/.test(wait)) throw new NotMet(`ACTCORE_SMOKE_WAIT_SECONDS: expected seconds, received ${wait}`);
  return {
    url,
    key: env.ACTCORE_API_KEY || undefined,
    directory,
    metrics: metrics.map((text) => readUrl("ACTCORE_METRICS_URL", text).replace(/\/metrics$/, "")),
    waitMs: Number(wait) * 1000,
  };
}

function readUrl(name: string, text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ""))
    throw new NotMet(`${name}: expected a URL with http or https, received ${JSON.stringify(text)}`);
  return text.replace(/\/+$/, "");
}

export interface Before {
  processes: SeenProcess[];
  /** A dry run that had nothing to do: what others have is counted in it. */
  quiet: SyncReport;
}

/** Asks the server, and changes nothing. @throws NotMet; the reason of `signal` */
export async function checkServer(
  server: RemoteServer,
  { url, metrics, key, waitMs }: Settings,
  { evidence, signal }: { evidence: Evidence; signal: AbortSignal },
): Promise<Before> {
  const unlessAborted = (message: string) => (error: unknown) => {
    signal.throwIfAborted();
    throw new NotMet(`${message}: ${(error as Error).message}`);
  };
  const ready = await server.readiness().catch(unlessAborted(`no server answers at ${url} (ACTCORE_URL)`));
  if (ready.body?.status !== "ready") {
    const states = { ...ready.body?.engines, ...ready.body?.roles };
    const waiting = Object.entries(states).filter(([, { state }]) => state !== "up" && state !== "running");
    throw new NotMet(
      `the server is not ready: ${waiting.map(([name, { state }]) => `${name} is ${state}`).join(", ")}`,
    );
  }
  const processes = await readProcesses({ api: url, metrics }, signal).catch(
    unlessAborted("a process does not answer (ACTCORE_URL, ACTCORE_METRICS_URL)"),
  );
  for (const seen of processes) evidence.say(`GET ${describeProcess(seen)}`);

  const deadline = Date.now() + waitMs;
  for (;;) {
    const { body: report } = await server.sync({ dryRun: true }).catch((error) => {
      if (error instanceof Refused && [401, 403, 429].includes(error.status))
        throw new NotMet(`${error.message}; ACTCORE_API_KEY ${key ? "needs the scope admin" : "is not set"}`);
      return unlessAborted("a dry run of the sync failed")(error);
    });
    const pending = describePending(report);
    if (pending === undefined) {
      evidence.say(`POST /admin/sync?dry_run=true -> nothing to do: ${describeCounts(report)}`);
      return { processes, quiet: report };
    }
    // A server that has just started may still be at it.
    if (Date.now() > deadline) throw new NotMet(`a sync would change what is not the smoke's: ${pending}. Sync first`);
    await Bun.sleep(250);
    signal.throwIfAborted();
  }
}

/** Whether the server sees what was written, without changing anything. @throws NotMet */
export async function checkIsRead(server: RemoteServer, tree: SmokeTree, evidence: Evidence): Promise<void> {
  const { body } = await server.sync({ dryRun: true });
  const planned = body.changes.filter(({ name, action }) => name.startsWith(tree.prefix) && action === "create");
  // A server that syncs by itself may have been quicker.
  const seen = planned.length > 0 ? planned : await server.listDefinitions(tree.prefix);
  const files = planned.map(({ file }) => file);
  evidence.say(`POST /admin/sync?dry_run=true -> it would create ${planned.length}: ${[...new Set(files)].join(", ")}`);
  if (seen.length === 3) return;
  const fault = body.errors.find(({ subject }) => subject.includes(tree.directory));
  const why = fault ? `${fault.subject}: ${fault.message}` : `it answered ${describeCounts(body)}`;
  const held = body.held.length > 0 ? `; held by a rollback: ${body.held.join(", ")}` : "";
  throw new NotMet(`the server does not read ${tree.directory} (ACTCORE_DEFINITIONS_DIR): ${why}${held}`);
}

function describePending({ changes, changes_total, schedules, refused }: SyncReport): string | undefined {
  if (refused.length > 0) return `${refused.join(", ")} would lose too much`;
  const { upserted, orphans_deleted } = schedules;
  if (changes_total + upserted + orphans_deleted === 0) return undefined;
  const names = changes.slice(0, 3).map(({ action, name }) => `${action} ${name}`);
  const more = changes_total > names.length ? [`${changes_total - names.length} more`] : [];
  return [...names, ...more, `${upserted} schedules to upsert, ${orphans_deleted} to delete`].join(", ");
}

export function describeCounts({ definitions, schedules, errors_total }: SyncReport): string {
  const count = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([what, number]) => `${number} ${what}`)
      .join(", ");
  return `definitions ${count(definitions)}; schedules ${count(schedules)}; ${errors_total} errors`;
}
