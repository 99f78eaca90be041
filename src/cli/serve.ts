/**
 * `actcore serve`: one process with its roles.
 *
 *   listeners → endpoints (configured, attached, or engines of our own) → roles → wait → drain → close, last in first out
 */

import { findRunningEngines } from "../engines/data-directory.ts";
import { startEngines } from "../engines/engine-set.ts";
import type { EngineEndpoints } from "../engines/engine-status.ts";
import { indexEnforcedTypes } from "../event/payload-checks.ts";
import { startMonitor } from "../http/monitor.ts";
import { formatAddress } from "../kernel/address.ts";
import { type Config, isWholeServer } from "../kernel/config.ts";
import { type Releasers, type Role, withReleasers } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import { createMetrics } from "../kernel/metrics.ts";
import { createReadiness } from "../kernel/readiness.ts";
import type { RoleName } from "../kernel/setting-values.ts";
import { portInUse, SETTINGS } from "../kernel/settings.ts";
import { aborted, sleep } from "../kernel/wait.ts";
import { createKeyStore } from "../postgres/access/key-store.ts";
import { createDefinitionStore } from "../postgres/definition/definition-store.ts";
import { createEnforcedTypeReader } from "../postgres/event/event-types.ts";
import { startApi } from "../roles/api.ts";
import { type Connections, openConnections } from "../roles/connections.ts";
import { ROLE_NEEDS, type RoleDeps } from "../roles/role.ts";
import { startRouter } from "../roles/router.ts";
import { startSync } from "../roles/sync.ts";
import { startWorker } from "../roles/worker.ts";
import { TASK_TYPES } from "../task/types.ts";
import { installRuntime } from "../temporal/runtime.ts";
import type { CommandContext } from "./command.ts";
import { suggestRequest } from "./first-request.ts";

const ROLE_STARTERS: Readonly<Record<RoleName, (deps: RoleDeps) => Role>> = {
  api: startApi,
  router: startRouter,
  worker: startWorker,
  sync: startSync,
};

const EXIT_CUT_SHORT = 4;
const FIRST_SYNC_WITHIN_MS = 5_000;
/** So many activities are looked at for one to try. */
const SUGGESTED_FROM = 100;

/** @throws what makes a start impossible; what a role failed for */
export function runServe({ config, secrets, log, tell, shutdown }: CommandContext): Promise<number> {
  return withReleasers(async (releasers) => {
    const metrics = createMetrics();
    const readiness = createReadiness(Object.fromEntries(config.roles.map((role) => [role, ROLE_NEEDS[role]])));
    const sdkMetrics = config.roles.includes("worker") ? `127.0.0.1:${await findFreePort()}` : undefined;
    if (sdkMetrics !== undefined) installRuntime(log, sdkMetrics);
    const monitor = listenForMonitor(config, log, {
      metrics,
      readiness,
      ...(sdkMetrics !== undefined && { sdkMetricsUrl: `http://${sdkMetrics}/metrics` }),
    });
    releasers.push(() => monitor.stop(true));

    const locating = Promise.withResolvers<EngineEndpoints>();
    const endpoints = locating.promise;
    endpoints.catch(() => {});
    const signal = shutdown.stopping;
    // Engines are released after everything that uses them: their place in the stack is taken before.
    const engines: { close(): Promise<void> }[] = [];
    releasers.push(async () => {
      for (const set of engines) await set.close();
    });
    const connections = openConnections({ config, endpoints, readiness, metrics, log, signal });
    releasers.push(connections.close);

    const roles = startRoles(
      { config, secrets, connections, endpoints, taskTypes: TASK_TYPES, readiness, metrics, log },
      releasers,
    );
    locate(config, { log, tell, signal, insisted: shutdown.insisted }, engines).then(locating.resolve, locating.reject);
    // A start that is interrupted is a stop like any other.
    const stopped = aborted(signal);
    const located = await Promise.race([endpoints, stopped]);
    if (located) void announce(config, located, readiness, { connections, tell, signal });
    const failure = await Promise.race([stopped, ...roles.map(({ done }) => done)]).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (failure) shutdown.request("a role failed");

    const drains = await Promise.all(roles.map((role) => role.drain(shutdown.cut)));
    await endpoints.catch(() => {});
    const released = releasers.release();
    if (failure) {
      await released.catch((error) => log.error({ error }, "not everything could be closed"));
      throw failure.error;
    }
    await released;
    log.info("stopped");
    return drains.includes("cut") ? EXIT_CUT_SHORT : 0;
  });
}

function startRoles(deps: RoleDeps, releasers: Releasers): Role[] {
  return deps.config.roles
    .toSorted((a, b) => Number(b === "api") - Number(a === "api")) // its port may be taken: that is known first
    .map((name) => {
      const role = ROLE_STARTERS[name](deps);
      releasers.push(role.close);
      return role;
    });
}

/** Where the engines are: as configured; for the rest those of this data directory, running already or started here. */
async function locate(
  config: Config,
  { log, tell, ...signals }: Pick<CommandContext, "log" | "tell"> & { signal: AbortSignal; insisted: AbortSignal },
  engines: { close(): Promise<void> }[],
): Promise<EngineEndpoints> {
  const configured: Partial<EngineEndpoints> = {
    ...(config.dbUrl !== undefined && { dbUrl: config.dbUrl }),
    ...(config.natsUrl !== undefined && { natsUrl: config.natsUrl, natsMonitorUrl: undefined }),
    ...(config.temporalHost !== undefined && { temporalHost: config.temporalHost }),
  };
  const whole = isWholeServer(config);
  for (let waiting = false; ; waiting = true) {
    const running = await findRunningEngines(config.dataDir);
    const located = { ...running?.endpoints, ...configured };
    const missing = (["dbUrl", "natsUrl", "temporalHost"] as const).filter((name) => located[name] === undefined);
    if (missing.length === 0) {
      if (running) log.info({ data_dir: config.dataDir, holder: running.holder.pid }, "attached to running engines");
      return located as EngineEndpoints;
    }
    if (whole && !running) {
      const onProgress = (message: string) => tell(`${message} …`);
      const set = await startEngines(config, { log, onProgress, ...signals });
      engines.push(set);
      return { ...set.endpoints, ...configured } as EngineEndpoints;
    }
    if (!waiting)
      log.warn(
        { data_dir: config.dataDir, missing: missing.map((name) => SETTINGS[name].env) },
        "waiting for engines: start `actcore engines` with this data directory, or name them by these variables",
      );
    if (await sleep(500, signals.signal)) throw signals.signal.reason;
  }
}

/** Once everything is ready, and the start's sync has had its say in the log: where it is, and what to try. */
async function announce(
  config: Config,
  { natsUrl, temporalHost, temporalUiUrl }: EngineEndpoints,
  readiness: RoleDeps["readiness"],
  { connections, tell, signal }: Pick<CommandContext, "tell"> & { connections: Connections; signal: AbortSignal },
): Promise<void> {
  while (readiness.report().status !== "ready") if (await sleep(50, signal)) return;
  const isSyncing = () => {
    const { last_success, last_failure } = readiness.report().sync;
    return config.roles.includes("worker") && !config.skipScheduleSync && (last_success ?? last_failure) === null;
  };
  // Another process' sync may keep this one waiting: what is ready is told all the same.
  for (const until = Date.now() + FIRST_SYNC_WITHIN_MS; isSyncing() && Date.now() < until; )
    if (await sleep(50, signal)) return;
  const ready = `actcore is ready: ${config.roles.join(", ")}`;
  if (!config.roles.includes("api")) return tell(ready);
  const api = `http://${formatAddress(config.apiAddr)}`;
  const request = await findRequest(config, connections, api).catch(() => undefined);
  tell(ready, {
    API: `${api}/docs`,
    Runs: `${api}/runs`,
    "Temporal Web UI": temporalUiUrl,
    NATS: natsUrl.replace(/\/\/[^/,]*@/g, "//"), // without user and password
    Temporal: temporalHost,
    Try: request,
  });
}

/** Something to try with the activities that there are. */
async function findRequest(config: Config, connections: Connections, api: string): Promise<string> {
  const { db } = await connections.postgres();
  const needsKey = !config.insecureNoAuth && (await createKeyStore(db).anyMade());
  const definitions = await createDefinitionStore(db).list({ enabled: true }, { limit: SUGGESTED_FROM });
  const checks = indexEnforcedTypes(await createEnforcedTypeReader(db).listEnforcedTypes(), new Map());
  const request = suggestRequest(
    definitions,
    checks,
    api,
    needsKey ? ' -H "authorization: Bearer $ACTCORE_API_KEY"' : "",
  );
  return (
    request ?? `there is no activity yet: give a directory of files by ${SETTINGS.definitionsDirs.env}, or see API`
  );
}

/** The chosen address, or, when the operator chose none and the usual one is taken, a free port: metrics stop no server. */
function listenForMonitor(config: Config, log: Log, deps: Parameters<typeof startMonitor>[1]) {
  const taken = (error: unknown) => (error as { code?: string }).code === "EADDRINUSE";
  try {
    return startMonitor(config.metricsAddr, deps);
  } catch (error) {
    if (!taken(error)) throw error;
    if (config.metricsAddrChosen) throw portInUse(SETTINGS.metricsAddr, config.metricsAddr, "the metrics");
    const server = startMonitor({ ...config.metricsAddr, port: 0 }, deps);
    log.warn(
      { taken: formatAddress(config.metricsAddr), address: `127.0.0.1:${server.port}` },
      `metrics are on another port: choose one with ${SETTINGS.metricsAddr.env}`,
    );
    return server;
  }
}

/** For the SDK's own listener, which cannot say which port it took. */
async function findFreePort(): Promise<number> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
