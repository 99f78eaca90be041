/**
 * The embedded engines of one data directory, started together and ended together.
 *
 *   lock → clear what a killed server left → ports → unpack ┬ cluster → Postgres ─ databases ─ schema → Temporal
 *                                                           ├ NATS
 *                                                           └ Temporal Web UI
 *
 *   E1. An engine whose URL is configured is not started. Without any to start, the directory is not touched.
 *   E2. A start that fails or is aborted leaves nothing: no child, no lock, no timer.
 *   E3. Endpoints hold for the life of the set: an engine that dies comes back on the same port.
 */
import type { Config } from "../kernel/config.ts";
import { type Releasers, withReleasers } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import { once } from "../kernel/once.ts";
import { unpackEngines } from "./archive.ts";
import type { ChildContext, Preparation } from "./child-process.ts";
import {
  type DataDirectory,
  lockDataDirectory,
  openDataDirectory,
  readRecord,
  removeRecord,
} from "./data-directory.ts";
import { ensureDatabases, forgetTemporalHosts, TEMPORAL_DATABASES, urlOfDatabase } from "./databases.ts";
import { openEngineLog } from "./engine-log.ts";
import type { EngineEndpoints, EngineName, EngineStatus } from "./engine-status.ts";
import { natsMonitorUrl, natsSpec } from "./nats.ts";
import { checkPorts, LOOPBACK, neededPorts } from "./ports.ts";
import { ensureCluster, openCluster, type PostgresCluster, postgresSpec, postgresUrl } from "./postgres.ts";
import { keepRecord } from "./record-keeper.ts";
import { clearStaleChildren } from "./stale-children.ts";
import { createSupervisor, type EngineSpec, type Supervisor } from "./supervisor.ts";
import { sqlServerOf, temporalSpec } from "./temporal.ts";
import { ensureTemporalSchema } from "./temporal-schema.ts";
import { temporalUiSpec, temporalUiUrl } from "./temporal-ui.ts";

export interface EngineSet {
  /** Only those of the engines that this set runs. */
  readonly endpoints: Partial<EngineEndpoints>;
  status(): EngineStatus[];
  /** Ends all, Web UI first, then Temporal, NATS and Postgres, and frees the data directory. A second call does nothing. */
  close(): Promise<void>;
}

export interface EngineDeps {
  readonly log: Log;
  /** Hears of each step that takes long, as a line for a person. */
  onProgress?(message: string): void;
  /** Aborts the start; afterwards it has no effect, see `close`. */
  readonly signal: AbortSignal;
  /** Cuts the engines' time to end short: whoever aborts it has asked twice. */
  readonly insisted?: AbortSignal;
}

const DATABASES_DEADLINE_MS = 30_000;

/** In the order of their start; an engine whose URL is configured is not among them (E1). */
export function wantedEngines(config: Config): EngineName[] {
  const wanted: EngineName[] = [];
  if (config.dbUrl === undefined) wanted.push("postgres");
  if (config.natsUrl === undefined) wanted.push("nats");
  if (config.temporalHost === undefined) wanted.push("temporal", "temporal-ui");
  return wanted;
}

/**
 * Starts the engines that the configuration asks for; resolves when all of them answer.
 * @throws TerminalError `data_dir_locked`, `data_dir_unusable`, … ; InvalidInputError `port_in_use`; RetryableError
 *   `engine_failed`; the reason of `signal`
 */
export function startEngines(config: Config, deps: EngineDeps): Promise<EngineSet> {
  const wanted = wantedEngines(config);
  return withReleasers(async (releasers) => {
    if (wanted.length === 0) return { endpoints: {}, status: () => [], close: async () => {} };
    const startedMs = Date.now();
    deps.signal.throwIfAborted();
    const directory = openDataDirectory(config.dataDir);
    releasers.push(lockDataDirectory(directory.path));
    const cleared = await clearStaleChildren(directory, readRecord(directory.path));
    if (cleared.length > 0) deps.log.warn({ pids: cleared }, "ended the engines of a server that was killed");
    removeRecord(directory.path);
    await checkPorts(neededPorts(config, wanted));
    const set = await startAll(config, deps, wanted, directory, releasers);
    deps.log.info({ engines: wanted, data_dir: directory.path, took_ms: Date.now() - startedMs }, "engines answer");
    return { ...set, close: once(() => releasers.release()) };
  });
}

async function startAll(
  config: Config,
  { log, onProgress = () => {}, signal: startSignal, insisted }: EngineDeps,
  wanted: readonly EngineName[],
  directory: DataDirectory,
  releasers: Releasers,
): Promise<Omit<EngineSet, "close">> {
  const binaries = await unpackEngines(config.cacheDir, { onProgress, signal: startSignal });
  const cluster = wanted.includes("postgres") ? openCluster(directory, binaries) : undefined;
  const dbUrl = cluster ? postgresUrl(cluster, config) : (config.dbUrl ?? "");
  const endpoints: Partial<EngineEndpoints> = {
    ...(cluster ? { dbUrl } : {}),
    ...(wanted.includes("nats")
      ? { natsUrl: `nats://${LOOPBACK}:${config.natsPort}`, natsMonitorUrl: natsMonitorUrl(config) }
      : {}),
    ...(wanted.includes("temporal")
      ? { temporalHost: `${LOOPBACK}:${config.temporalPort}`, temporalUiUrl: temporalUiUrl(config) }
      : {}),
  };

  const engines = new Map<EngineName, { context: ChildContext; supervisor: Supervisor }>();
  const status = () => [...engines.values()].map(({ supervisor }) => supervisor.status());
  const record = keepRecord(directory, endpoints, status, log);
  releasers.push(() => removeRecord(directory.path));

  const server = sqlServerOf(dbUrl, config.caFile?.path);
  for (const name of wanted) {
    const output = openEngineLog(`${directory.logs}/${name}.log`);
    releasers.push(() => output.close());
    const context = { dataDir: directory.path, log: output, record: record.child };
    const supervisor = createSupervisor(specOf(name), context, { log, onChange: record.write, insisted });
    engines.set(name, { context, supervisor });
    // In this order of acquiring, so that what is released first is the Web UI and last is Postgres.
    releasers.push(() => supervisor.stop());
  }
  record.write();

  function specOf(name: EngineName): EngineSpec {
    if (name === "postgres") return postgresSpec(cluster as PostgresCluster, binaries, config.postgresPort);
    if (name === "nats") return natsSpec(directory, binaries, config);
    if (name === "temporal") return temporalSpec(directory, binaries, config.temporalPort, server, prepareTemporal);
    return temporalUiSpec(directory, binaries, config, config.temporalNamespace);
  }

  async function prepareTemporal(): Promise<void> {
    if (cluster !== undefined) await forgetTemporalHosts(dbUrl);
  }

  await allOrNone(startSignal, (signal) => {
    async function launch(name: EngineName): Promise<void> {
      await engines.get(name)?.supervisor.start(signal);
    }
    function preparationOf(name: EngineName): Preparation {
      return { directory, binaries, context: engines.get(name)?.context as ChildContext, onProgress, signal };
    }

    async function postgres(): Promise<void> {
      if (cluster !== undefined) {
        await ensureCluster(cluster, preparationOf("postgres"));
        onProgress("starting Postgres");
        await launch("postgres");
      }
      const names = [
        ...(cluster ? [new URL(dbUrl).pathname.slice(1)] : []),
        ...(wanted.includes("temporal") ? Object.values(TEMPORAL_DATABASES) : []),
      ];
      if (names.length === 0) return;
      const maintenanceUrl = cluster ? urlOfDatabase(dbUrl, "postgres") : dbUrl;
      await ensureDatabases(maintenanceUrl, names, { signal, withinMs: DATABASES_DEADLINE_MS });
    }
    async function temporal(): Promise<void> {
      await postgresReady;
      await ensureTemporalSchema(server, cluster !== undefined, preparationOf("temporal"));
      await prepareTemporal();
      onProgress("starting Temporal");
      await launch("temporal");
    }

    const postgresReady = postgres();
    const starts = [postgresReady];
    if (wanted.includes("nats")) starts.push(launch("nats"));
    if (wanted.includes("temporal")) starts.push(temporal(), launch("temporal-ui"));
    return starts;
  });
  return { endpoints, status };
}

/** Waits for all; the first failure aborts the others, and is thrown when each of them has ended (E2). */
async function allOrNone(signal: AbortSignal, begin: (signal: AbortSignal) => Promise<void>[]): Promise<void> {
  const failed = new AbortController();
  const starts = begin(AbortSignal.any([signal, failed.signal]));
  await Promise.all(starts.map((each) => each.catch((error: unknown) => failed.abort(error))));
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
}
