/** A NATS client that is not ours: what any publisher does. */
import { connect as connectSocket } from "node:net";
import { connect, type NatsConnection } from "nats";
import { readEndpoints, type Server } from "./server.ts";

export const STREAM = "ACTIVITY_EVENTS";

export async function connectNats(server: Pick<Server, "dataDir">): Promise<NatsConnection> {
  return connect({ servers: new URL(readEndpoints(server).natsUrl).host, ignoreClusterUpdates: true });
}

/** Messages that the stream still holds. */
export async function countMessages(nats: NatsConnection): Promise<number> {
  const manager = await nats.jetstreamManager();
  return (await manager.streams.info(STREAM)).state.messages;
}

/** Publishes with headers that the client does not let through, and NATS does: their bytes are what stands in `lines`. */
export async function publishRawHeaders(natsUrl: string, subject: string, lines: readonly string[], text: string) {
  const { hostname, port } = new URL(natsUrl);
  const socket = connectSocket(Number(port), hostname);
  const headers = Buffer.from(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`, "latin1");
  const data = Buffer.from(text);
  const sizes = `${headers.byteLength} ${headers.byteLength + data.byteLength}`;
  socket.write('CONNECT {"verbose":false,"headers":true}\r\n');
  socket.write(
    Buffer.concat([Buffer.from(`HPUB ${subject} ${sizes}\r\n`), headers, data, Buffer.from("\r\nPING\r\n")]),
  );
  for await (const answer of socket) if (String(answer).includes("PONG")) break;
}
