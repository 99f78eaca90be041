/** A NATS client that is not ours: what any publisher does. */
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
