/** What runs where, as seen by another process: the content of `actcore status`. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Address, hostOf } from "../kernel/address.ts";
import type { Config } from "../kernel/config.ts";
import { describeError } from "../kernel/errors.ts";
import { inTime } from "../kernel/wait.ts";
import { isAlive, memoryOf } from "../processes/process-table.ts";
import { type EnginesRecord, findRunningEngines, isDataDirectoryHeld, readRecord } from "./data-directory.ts";
import { TEMPORAL_DATABASES, withDatabase } from "./databases.ts";
import { ENGINE_NAMES, type EngineName, type EngineStatus } from "./engine-status.ts";
import { LOOPBACK, neededPorts } from "./ports.ts";
import { createTemporalProbe, findSilence, probeHttp, probeNats, probePostgres } from "./probes.ts";

export interface EngineReport {
  readonly name: EngineName;
  /** `external`: its URL is configured, and only its reachability is known. */
  readonly kind: "embedded" | "external";
  /** `left over`: its server was killed and it still runs; the next start ends it. */
  readonly state: EngineStatus["state"] | "unreachable" | "left over";
  /** `host:port`. */
  readonly address: string;
  readonly pid?: number | undefined;
  readonly version?: string | undefined;
  readonly restarts?: number | undefined;
  /** ISO 8601, when `state` began. */
  readonly since?: string | undefined;
  readonly error?: string | undefined;
  /** Memory of the process and of all its descendants; pages that they share count once. */
  readonly memoryBytes?: number | undefined;
  /** On disk. What Temporal's databases take is part of what Postgres takes. */
  readonly dataBytes?: number | undefined;
}

export interface Report {
  readonly dataDir: string;
  /** Who runs engines on the data directory, as far as that is known; undefined: nobody. */
  readonly holder: { readonly pid: number | undefined; readonly startedAt: string | undefined } | undefined;
  readonly engines: readonly EngineReport[];
}

const PROBE_TIMEOUT_MS = 3000;

/**
 * Looks at every engine that this configuration would use, at most some seconds long.
 * @throws TerminalError `data_dir_unusable` when the record of the running engines cannot be read
 */
export async function reportEngines(config: Config): Promise<Report> {
  const running = await findRunningEngines(config.dataDir);
  const held = running !== undefined || isDataDirectoryHeld(config.dataDir);
  const ended = held ? undefined : readRecord(config.dataDir);
  const leftOver = ended !== undefined && isAlive(ended.holder) ? undefined : ended;
  const engines = ENGINE_NAMES
    // The Web UI belongs to the embedded Temporal.
    .filter((name) => name !== "temporal-ui" || config.temporalHost === undefined)
    .map((name) => {
      const target = externalTarget(name, config);
      return target === undefined ? reportEmbedded(name, config, running, leftOver) : reportExternal(name, target);
    });
  return {
    dataDir: config.dataDir,
    holder: held ? { pid: running?.holder.pid, startedAt: running?.startedAt } : undefined,
    engines: await Promise.all(engines),
  };
}

async function reportExternal(name: EngineName, target: Address): Promise<EngineReport> {
  const error = await probe(name, target);
  const state = error === undefined ? "running" : "unreachable";
  return { name, kind: "external", address: `${target.host}:${target.port}`, state, error };
}

/** By the record of the server that runs, or by the one that a server left which did not end by itself. */
async function reportEmbedded(
  name: EngineName,
  config: Config,
  running: EnginesRecord | undefined,
  ended: EnginesRecord | undefined,
): Promise<EngineReport> {
  const record = running ?? ended;
  const status = record?.engines.find((engine) => engine.name === name);
  const process = record?.children.find((child) => child.pid === status?.pid);
  const living = process !== undefined && isAlive(process) ? process : undefined;
  const row = { name, kind: "embedded" } as const;
  if (status === undefined || (running === undefined && living === undefined)) {
    const address = `${LOOPBACK}:${neededPorts(config, [name])[0]?.port}`;
    return { ...row, state: "stopped", address, dataBytes: await dataSizeOf(name, config.dataDir, running) };
  }
  const { port, pid, version, restarts, since } = status;
  const address = `${LOOPBACK}:${port}`;
  const memoryBytes = living && memoryOf(living.pid);
  if (running === undefined) {
    const error = `left over from a server that was killed (pid ${ended?.holder.pid}): the next start ends it`;
    return { ...row, state: "left over", address, pid, version, restarts, since, error, memoryBytes };
  }
  const error = status.error ?? (living ? await probe(name, { host: LOOPBACK, port }) : "its process is gone");
  const dataBytes = await dataSizeOf(name, config.dataDir, running);
  return { ...row, state: status.state, address, pid, version, restarts, since, error, memoryBytes, dataBytes };
}

function externalTarget(name: EngineName, config: Config): Address | undefined {
  const urls: Partial<Record<EngineName, [url: string | undefined, defaultPort: number]>> = {
    postgres: [config.dbUrl, 5432],
    nats: [config.natsUrl?.split(",")[0], 4222],
    temporal: [config.temporalHost && `grpc://${config.temporalHost}`, 7233],
  };
  const [text, defaultPort] = urls[name] ?? [];
  if (text === undefined) return undefined;
  const url = new URL(text);
  return { host: hostOf(url), port: Number(url.port || defaultPort) };
}

/** What is wrong; undefined when it answers. */
async function probe(name: EngineName, target: Address): Promise<string | undefined> {
  const temporal = createTemporalProbe(target);
  const probes: Record<EngineName, (signal: AbortSignal) => Promise<void>> = {
    postgres: (signal) => probePostgres(target, signal),
    nats: (signal) => probeNats(target, signal),
    temporal: temporal.probe,
    "temporal-ui": (signal) => probeHttp(`http://${target.host}:${target.port}/healthz`, signal),
  };
  const failure = await findSilence(probes[name], PROBE_TIMEOUT_MS, "no answer");
  await temporal.close();
  return failure && `does not answer: ${describeError(failure)}`;
}

async function dataSizeOf(name: EngineName, dataDir: string, record?: EnginesRecord): Promise<number | undefined> {
  if (name === "postgres" || name === "nats") return diskUsage(join(dataDir, name));
  const dbUrl = record?.endpoints.dbUrl;
  if (name !== "temporal" || dbUrl === undefined) return undefined;
  const names = Object.values(TEMPORAL_DATABASES);
  const asked = withDatabase(
    dbUrl,
    (sql) => sql`SELECT sum(pg_database_size(datname))::float8 AS bytes FROM pg_database WHERE datname = ANY(${names})`,
  );
  // Its own row says what is wrong with Postgres.
  const rows = await inTime(asked, PROBE_TIMEOUT_MS, () => new Error("late")).catch(() => []);
  return rows[0]?.bytes ?? undefined;
}

/** Bytes that a directory takes on disk; what vanishes meanwhile or may not be read counts nothing. */
async function diskUsage(path: string): Promise<number> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(join(entry.parentPath, entry.name)).then(
          ({ blocks }) => blocks * 512,
          () => 0,
        ),
      ),
  );
  return sizes.reduce((total, size) => total + size, 0);
}
