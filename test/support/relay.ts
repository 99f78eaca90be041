/** A TCP relay in front of a server, with which a test takes the server away and gives it back. */
import { connect, createServer, type Socket } from "node:net";

export interface Relay {
  readonly port: number;
  /** When each connection was asked for, milliseconds since the epoch. */
  readonly connections: readonly number[];
  /** Ends all connections, and each new one at once. */
  cut(): void;
  restore(): void;
  close(): Promise<void>;
}

/** Relays a free port of loopback to `target`, `host:port`. */
export async function openRelay(target: string): Promise<Relay> {
  const { hostname: host, port } = new URL(`tcp://${target}`);
  const connections: number[] = [];
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((client) => {
    connections.push(Date.now());
    client.on("error", () => {});
    if (isCut) return client.destroy();
    const upstream = connect(Number(port), host);
    upstream.on("error", () => {});
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endAll = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    connections,
    cut() {
      isCut = true;
      endAll();
    },
    restore: () => {
      isCut = false;
    },
    close: () => {
      endAll();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
