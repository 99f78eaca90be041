/** The connection to NATS. Once made it is kept: the client reconnects for ever, and `ping` says how it stands. */
import { connect, type NatsConnection } from "nats";
import { describeError, RetryableError } from "../kernel/errors.ts";
import { inTime } from "../kernel/wait.ts";

export interface Nats {
  readonly connection: NatsConnection;
  /**
   * Resolves when the server answers within 2 s and says that it is well; rejects with RetryableError `nats_unavailable`, or
   * with what its own health check says.
   */
  ping(): Promise<void>;
  /** The server's own health check; resolves at once where none is known. Rejects with what is wrong. */
  checkHealth(): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param checkHealth asks the server itself how it is, where somebody knows how: a server that answers may still store nothing
 * @throws RetryableError `nats_unavailable`
 */
export async function openNats(
  servers: string,
  name: string,
  checkHealth: () => Promise<void> = async () => {},
): Promise<Nats> {
  let connection: NatsConnection;
  try {
    connection = await connect({
      ...splitCredentials(servers),
      name: `actcore-${name}`,
      timeout: 3000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
      reconnectJitter: 250,
      pingInterval: 10_000,
    });
  } catch (error) {
    throw unavailable(error);
  }
  return {
    connection,
    checkHealth,
    async ping() {
      try {
        await inTime(connection.flush(), 2000, () => new Error("no answer within 2 s"));
        await checkHealth();
      } catch (error) {
        throw unavailable(error);
      }
    },
    close: () => connection.close(),
  };
}

export function unavailable(error: unknown): RetryableError {
  if (error instanceof RetryableError) return error;
  return new RetryableError("nats_unavailable", `NATS: ${describeError(error)}`, { cause: error });
}

/** The client takes user and password as options and not from the URL. */
function splitCredentials(servers: string): { servers: string[]; user?: string; pass?: string; token?: string } {
  const urls = servers.split(",").map((server) => new URL(server));
  const first = urls[0];
  const username = decodeURIComponent(first?.username ?? "");
  const password = decodeURIComponent(first?.password ?? "");
  const login = username === "" ? {} : password === "" ? { token: username } : { user: username, pass: password };
  return {
    servers: urls.map(({ protocol, host }) => (protocol === "nats:" ? host : `${protocol}//${host}`)),
    ...login,
  };
}
