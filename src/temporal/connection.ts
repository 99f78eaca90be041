/** The client's connection to Temporal. */
import { Client, Connection } from "@temporalio/client";
import type { Config } from "../kernel/config.ts";
import { describeError, RetryableError } from "../kernel/errors.ts";

export interface Temporal {
  readonly connection: Connection;
  readonly client: Client;
  /**
   * The answer to a request, within 10 s by default.
   * @throws RetryableError `temporal_unavailable`, whose cause is the client's error
   */
  ask<T>(request: () => Promise<T>, withinMs?: number): Promise<T>;
  /** Resolves when the frontend serves the namespace; rejects with RetryableError `temporal_unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/**
 * How long a lost server is left alone before the next attempt to connect: up to 2 s and a fifth. gRPC's own bound is
 * two minutes, which would keep this process from a server that answers again. Engines are reached without a proxy: the
 * workers' connection and those to NATS and Postgres know of none.
 */
const CHANNEL = {
  "grpc.initial_reconnect_backoff_ms": 200,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.enable_http_proxy": 0,
};

/** How a server is reached over TLS, as the client and the workers' native core take it; false: without. */
export type TemporalTls = false | { serverRootCACertificate?: Buffer };

/** How a configured server is reached; the embedded one speaks no TLS. */
export function temporalTlsOf({ temporalHost, temporalTls, caFile }: Config): TemporalTls {
  if (temporalHost === undefined || !temporalTls) return false;
  return caFile === undefined ? {} : { serverRootCACertificate: Buffer.from(caFile.trusted.join("\n")) };
}

/** A lost server is connected to again by itself. @throws RetryableError `temporal_unavailable` */
export async function openTemporal(
  address: string,
  namespace: string,
  name: string,
  tls: TemporalTls = false,
): Promise<Temporal> {
  const connection = Connection.lazy({ address, tls, connectTimeout: "5s", channelArgs: CHANNEL });
  try {
    await connection.ensureConnected();
  } catch (error) {
    await connection.close();
    throw unavailable(error);
  }
  async function ask<T>(request: () => Promise<T>, withinMs = 10_000): Promise<T> {
    try {
      return await connection.withDeadline(Date.now() + withinMs, request);
    } catch (error) {
      throw unavailable(error);
    }
  }
  return {
    connection,
    client: new Client({ connection, namespace, identity: `actcore-${name}@${process.pid}` }),
    ask,
    async ping() {
      await ask(() => connection.workflowService.describeNamespace({ namespace }), 3000);
    },
    close: () => connection.close(),
  };
}

export function unavailable(error: unknown): RetryableError {
  return new RetryableError("temporal_unavailable", `Temporal: ${describeError(error)}`, { cause: error });
}
