/**
 * Somebody else's HTTP server, in a process of its own so that its work is not the bench's: answers each request after a
 * while, and tells the Idempotency-Keys that it has seen.
 *
 * usage: bun test/bench/receiver.ts ANSWER_AFTER_MS    prints its URL; GET /seen answers {key: [url, …]}
 */
export interface SlowReceiver {
  readonly url: string;
  /** The URLs that were asked for under each Idempotency-Key, each as often as it was. */
  seen(): Promise<Map<string, string[]>>;
  stop(): Promise<void>;
}

export async function startReceiverProcess(answerAfterMs = 0): Promise<SlowReceiver> {
  const child = Bun.spawn([process.execPath, import.meta.path, String(answerAfterMs)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const { value } = await child.stdout.getReader().read();
  const url = new TextDecoder().decode(value).trim();
  return {
    url,
    seen: async () => new Map(Object.entries((await (await fetch(`${url}seen`)).json()) as Record<string, string[]>)),
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

if (import.meta.main) {
  const answerAfterMs = Number(process.argv[2]);
  const seen = new Map<string, string[]>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/seen") return Response.json(Object.fromEntries(seen));
      const key = request.headers.get("idempotency-key") ?? "";
      seen.set(key, [...(seen.get(key) ?? []), pathname]);
      await request.arrayBuffer();
      if (answerAfterMs > 0) await Bun.sleep(answerAfterMs);
      return new Response("ok");
    },
  });
  console.log(server.url.href);
}
