/**
 * What definitions cost that an event is matched against: ten thousand of other types, by exact types and by patterns, and a
 * thousand of its own type with a condition each, as a function and through the router of a server. Part of `make bench`;
 * docs/performance.md says how to read it.
 *
 * usage: bun test/bench/matching.ts [--short]
 */
import { matchEvent } from "../../src/dispatch/match-event.ts";
import { decodeEvent } from "../../src/event/decode-event.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import { indexSubscriptions, type SubscriptionIndex } from "../../src/event/match.ts";
import { findPorts, startServer } from "../support/server.ts";
import { createTree } from "../support/trees.ts";
import { median, print, quantile } from "./figures.ts";
import { openLoad } from "./load.ts";

const short = process.argv.includes("--short");
const OTHERS = 10_000;
const ASKING = 1_000;
const TURNS = short ? 3 : 7;
const EVENTS = short ? 50 : 300;
const TYPE = "shop.order.created";

const TRIGGERS = {
  exact: (n: number) => ({ event_type: `shop.order.other-${n}` }),
  patterns: (n: number) => ({ event_type: n % 2 === 0 ? `shop.*.other-${n}` : `shop.order.other-${n}.**` }),
  asking: (n: number) => ({
    event_type: TYPE,
    when: `event.payload.seats > ${n + 10} && event.payload.customer.country == 'DE'`,
  }),
};

measureFunction();
await measureRouter();
process.exit(0);

function measureFunction(): void {
  const payload = { tier: "pro", seats: 4, customer: { country: "DE" }, text: "x".repeat(200) };
  const envelope: EventEnvelope = {
    event_id: "e",
    type: TYPE,
    source: "shop",
    occurred_at: "2026-01-31T09:30:00Z",
    payload,
  };
  const bytes = new TextEncoder().encode(JSON.stringify(envelope));
  const decodeAndMatch = (index: SubscriptionIndex) => {
    const decoded = decodeEvent(bytes, { receivedAt: new Date() });
    return decoded.ok && matchEvent(index, decoded.envelope);
  };
  const none = indexSubscriptions([]);
  const others = { exact: indexOf("exact", OTHERS), patterns: indexOf("patterns", OTHERS) };
  const ratios = { exact: [] as number[], patterns: [] as number[] };
  for (let turn = 0; turn < TURNS; turn++)
    for (const kind of ["exact", "patterns"] as const) {
      const without = perSecond(() => decodeAndMatch(none));
      ratios[kind].push(without / perSecond(() => decodeAndMatch(others[kind])));
    }
  for (const kind of ["exact", "patterns"] as const)
    print(`against ${OTHERS} ${kind}`, `${median(ratios[kind]).toFixed(2)} of none; wanted at most 1.10`);
  const asking = indexOf("asking", ASKING);
  const asked = Array.from({ length: TURNS }, () => perSecond(() => decodeAndMatch(asking)));
  print(`against ${ASKING} conditions`, `${median(asked).toFixed(0)} events/s`);
}

function documentsOf(kind: keyof typeof TRIGGERS, from: number, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const trigger_config = { trigger_type: "event" as const, ...TRIGGERS[kind](from + index) };
    return { name: `${kind} ${from + index}`, trigger_config };
  });
}

function indexOf(kind: keyof typeof TRIGGERS, count: number): SubscriptionIndex {
  return indexSubscriptions(
    documentsOf(kind, 0, count).map((row) => ({ ...row, id: row.name, version: 1, enabled: true })),
  );
}

/** Calls a second, over a fifth of one and more. */
function perSecond(call: () => unknown): number {
  const beganMs = performance.now();
  let calls = 0;
  do for (let n = 0; n < 10; n++, calls++) call();
  while (performance.now() - beganMs < 200);
  return (calls * 1000) / (performance.now() - beganMs);
}

async function measureRouter(): Promise<void> {
  const tree = createTree();
  const server = await startServer({
    flags: { ...(await findPorts()), logLevel: "warn" },
    env: { ACTCORE_DEFINITIONS_DIR: tree.path },
  });
  try {
    await server.ready(60_000);
    const load = await openLoad(server);
    for (let at = 0; at < ASKING; at += 500) await tree.write(`${at}.yaml`, documentsOf("asking", at, 500));
    const synced = await server.api("/admin/sync", { method: "POST", signal: AbortSignal.timeout(300_000) });
    if (synced.status !== 200) throw new Error(JSON.stringify(synced.body));
    const payload = { seats: 4, customer: { country: "DE" } };
    // The first event has the definitions loaded, and their conditions compiled.
    await load.measureRouter(1, TYPE, payload);
    const answering = watchAnswers();
    const asked = await load.measureRouter(EVENTS, TYPE, payload);
    const answersMs = await answering.stop();
    print("router, conditions", `${asked.toFixed(1)} events/s, each recorded for ${ASKING} activities`);
    print(
      "/healthz meanwhile",
      `p50 ${quantile(answersMs, 0.5).toFixed(0)} ms, max ${quantile(answersMs, 1).toFixed(0)} ms`,
    );
    await load.close();
  } finally {
    await server.destroy();
    tree.remove(".");
  }

  /** How long the process takes to answer, milliseconds: what holds up its event loop holds up this. */
  function watchAnswers() {
    let isOver = false;
    const watching = (async () => {
      const answersMs: number[] = [];
      while (!isOver) {
        const askedMs = performance.now();
        await server.monitor("/healthz");
        answersMs.push(performance.now() - askedMs);
        await Bun.sleep(10);
      }
      return answersMs;
    })();
    return {
      stop() {
        isOver = true;
        return watching;
      },
    };
  }
}
