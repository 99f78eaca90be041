/**
 * A flood of events of which every tenth is none: each bad one is kept as a dead letter with the reason that its kind has, each
 * good one has its run, and none of these waits for the bad ones.
 */
import postgres from "postgres";
import { quantile } from "../bench/figures.ts";
import { connectNats } from "../support/nats-client.ts";
import { readEndpoints, type Server } from "../support/server.ts";
import { assertOnceEach, define, eventIds } from "./scenarios.ts";

export interface Flood {
  events: number;
  perSecond: number;
  /** From the publish of a good event to the claim of its run, for 99 of 100. */
  maxStartMs: number;
}

const POISON_EVERY = 10;

/** By the reason that each is kept with: the bytes, around an id of its own. */
const POISON: readonly (readonly [reason: string, bytes: (id: string) => string | Uint8Array])[] = [
  ["not_json", () => "{ this is no JSON"],
  ["not_json", () => new Uint8Array([0x7b, 0xff, 0xfe, 0x00])],
  ["not_an_envelope", (id) => envelope(id, `"payload": ${"[".repeat(10_000)}${"]".repeat(10_000)}`)],
  ["not_an_envelope", (id) => envelope(id, '"subject": "\\ud800"')],
  ["not_an_envelope", (id) => envelope(id, '"subject": "a\\u0000b"')],
  ["not_an_envelope", (id) => envelope(id, '"__proto__": {"payload": 1}')],
  ["not_an_envelope", (id) => envelope(id, '"occurred_at": "yesterday"')],
  ["not_an_envelope", () => "[1, 2]"],
  ["not_an_envelope", () => "null"],
  ["not_storable", (id) => envelope(id, '"payload": {"n": 1e999999999999999999}')],
  ["too_large", (id) => envelope(id, `"payload": "${"x".repeat(1_100_000)}"`)],
];

/** An event whose last field is `field`, also where it has that field before: of a key that comes twice the last one counts. */
function envelope(event_id: string, field: string): string {
  return `{"event_id": "${event_id}", "type": "poison", "source": "chaos", "occurred_at": "2026-01-31T09:30:00Z", ${field}}`;
}

export async function floodWithPoison(server: Server, { events, perSecond, maxStartMs }: Flood): Promise<void> {
  const activity = await define(server);
  const nats = await connectNats(server);
  const jetstream = nats.jetstream({ timeout: 20_000 });
  const subject = `activity.poison.${crypto.randomUUID()}`;
  const ids = eventIds(events);
  const publishedMs = new Map<string, number>();
  const wanted = new Map<string, number>();
  const publishing: Promise<unknown>[] = [];
  const beganMs = Date.now();
  for (const [index, id] of ids.entries()) {
    await Bun.sleep(Math.max(0, beganMs + (index * 1000) / perSecond - Date.now()));
    if (index % POISON_EVERY === 0) {
      const [reason, bytes] = POISON[(index / POISON_EVERY) % POISON.length] as (typeof POISON)[number];
      wanted.set(reason, (wanted.get(reason) ?? 0) + 1);
      // The id tells apart what would be the same bytes; a message without one is told apart by its time.
      publishing.push(jetstream.publish(subject, bytes(id)));
    } else {
      publishedMs.set(id, Date.now());
      publishing.push(jetstream.publish(subject, envelope(id, `"type": "${activity.type}"`)));
    }
  }
  await Promise.all(publishing);
  await nats.close();
  await assertOnceEach(server, activity, [...publishedMs.keys()]);

  const sql = postgres(readEndpoints(server).dbUrl, { max: 1, onnotice: () => {} });
  try {
    const letters = await sql<{ reason: string; n: number; explained: number }[]>`
      select reason, count(*)::int as n, count(nullif(detail, ''))::int as explained
      from actcore.events where subject = ${subject} and outcome = 'dead_lettered' group by reason`;
    const kept = new Map(letters.map(({ reason, n }) => [reason, n]));
    if (!Bun.deepEquals(kept, wanted) || letters.some(({ n, explained }) => n !== explained))
      throw new Error(`dead letters: ${JSON.stringify(letters)}, wanted ${JSON.stringify([...wanted])}`);
    const runs = await sql<{ event_id: string; ms: number }[]>`
      select event_id, extract(epoch from fired_at) * 1000 as ms from actcore.runs where activity_id = ${activity.id}`;
    const startedMs = runs.map(({ event_id, ms }) => Number(ms) - (publishedMs.get(event_id) ?? 0));
    const p99 = Math.round(quantile(startedMs, 0.99));
    const reasons = [...kept].map(([reason, n]) => `${n} ${reason}`).join(", ");
    console.log(
      `  ${reasons}; ${runs.length} runs, started after p50 ${Math.round(quantile(startedMs, 0.5))} ms, p99 ${p99} ms`,
    );
    if (p99 > maxStartMs) throw new Error(`p99 of the starts is ${p99} ms, more than ${maxStartMs}`);
  } finally {
    await sql.end();
  }
}
