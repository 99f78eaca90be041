/** Sources that are answered too much, nothing, or something else cost neither memory nor sockets, however many there were. */
import { expect, test } from "bun:test";
import type { Socket } from "node:net";
import { createDial } from "../../src/outbound/dial.ts";
import { resolveContext } from "../support/context.ts";
import { eventually } from "../support/engines.ts";
import { NO_ENGINES } from "../support/own-engines.ts";
import { startRawReceiver } from "../support/raw-receiver.ts";

const MEGABYTE = 1_048_576;
const HEAD = "HTTP/1.1 200 OK\r\nContent-Type:";
const CHUNK = "1".repeat(65_536);
const TIMES = 200;
const AT_ONCE = 10;

/** By the path of the request: 5 MB, no answer, a page, a body without an end. */
const ANSWERS: Readonly<Record<string, (socket: Socket) => void>> = {
  large(socket) {
    let left = 5 * MEGABYTE;
    socket.write(`${HEAD} application/json\r\nContent-Length: ${left}\r\n\r\n`);
    const pump = () => {
      while (!socket.destroyed && left > 0) {
        left -= CHUNK.length;
        if (!socket.write(CHUNK)) return;
      }
    };
    socket.on("drain", pump);
    pump();
  },
  hanging() {},
  page: (socket) => socket.end(`${HEAD} text/html\r\nContent-Length: 15\r\n\r\n<!doctype html>`),
  endless(socket) {
    socket.write(`${HEAD} application/json\r\n\r\n[`);
    const dripping = setInterval(() => socket.write("1,"), 20);
    socket.on("close", () => clearInterval(dripping));
  },
};
const CODES = {
  large: "source_too_large",
  hanging: "source_timeout",
  page: "source_not_json",
  endless: "source_timeout",
};

function measure() {
  Bun.gc(true);
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed / MEGABYTE, rss: rss / MEGABYTE };
}

test(`${TIMES} of each fail as they should, and leave nothing behind`, async () => {
  const open = new Set<Socket>();
  const receiver = await startRawReceiver((socket, earlier) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    const [, path = ""] = /^GET \/(\w+)/.exec(receiver.requests[earlier] ?? "") ?? [];
    ANSWERS[path]?.(socket);
  });
  const dial = createDial({ engines: NO_ENGINES, allowed: [], proxies: { exempt: [] } });
  const sources = Object.keys(ANSWERS).map((name) => {
    return {
      name,
      type: "http",
      url: receiver.url + name,
      timeout: name === "hanging" || name === "endless" ? "250ms" : "30s",
      optional: true,
    };
  });
  /** Each `times`; answers the codes. */
  async function repeat(times: number): Promise<Set<string>> {
    const seen = new Set<string>();
    for (let done = 0; done < times; done += AT_ONCE)
      for (const { sources: reports } of await Promise.all(
        Array.from({ length: AT_ONCE }, () => resolveContext(sources, { dial })),
      ))
        for (const { name, code } of reports) seen.add(`${name}: ${code}`);
    return seen;
  }
  try {
    await repeat(50);
    const before = measure();
    expect([...(await repeat(TIMES))].sort()).toEqual(
      Object.entries(CODES)
        .map(([name, code]) => `${name}: ${code}`)
        .sort(),
    );
    await eventually("every socket is closed", () => open.size === 0);
    const after = measure();
    expect(receiver.requests).toHaveLength((50 + TIMES) * sources.length);
    expect(after.heap - before.heap).toBeLessThan(10);
    expect(after.rss - before.rss).toBeLessThan(100);
  } finally {
    receiver.stop();
  }
}, 60_000);
