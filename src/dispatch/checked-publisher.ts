/**
 * A publisher that asks the ledger first, and says at the door what the router would only record: that the event is a
 * repetition, that another one has its id, that its payload does not match its type. It is a courtesy to the sender: what
 * the ledger does not know yet, or could not say in time, goes into the stream, and the router decides.
 */

import { contentOf, type EventContent, type EventContentReader, findDifferences } from "../event/content.ts";
import type { BatchPublisher, EventEnvelope } from "../event/envelope.ts";
import {
  type EnforcedTypeReader,
  findPayloadFaults,
  indexEnforcedTypes,
  type PayloadChecks,
} from "../event/payload-checks.ts";
import { ActcoreError, InvalidInputError, RetryableError } from "../kernel/errors.ts";
import { inTime } from "../kernel/wait.ts";

const ANSWER_WITHIN_MS = 1_000;
const tooLate = () => new RetryableError("no_answer_in_time", "the ledger did not say what it knows of the event");

/** `duplicate`: the event was recorded before, and is not published again. Otherwise the stream has it. */
export interface Published {
  duplicate: boolean;
}

export interface CheckedPublisher {
  /** @throws InvalidInputError `schema_mismatch`, `event_differs`, and what the publisher throws */
  publish(envelope: EventEnvelope): Promise<Published>;
  /**
   * Publishes several, and answers for each, in their order, what `publish` would have answered or thrown; the ledger is asked once.
   * Of those with one id the first is published, and the others are its repetitions, or differ from it. Rejects only with what
   * nobody knows.
   */
  publishAll(envelopes: readonly EventEnvelope[]): Promise<(Published | ActcoreError)[]>;
}

export type DoorLedger = EnforcedTypeReader & EventContentReader;

interface Known {
  checks: PayloadChecks;
  contents: ReadonlyMap<string, EventContent | null>;
}
const NOTHING: Known = { checks: new Map(), contents: new Map() };

/** `ledger` answers undefined as long as it was never reached. */
export function createCheckedPublisher(
  publisher: BatchPublisher,
  ledger: () => DoorLedger | undefined,
): CheckedPublisher {
  let checks: PayloadChecks = new Map();
  let knownRevision: bigint | undefined;
  let asked = new Set<string>();
  let reading: Promise<Known> | undefined;
  let next: Promise<Known> | undefined;

  async function readChecks(types: EnforcedTypeReader): Promise<PayloadChecks> {
    const revision = await types.readRevision();
    if (revision !== knownRevision) {
      checks = indexEnforcedTypes(await types.listEnforcedTypes(), checks);
      knownRevision = revision;
    }
    return checks;
  }

  async function read(from: DoorLedger, eventIds: readonly string[]): Promise<Known> {
    const [current, contents] = await Promise.all([readChecks(from), from.readContents(eventIds)]);
    return { checks: current, contents };
  }

  /** What the ledger knows, read after the call (I4). Calls that come while a reading is under way share the next one. */
  function ask(from: DoorLedger, eventIds: readonly string[]): Promise<Known> {
    for (const eventId of eventIds) asked.add(eventId);
    next ??= (reading ?? Promise.resolve()).then(ignore, ignore).then(() => {
      const ids = [...asked];
      asked = new Set();
      next = undefined;
      reading = read(from, ids);
      return reading;
    });
    return next;
  }

  async function know(envelopes: readonly EventEnvelope[]): Promise<Known> {
    const from = ledger();
    if (from === undefined) return NOTHING;
    const asking = ask(
      from,
      envelopes.map(({ event_id }) => event_id),
    );
    return (await inTime(asking, ANSWER_WITHIN_MS, tooLate).catch(undefinedWhenAway)) ?? NOTHING;
  }

  return {
    async publish(envelope) {
      const said = judge(envelope, await know([envelope]));
      if (said instanceof ActcoreError) throw said;
      if (said !== undefined) return said;
      await publisher.publish(envelope);
      return { duplicate: false };
    },

    async publishAll(envelopes) {
      const known = await know(envelopes);
      const firsts = new Map<string, EventEnvelope>();
      for (const envelope of envelopes) if (!firsts.has(envelope.event_id)) firsts.set(envelope.event_id, envelope);
      const said = new Map([...firsts.values()].map((envelope) => [envelope, judge(envelope, known)]));
      const going = [...firsts.values()].filter((envelope) => said.get(envelope) === undefined);
      for (const [at, failure] of (await publisher.publishAll(going)).entries())
        said.set(going[at] as EventEnvelope, failure ?? { duplicate: false });
      return envelopes.map((envelope) => {
        const first = firsts.get(envelope.event_id) as EventEnvelope;
        const answer = said.get(first) as Published | ActcoreError;
        if (envelope === first || answer instanceof ActcoreError) return answer;
        return findRefusal(contentOf(first), envelope, "sent") ?? { duplicate: true };
      });
    },
  };
}

/** What is said of an event without publishing it; undefined where it is to be published. */
function judge(envelope: EventEnvelope, { checks, contents }: Known): Published | ActcoreError | undefined {
  const recorded = contents.get(envelope.event_id);
  if (recorded !== undefined) return findRefusal(recorded, envelope) ?? { duplicate: true };
  const faults = findPayloadFaults(checks, envelope);
  if (faults.length === 0) return undefined;
  return new InvalidInputError(`the payload does not match the event type ${envelope.type}`, faults, "schema_mismatch");
}

/** Names the fields and not their values: a sender may not be allowed to read what others have published. */
function findRefusal(
  standing: EventContent | null,
  envelope: EventEnvelope,
  how: "recorded" | "sent" = "recorded",
): ActcoreError | undefined {
  const fields = findDifferences(standing, envelope);
  if (fields.length === 0) return undefined;
  return new InvalidInputError(
    `another event was ${how} before under the id ${JSON.stringify(envelope.event_id)}`,
    fields.map((field) => ({ path: `/${field}`, message: `differs from the event that was ${how} under this id` })),
    "event_differs",
    { hint: "Publish it under an id of its own; GET /events/{event_id} shows what was recorded" },
  );
}

function ignore(): void {}

function undefinedWhenAway(error: unknown): undefined {
  if (!(error instanceof RetryableError)) throw error;
}
