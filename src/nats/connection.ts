/** The connection to NATS. Once made it is kept: the client reconnects for ever, and `ping` says how it stands. */
import { connect, type NatsConnection } from "nats";
import { describeError, RetryableError } from "../errors.ts";

export interface Nats {
  readonly connection: NatsConnection;
  /** Resolves when the server answers within 2 s; rejects with RetryableError `nats_unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** @throws RetryableError `nats_unavailable` */
export async function openNats(servers: string, name: string): Promise<Nats> {
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
    async ping() {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(unavailable(new Error("no answer within 2 s"))), 2000);
      });
      try {
        await Promise.race([connection.flush(), late]);
      } catch (error) {
        throw unavailable(error);
      } finally {
        clearTimeout(timer);
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
