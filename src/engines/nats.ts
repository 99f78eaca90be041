/** The embedded NATS with JetStream; its streams are the nats adapter's. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EnginePorts } from "../kernel/config.ts";
import { ActcoreError } from "../kernel/errors.ts";
import type { EngineBinaries } from "./archive.ts";
import type { DataDirectory } from "./data-directory.ts";
import { requireRoom } from "./disk-room.ts";
import { LOOPBACK } from "./ports.ts";
import { probeNatsHealth } from "./probes.ts";
import type { EngineSpec } from "./supervisor.ts";

/**
 * The most that all streams may take on disk; a bound, not a reservation. Never lower it: streams that were made
 * under a higher one would not come back.
 */
const MAX_FILE_STORE_BYTES = 16 * 1024 ** 3;
const MAX_MEMORY_STORE_BYTES = 64 * 1024 ** 2;
/** Above the 1 MB that actcore takes as an event: a larger message must reach the router to be dead-lettered. */
const MAX_PAYLOAD_BYTES = 2 * 1024 ** 2;

export function natsSpec(directory: DataDirectory, binaries: EngineBinaries, ports: EnginePorts): EngineSpec {
  const configFile = join(directory.config, "nats.conf");
  writeFileSync(
    configFile,
    `# Written by actcore at each start.
server_name: actcore
host: "${LOOPBACK}"
port: ${ports.natsPort}
http: "${LOOPBACK}:${ports.natsMonitorPort}"
max_payload: ${MAX_PAYLOAD_BYTES}
logtime_utc: true
jetstream {
  store_dir: ${JSON.stringify(directory.nats)}
  max_file_store: ${MAX_FILE_STORE_BYTES}
  max_memory_store: ${MAX_MEMORY_STORE_BYTES}
  # Otherwise a message that was acknowledged may be lost with the machine's power.
  sync_interval: always
}
`,
    { mode: 0o600 },
  );
  return {
    name: "nats",
    version: binaries.versions.nats,
    port: ports.natsPort,
    command: { path: binaries.nats, args: ["--config", configFile], env: { GOMEMLIMIT: "256MiB" } },
    stop: [{ signal: "SIGTERM", graceMs: 5000 }],
    probe: (signal) => probeNatsHealth(natsMonitorUrl(ports), signal),
    curedByRestart: (failure) => failure instanceof ActcoreError && failure.code === "nats_store_failed",
    restartHelps: () => requireRoom(directory.nats),
    // A large store is read once at the start.
    readyWithinMs: 60_000,
  };
}

export function natsMonitorUrl(ports: EnginePorts): string {
  return `http://${LOOPBACK}:${ports.natsMonitorPort}`;
}
