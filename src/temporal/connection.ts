/** The client's connection to Temporal. */
import { Client, Connection } from "@temporalio/client";
import { describeError, RetryableError } from "../errors.ts";

export interface Temporal {
  readonly connection: Connection;
  readonly client: Client;
  /** Resolves when the frontend serves the namespace; rejects with RetryableError `temporal_unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** @throws RetryableError `temporal_unavailable` */
export async function openTemporal(address: string, namespace: string, name: string): Promise<Temporal> {
  let connection: Connection;
  try {
    connection = await Connection.connect({ address, connectTimeout: "5s" });
  } catch (error) {
    throw unavailable(error);
  }
  return {
    connection,
    client: new Client({ connection, namespace, identity: `actcore-${name}@${process.pid}` }),
    async ping() {
      try {
        await connection.withDeadline(Date.now() + 3000, () =>
          connection.workflowService.describeNamespace({ namespace }),
        );
      } catch (error) {
        throw unavailable(error);
      }
    },
    close: () => connection.close(),
  };
}

export function unavailable(error: unknown): RetryableError {
  return new RetryableError("temporal_unavailable", `Temporal: ${describeError(error)}`, { cause: error });
}
