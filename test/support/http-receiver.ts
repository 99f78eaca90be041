/** Somebody else's HTTP server: keeps what it gets, and answers what the test says. */

export interface Received {
  path: string;
  method: string;
  headers: Record<string, string>;
  body: string;
}

/** `statuses` are answered in turn, the last one for ever. */
export function startReceiver(...statuses: [number, ...number[]]) {
  const received: Received[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      received.push({
        path: new URL(request.url).pathname,
        method: request.method,
        headers: Object.fromEntries(request.headers),
        body: await request.text(),
      });
      const status = statuses[Math.min(received.length, statuses.length) - 1] ?? 200;
      return Response.json({ answered: status }, { status });
    },
  });
  return { url: server.url.href, received, stop: () => server.stop(true) };
}
