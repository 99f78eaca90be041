/** Somebody else's server below HTTP: a test says what becomes of each request on its socket. */
import { createServer, type Socket } from "node:net";

export interface RawReceiver {
  readonly url: string;
  /** The head of each request, and what came with it, in the order of their arrival. */
  readonly requests: string[];
  stop(): void;
}

/** `answer` gets each request's socket, and how many requests came before it. */
export async function startRawReceiver(answer: (socket: Socket, earlier: number) => void): Promise<RawReceiver> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // the client may leave at any time
    socket.on("data", (data) => {
      const text = data.toString("latin1");
      if (!/^[A-Z]+ \S+ HTTP\/1\.1/.test(text)) return; // more of a body
      requests.push(text);
      answer(socket, requests.length - 1);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/`,
    requests,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
