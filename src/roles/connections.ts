/**
 * The connections of one process, shared by its roles. Each is made when a role first asks for it, waited for with
 * backoff, prepared once (schema, stream, namespace), and then watched, so that `/readyz` says how it stands (I7).
 */

import type { EngineEndpoints } from "../engines/engine-status.ts";
import { probeNatsHealth } from "../engines/probes.ts";
import { migrations } from "../generated/migrations.ts";
import { type Chore, runChore } from "../kernel/chore.ts";
import type { Config } from "../kernel/config.ts";
import { ActcoreError, describeWithHint, TerminalError } from "../kernel/errors.ts";
import { createReleasers } from "../kernel/lifecycle.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { once } from "../kernel/once.ts";
import type { Engine, Readiness } from "../kernel/readiness.ts";
import { createBackoff, retryUntilDone } from "../kernel/wait.ts";
import { type Nats, openNats } from "../nats/connection.ts";
import { ensureStream } from "../nats/stream.ts";
import { openPostgres, type Postgres } from "../postgres/client.ts";
import { migrate } from "../postgres/migrate.ts";
import { openTemporal, type Temporal, temporalTlsOf } from "../temporal/connection.ts";
import { ensureNamespace } from "../temporal/namespace.ts";

export interface Connections {
  /** Each resolves when the engine was reached and prepared; rejects when `signal` aborted, or with a TerminalError. */
  postgres(): Promise<Postgres>;
  nats(): Promise<Nats>;
  temporal(): Promise<Temporal>;
  close(): Promise<void>;
}

export interface ConnectionsDeps {
  config: Config;
  endpoints: Promise<EngineEndpoints>;
  readiness: Readiness;
  metrics: Metrics;
  log: Log;
  /** Ends every wait. */
  signal: AbortSignal;
}

const WATCH_EVERY_MS = 2_000;
const HEALTH_WITHIN_MS = 1_000;
/** Waits that repeat the same error are logged this often. */
const LOG_EVERY_MS = 30_000;

export function openConnections({ config, endpoints, readiness, metrics, log, signal }: ConnectionsDeps): Connections {
  const releasers = createReleasers();
  const name = config.roles.join("+");

  /** Opens, prepares and watches one engine; a failed preparation closes what was opened. */
  async function connect<T extends { ping(): Promise<void>; close(): Promise<void> }>(
    engine: Engine,
    open: (endpoints: EngineEndpoints) => Promise<T>,
    prepare: (connection: T) => Promise<void>,
  ): Promise<T> {
    const known = await endpoints;
    let lastLogged = 0;
    const connection = await retryUntilDone(
      async () => {
        const opened = await open(known);
        try {
          await prepare(opened);
          await opened.ping();
          return opened;
        } catch (error) {
          await opened.close().catch(() => {});
          throw error;
        }
      },
      signal,
      (error) => {
        readiness.engineDown(engine, describeWithHint(error));
        if (error instanceof TerminalError) throw error;
        if (Date.now() - lastLogged < LOG_EVERY_MS) return;
        lastLogged = Date.now();
        log.warn({ engine, reason: describeWithHint(error) }, "waiting for the engine");
      },
      createBackoff(100, 3_000),
    );
    if (connection === undefined) throw signal.reason;
    releasers.push(() => connection.close());
    readiness.engineUp(engine);
    log.debug({ engine }, "engine reached");
    const watch: Chore = {
      name: `${engine}_watch`,
      everyMs: WATCH_EVERY_MS,
      firstAfterMs: WATCH_EVERY_MS,
      failed: "engine lost",
      recovered: "engine is back",
      async round() {
        await connection.ping();
        readiness.engineUp(engine);
      },
      onFailure: (error) => readiness.engineDown(engine, describeWithHint(error)),
    };
    const watching = runChore(watch, { metrics, log: log.child({ engine }) }, signal);
    releasers.push(() => watching);
    return connection;
  }

  return {
    postgres: once(() =>
      connect(
        "postgres",
        async ({ dbUrl }) => openPostgres(dbUrl, name, undefined, config.publishOutcome),
        async ({ sql }) => {
          const applied = await migrate(sql, migrations);
          if (applied.length > 0) log.info({ migrations: applied }, "database schema brought up to date");
        },
      ),
    ),
    nats: once(() =>
      connect(
        "nats",
        ({ natsUrl, natsMonitorUrl }) =>
          openNats(natsUrl, name, natsMonitorUrl ? checkerOf(natsMonitorUrl) : undefined),
        (nats) => ensureStream(nats, log),
      ),
    ),
    temporal: once(() =>
      connect(
        "temporal",
        ({ temporalHost }) => openTemporal(temporalHost, config.temporalNamespace, name, temporalTlsOf(config)),
        ({ connection }) => ensureNamespace(connection, config.temporalNamespace, { signal }),
      ),
    ),
    close: () => releasers.release(),
  };
}

/** Asks NATS for its own health. One that does not answer that question is judged by its connection. */
function checkerOf(monitorUrl: string): () => Promise<void> {
  return () =>
    probeNatsHealth(monitorUrl, AbortSignal.timeout(HEALTH_WITHIN_MS)).catch((error: unknown) => {
      if (error instanceof ActcoreError) throw error;
    });
}
