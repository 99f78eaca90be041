/** The embedded Temporal: all four services in one process, on Postgres. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { EngineBinaries } from "./archive.ts";
import type { DataDirectory } from "./data-directory.ts";
import { TEMPORAL_DATABASES } from "./databases.ts";
import { LOOPBACK, TEMPORAL_SERVICES } from "./ports.ts";
import { createTemporalProbe, probePostgres } from "./probes.ts";
import type { EngineSpec } from "./supervisor.ts";

/** A Postgres server as Temporal's tools want it told. */
export interface SqlServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Absent: no TLS. */
  readonly tls?: { readonly verifyHost: boolean };
  /** Of certificates that are trusted besides those of the system. */
  readonly caFile?: string;
}

/** Cannot be changed once there is data; 4 are plenty for one process. */
const HISTORY_SHARDS = 4;

/** Each of the four services has pools of its own: 4 × (20 + 5) connections at the most. */
const POOLS = { store: 20, visibility: 5 } as const;

/**
 * Soft bound of the heap. Idle it takes about 140 MB; the caches below are what grows, from some GB by default.
 */
const MEMORY_LIMIT = "768MiB";
const MEBIBYTE = 1024 ** 2;

/** Limits that protect a shared cluster from one tenant would choke the only one here. */
const DYNAMIC_CONFIG = {
  // 30 by default: a burst of due times would queue up, late.
  "worker.schedulerNamespaceStartWorkflowRPS": 2000,
  // A schedule's turn that waits for longer goes behind all others and replays its history. 5 s by default: in a burst the
  // last ones then came too late for their due time's window (10 s), and did not run.
  "worker.perNamespaceWorkerOptions": { MaxConcurrentWorkflowTaskPollers: 4, StickyScheduleToStartTimeout: "10s" },
  // Schedules are made in the first implementation: asking the second one first costs each description a quarter more.
  "history.enableCHASMSchedulerRouting": false,
  "history.enableCHASMSchedulerSentinels": false,
  "frontend.rps": 20_000,
  "frontend.namespaceRPS": 20_000,
  // 10 by default: lists and counts, also those of the Web UI.
  "frontend.namespaceRPS.visibility": 500,
  "frontend.namespaceCount": 10_000,
  "frontend.persistenceMaxQPS": 20_000,
  "history.persistenceMaxQPS": 50_000,
  "matching.persistenceMaxQPS": 20_000,
  "frontend.enableServerVersionCheck": false,
  // Partitions spread a queue over hosts; on one host they cost forwarding between themselves.
  "matching.numTaskqueueReadPartitions": 1,
  "matching.numTaskqueueWritePartitions": 1,
  // An entry of the list of workflows costs Postgres 2 ms, for all its indexes: a burst of runs goes before them.
  "history.visibilityProcessorSchedulerWorkerCount": 2,
  "history.visibilityProcessorMaxPollRPS": 4,
  "history.cacheSizeBasedLimit": true,
  "history.hostLevelCacheMaxSizeBytes": 128 * MEBIBYTE,
  "history.enableHostLevelEventsCache": true,
  "history.eventsHostLevelCacheMaxSizeBytes": 64 * MEBIBYTE,
} as const;

/** Writes Temporal's configuration and answers how to run it. Its schema must be there before it starts. */
export function temporalSpec(
  directory: DataDirectory,
  binaries: EngineBinaries,
  port: number,
  server: SqlServer,
  /** Called before every start, when Postgres answers. */
  prepare: () => Promise<void>,
): EngineSpec {
  const configFile = join(directory.config, "temporal.yaml");
  const dynamicConfigFile = join(directory.config, "temporal-dynamic.yaml");
  const dynamicConfig = Object.fromEntries(Object.entries(DYNAMIC_CONFIG).map(([key, value]) => [key, [{ value }]]));
  writeFileSync(dynamicConfigFile, stringify(dynamicConfig), { mode: 0o600 });
  // It holds the database password.
  writeFileSync(configFile, stringify(staticConfig(port, server, dynamicConfigFile)), { mode: 0o600 });

  const probe = createTemporalProbe({ host: LOOPBACK, port });
  return {
    name: "temporal",
    version: binaries.versions.temporal,
    port,
    command: {
      path: binaries.temporal,
      args: ["--config-file", configFile, "--allow-no-auth", "start"],
      env: { GOMEMLIMIT: MEMORY_LIMIT, TEMPORAL_VERSION_CHECK_DISABLED: "1", ...trusting(server) },
    },
    // Stopped in its first seconds, it may never end by itself. All that it acknowledged is in Postgres.
    stop: [{ signal: "SIGTERM", graceMs: 2000 }],
    probe: probe.probe,
    dispose: probe.close,
    async requires(signal) {
      await probePostgres(server, signal);
      await prepare();
    },
    readyWithinMs: 60_000,
  };
}

function staticConfig(port: number, server: SqlServer, dynamicConfigFile: string): object {
  const datastore = (databaseName: string, maxConns: number) => ({
    sql: {
      // The other driver, lib/pq, has each statement parsed and planned anew, and asks twice.
      pluginName: "postgres12_pgx",
      databaseName,
      connectAddr: `${server.host}:${server.port}`,
      connectProtocol: "tcp",
      user: server.user,
      password: server.password,
      maxConns,
      maxIdleConns: maxConns,
      maxConnLifetime: "1h",
      ...(server.tls ? { tls: { enabled: true, enableHostVerification: server.tls.verifyHost } } : {}),
    },
  });
  const services = Object.entries(TEMPORAL_SERVICES).map(([name, offsets]) => [
    name,
    { rpc: { grpcPort: port + offsets.rpc, membershipPort: port + offsets.membership, bindOnIP: LOOPBACK } },
  ]);
  return {
    log: { stdout: true, level: "warn" },
    persistence: {
      defaultStore: "store",
      visibilityStore: "visibility",
      numHistoryShards: HISTORY_SHARDS,
      datastores: {
        store: datastore(TEMPORAL_DATABASES.store, POOLS.store),
        visibility: datastore(TEMPORAL_DATABASES.visibility, POOLS.visibility),
      },
    },
    global: { membership: { maxJoinDuration: "30s", broadcastAddress: LOOPBACK } },
    services: Object.fromEntries(services),
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: "active",
      currentClusterName: "active",
      clusterInformation: {
        active: { enabled: true, initialFailoverVersion: 1, rpcName: "frontend", rpcAddress: `${LOOPBACK}:${port}` },
      },
    },
    dcRedirectionPolicy: { policy: "noop" },
    dynamicConfigClient: { filepath: dynamicConfigFile, pollInterval: "60s" },
  };
}

/** The environment by which a program in Go trusts the file; it still reads the system's directory of certificates. */
export function trusting({ caFile }: SqlServer): Record<string, string> {
  return caFile === undefined ? {} : { SSL_CERT_FILE: caFile };
}

/** Reads a `postgresql://` URL. */
export function sqlServerOf(dbUrl: string, caFile?: string): SqlServer {
  const url = new URL(dbUrl);
  const sslmode = url.searchParams.get("sslmode") ?? url.searchParams.get("ssl") ?? "disable";
  const tls = !["disable", "allow", "prefer", "false"].includes(sslmode);
  return {
    host: url.hostname,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    ...(tls ? { tls: { verifyHost: sslmode.startsWith("verify-") } } : {}),
    ...(caFile === undefined ? {} : { caFile }),
  };
}
