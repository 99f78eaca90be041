/** What runs where, as seen by another process: the content of `actcore status`. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { hostOf } from "../kernel/address.ts";
import type { Config } from "../kernel/config.ts";
import { describeError } from "../kernel/errors.ts";
import { type EnginesRecord, isDataDirectoryHeld, readHolder, readRecord } from "./data-directory.ts";
import { TEMPORAL_DATABASES } from "./databases.ts";
import { ENGINE_NAMES, type EngineName, type EngineStatus } from "./engine-status.ts";
import { LOOPBACK } from "./ports.ts";
import { createTemporalProbe, probeHttp, probeNats, probePostgres, type Target } from "./probes.ts";
import { isAlive, memoryOf } from "./process-table.ts";

export interface EngineReport {
  readonly name: EngineName;
  /** `external`: its URL is configured, and only its reachability is known. */
  readonly kind: "embedded" | "external";
  /** `left over`: its server was killed and it still runs; the next start ends it. */
  readonly state: EngineStatus["state"] | "unreachable" | "left over";
  /** `host:port`. */
  readonly address: string;
  readonly pid?: number;
  readonly version?: string;
  readonly restarts?: number;
  /** ISO 8601, when `state` began. */
  readonly since?: string;
  readonly error?: string;
  /** Of the process and all below it; pages that they share count once. */
  readonly memoryBytes?: number;
  /** On disk; Temporal's are those of its databases, and part of Postgres'. */
  readonly dataBytes?: number;
}

export interface Report {
  readonly dataDir: string;
  /** Who runs engines on the data directory; absent: nobody. */
  readonly holder?: { readonly pid?: number; readonly startedAt?: string };
  readonly engines: readonly EngineReport[];
}

const PROBE_TIMEOUT_MS = 3000;

/**
 * Looks at every engine that this configuration would use, at most some seconds long.
 * @throws TerminalError `data_dir_unusable` when the record of the running engines cannot be read
 */
export async function reportEngines(config: Config): Promise<Report> {
  const record = await readHolder(config.dataDir);
  const held = record !== undefined || isDataDirectoryHeld(config.dataDir);
  const ended = held ? undefined : readRecord(config.dataDir);
  const rows = await Promise.all(
    ENGINE_NAMES.map(
      (name) => reportExternal(name, config) ?? reportLeftOver(name, ended) ?? reportEmbedded(name, config, record),
    ),
  );
  const holder = record ? { pid: record.holder.pid, startedAt: record.startedAt } : {};
  return {
    dataDir: config.dataDir,
    ...(held ? { holder } : {}),
    engines: rows.filter((row) => row !== undefined),
  };
}

function reportExternal(name: EngineName, config: Config): Promise<EngineReport | undefined> | undefined {
  const target = externalTarget(name, config);
  if (target !== undefined) {
    const address = `${target.host}:${target.port}`;
    return probe(name, target).then((error) => ({
      name,
      kind: "external",
      address,
      ...(error === undefined ? { state: "running" } : { state: "unreachable", error }),
    }));
  }
  // The Web UI belongs to the embedded Temporal.
  if (name === "temporal-ui" && config.temporalHost !== undefined) return Promise.resolve(undefined);
  return undefined;
}

/** By the record that a server left which did not end by itself; undefined when nothing of it lives. */
function reportLeftOver(name: EngineName, record?: EnginesRecord): EngineReport | undefined {
  if (record === undefined || isAlive(record.holder)) return undefined;
  const status = record.engines.find((engine) => engine.name === name);
  const process = record.children.find((child) => child.pid === status?.pid);
  if (status === undefined || process === undefined || !isAlive(process)) return undefined;
  const { port, version, restarts, since } = status;
  const memoryBytes = memoryOf(process.pid);
  return {
    name,
    kind: "embedded",
    state: "left over",
    address: `${LOOPBACK}:${port}`,
    pid: process.pid,
    version,
    restarts,
    since,
    error: `left over from a server that was killed (pid ${record.holder.pid}): the next start ends it`,
    ...(memoryBytes !== undefined && { memoryBytes }),
  };
}

async function reportEmbedded(name: EngineName, config: Config, record?: EnginesRecord): Promise<EngineReport> {
  const ports = {
    postgres: config.postgresPort,
    nats: config.natsPort,
    temporal: config.temporalPort,
    "temporal-ui": config.temporalUiPort,
  };
  const status = record?.engines.find((engine) => engine.name === name);
  const dataBytes = await dataSizeOf(name, config.dataDir, record);
  const size = dataBytes === undefined ? {} : { dataBytes };
  if (status === undefined) {
    return { name, kind: "embedded", state: "stopped", address: `${LOOPBACK}:${ports[name]}`, ...size };
  }
  const { state, port, pid, version, restarts, since } = status;
  const target = { host: LOOPBACK, port };
  const process = record?.children.find((child) => child.pid === pid);
  const dead = process === undefined || !isAlive(process);
  const error = status.error ?? (dead ? "its process is gone" : await probe(name, target));
  const memoryBytes = dead ? undefined : memoryOf(process.pid);
  return {
    name,
    kind: "embedded",
    state,
    address: `${LOOPBACK}:${port}`,
    ...(pid === undefined ? {} : { pid }),
    version,
    restarts,
    since,
    ...(error === undefined ? {} : { error }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...size,
  };
}

function externalTarget(name: EngineName, config: Config): Target | undefined {
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
async function probe(name: EngineName, target: Target): Promise<string | undefined> {
  const temporal = createTemporalProbe(target);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(new Error("no answer")), PROBE_TIMEOUT_MS);
  try {
    if (name === "postgres") await probePostgres(target, timeout.signal);
    else if (name === "nats") await probeNats(target, timeout.signal);
    else if (name === "temporal") await temporal.probe(timeout.signal);
    else await probeHttp(`http://${target.host}:${target.port}/healthz`, timeout.signal);
    return undefined;
  } catch (error) {
    return `does not answer: ${describeError(error)}`;
  } finally {
    clearTimeout(timer);
    await temporal.close();
  }
}

async function dataSizeOf(name: EngineName, dataDir: string, record?: EnginesRecord): Promise<number | undefined> {
  if (name === "postgres" || name === "nats") return diskUsage(join(dataDir, name));
  const dbUrl = record?.endpoints.dbUrl;
  if (name !== "temporal" || dbUrl === undefined) return undefined;
  const sql = postgres(dbUrl, { max: 1, connect_timeout: 2, onnotice: () => {} });
  try {
    const names = Object.values(TEMPORAL_DATABASES);
    const late = new Promise<never>((_, reject) => setTimeout(reject, PROBE_TIMEOUT_MS, new Error("late")).unref());
    const query = sql`SELECT sum(pg_database_size(datname))::float8 AS bytes FROM pg_database WHERE datname = ANY(${names})`;
    const [row] = await Promise.race([query, late]);
    return row?.bytes ?? undefined;
  } catch {
    // Its own row says what is wrong with Postgres.
    return undefined;
  } finally {
    await sql.end({ timeout: 0 });
  }
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
