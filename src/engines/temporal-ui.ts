/** The Web UI of the embedded Temporal. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { EnginePorts } from "../kernel/config.ts";
import type { EngineBinaries } from "./archive.ts";
import type { DataDirectory } from "./data-directory.ts";
import { LOOPBACK } from "./ports.ts";
import { probeHttp } from "./probes.ts";
import type { EngineSpec } from "./supervisor.ts";

export function temporalUiSpec(
  directory: DataDirectory,
  binaries: EngineBinaries,
  ports: EnginePorts,
  namespace: string,
): EngineSpec {
  const folder = "temporal-ui";
  mkdirSync(join(directory.config, folder), { recursive: true, mode: 0o700 });
  const config = {
    temporalGrpcAddress: `${LOOPBACK}:${ports.temporalPort}`,
    host: LOOPBACK,
    port: ports.temporalUiPort,
    enableUi: true,
    defaultNamespace: namespace,
    // Otherwise it would ask a server on the internet for its newest version.
    disableNewsFetch: true,
    hideLogs: true,
    cors: { allowOrigins: [temporalUiUrl(ports)] },
  };
  writeFileSync(join(directory.config, folder, "actcore.yaml"), stringify(config), { mode: 0o600 });
  return {
    name: "temporal-ui",
    version: binaries.versions.temporal_ui,
    port: ports.temporalUiPort,
    command: {
      path: binaries.temporalUi,
      args: ["--root", directory.config, "--config", folder, "--env", "actcore", "start"],
      env: { GOMEMLIMIT: "128MiB" },
    },
    stop: [{ signal: "SIGTERM", graceMs: 1500 }],
    probe: (signal) => probeHttp(`${temporalUiUrl(ports)}/healthz`, signal),
    readyWithinMs: 30_000,
  };
}

export function temporalUiUrl(ports: EnginePorts): string {
  return `http://${LOOPBACK}:${ports.temporalUiPort}`;
}
