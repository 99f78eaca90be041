/**
 * Somebody else's HTTP server, in a process of its own so that its work is not the bench's: answers each request after a
 * while, and tells which requests it has seen.
 *
 * usage: bun test/bench/receiver.ts ANSWER_AFTER_MS    prints its URL; GET /seen answers [{run_id, key}, …]
 */
/** A request: the run that it was sent for, and its Idempotency-Key. */
export interface Seen {
  run_id: string;
  key: string;
}

export interface ReceiverProcess {
  readonly url: string;
  /** In the order of their arrival, answered or not. */
  seen(): Promise<Seen[]>;
  stop(): Promise<void>;
}

export async function startReceiverProcess(answerAfterMs = 0): Promise<ReceiverProcess> {
  const child = Bun.spawn([process.execPath, import.meta.path, String(answerAfterMs)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { value } = await child.stdout.getReader().read();
  const url = new TextDecoder().decode(value).trim();
  return {
    url,
    seen: async () => (await (await fetch(`${url}seen`)).json()) as Seen[],
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

if (import.meta.main) {
  const answerAfterMs = Number(process.argv[2]);
  const seen: Seen[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      if (request.method === "GET") return Response.json(seen);
      const { run } = (await request.json()) as { run: { run_id: string } };
      seen.push({ run_id: run.run_id, key: request.headers.get("idempotency-key") ?? "" });
      if (answerAfterMs > 0) await Bun.sleep(answerAfterMs);
      return new Response("ok");
    },
  });
  console.log(server.url.href);
}
