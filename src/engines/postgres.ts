/**
 * The embedded Postgres: its cluster in `<dataDir>/postgres/data`, and how it is run.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EnginePorts } from "../kernel/config.ts";
import { TerminalError } from "../kernel/errors.ts";
import type { EngineBinaries } from "./archive.ts";
import { type Preparation, runCommand } from "./child-process.ts";
import type { DataDirectory } from "./data-directory.ts";
import { LOOPBACK } from "./ports.ts";
import { probePostgres } from "./probes.ts";
import type { EngineSpec } from "./supervisor.ts";
import { checkReachable, chooseUser, type UnprivilegedUser } from "./unprivileged-user.ts";

const SUPERUSER = "actcore";
const DATABASE = "actcore";

/**
 * For a small machine that runs everything; kept in the cluster's postgresql.conf, where the operator may change them.
 * Connections: Temporal's services take at most about 100 (temporal.ts), the rest is for several actcore processes.
 * Durability is Postgres' default (fsync, full_page_writes, synchronous_commit): what was acknowledged is on disk.
 */
const SETTINGS_OF_A_NEW_CLUSTER = {
  max_connections: "200",
  shared_buffers: "128MB",
  effective_cache_size: "512MB",
  work_mem: "4MB",
  maintenance_work_mem: "64MB",
  max_wal_size: "1GB",
  min_wal_size: "160MB",
  wal_compression: "on",
  jit: "off",
  random_page_cost: "1.1",
  // Temporal's queue tables are written and deleted all day.
  autovacuum_naptime: "20s",
  autovacuum_vacuum_scale_factor: "0.05",
  log_checkpoints: "off",
  log_line_prefix: "%m [%p] ",
  timezone: "UTC",
  log_timezone: "UTC",
} as const;

export interface PostgresCluster {
  readonly data: string;
  readonly password: string;
  readonly user: UnprivilegedUser | undefined;
}

/**
 * Finds the cluster's password and user, and checks that this Postgres can run on it. Changes nothing but the
 * password's file, so that the endpoints are known before anything runs.
 * @throws TerminalError `postgres_version_mismatch`, `postgres_password_lost`, or of unprivileged-user.ts
 */
export function openCluster(directory: DataDirectory, binaries: EngineBinaries): PostgresCluster {
  const data = join(directory.postgres, "data");
  const exists = existsSync(data);
  if (exists) checkMajorVersion(data, binaries.versions.postgres);
  const user = chooseUser(exists ? data : undefined);
  if (user !== undefined) {
    checkReachable(user, directory.postgres, "ACTCORE_DATA_DIR");
    checkReachable(user, binaries.postgres, "ACTCORE_CACHE_DIR");
  }
  return { data, password: keepPassword(join(directory.path, "postgres-password"), exists), user };
}

/**
 * Creates the cluster when there is none.
 * @throws TerminalError `engine_command_failed`; the reason of `signal`
 */
export async function ensureCluster(
  { data, password, user }: PostgresCluster,
  { directory, binaries, context, onProgress, signal }: Preparation,
): Promise<void> {
  if (existsSync(data)) {
    // Its process was cleared away before (stale-children.ts); its pid may be another process's by now, and Postgres
    // would then refuse to start.
    if (process.platform === "linux") rmSync(join(data, "postmaster.pid"), { force: true });
    return;
  }
  onProgress("creating the database cluster");
  // Made beside its place: what a killed start left is not taken for a cluster.
  const unfinished = `${data}.new`;
  const passwordFile = join(directory.postgres, "password.new");
  rmSync(unfinished, { recursive: true, force: true });
  if (user !== undefined) chownSync(directory.postgres, user.uid, user.gid);
  chmodSync(directory.postgres, 0o700);
  try {
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    if (user !== undefined) chownSync(passwordFile, user.uid, user.gid);
    const args = [
      `--pgdata=${unfinished}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--no-instructions",
      ...Object.entries(SETTINGS_OF_A_NEW_CLUSTER).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ];
    await runCommand("initdb", { path: binaries.initdb, args, user }, context, { signal, withinMs: 60_000 });
    renameSync(unfinished, data);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(unfinished, { recursive: true, force: true });
  }
}

export function postgresSpec(cluster: PostgresCluster, binaries: EngineBinaries, port: number): EngineSpec {
  return {
    name: "postgres",
    version: binaries.versions.postgres,
    port,
    command: {
      path: binaries.postgres,
      // What must hold whatever stands in postgresql.conf: only loopback, no socket in a directory of others.
      args: [
        ["-D", cluster.data],
        ["-p", String(port)],
        ["-c", `listen_addresses=${LOOPBACK}`],
        ["-c", "unix_socket_directories="],
        ["-c", "logging_collector=off"],
        ["-c", "log_destination=stderr"],
      ].flat(),
      user: cluster.user,
    },
    // Fast shutdown, then immediate shutdown: both keep every commit.
    stop: [
      { signal: "SIGINT", graceMs: 8000 },
      { signal: "SIGQUIT", graceMs: 3000 },
    ],
    probe: (signal) => probePostgres({ host: LOOPBACK, port }, signal),
    // Recovery after a hard kill replays up to max_wal_size, and must not be cut short on a slow disk.
    readyWithinMs: 300_000,
  };
}

export function postgresUrl({ password }: Pick<PostgresCluster, "password">, ports: EnginePorts): string {
  return `postgresql://${SUPERUSER}:${password}@${LOOPBACK}:${ports.postgresPort}/${DATABASE}`;
}

function checkMajorVersion(data: string, version: string): void {
  const major = version.split(".")[0];
  const found = readFileSync(join(data, "PG_VERSION"), "utf8").trim();
  if (found === major) return;
  throw new TerminalError(
    "postgres_version_mismatch",
    `${data} was made by Postgres ${found}, and this actcore carries Postgres ${version}`,
    {
      hint:
        `Dump it with an actcore that carries Postgres ${found} and restore it into a new directory (ACTCORE_DATA_DIR), ` +
        "or point ACTCORE_DB_URL at a server of its own",
    },
  );
}

function keepPassword(path: string, clusterExists: boolean): string {
  // Empty is what a power cut leaves of a file that was just written.
  const kept = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  if (kept !== "") return kept;
  if (clusterExists) {
    throw new TerminalError("postgres_password_lost", `the file with Postgres' password is missing or empty: ${path}`, {
      hint: "Restore it from the backup that the data directory came from",
    });
  }
  const password = randomBytes(24).toString("hex");
  writeFileSync(path, `${password}\n`, { mode: 0o600 });
  return password;
}
