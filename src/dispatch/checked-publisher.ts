/**
 * A publisher that asks the ledger first, and says at the door what the router would only record: that the event is a
 * repetition, that another one has its id, that its payload does not match its type. It is a courtesy to the sender: what
 * the ledger does not know yet, or could not say in time, goes into the stream, and the router decides.
 */

import { type EventContent, type EventContentReader, findDifferences } from "../event/content.ts";
import type { EventEnvelope, EventPublisher } from "../event/envelope.ts";
import {
  type EnforcedTypeReader,
  findPayloadFaults,
  indexEnforcedTypes,
  type PayloadChecks,
} from "../event/payload-checks.ts";
import { InvalidInputError, RetryableError } from "../kernel/errors.ts";
import { inTime } from "../kernel/wait.ts";

const ANSWER_WITHIN_MS = 1_000;
const tooLate = () => new RetryableError("no_answer_in_time", "the ledger did not say what it knows of the event");

export interface CheckedPublisher {
  /**
   * `duplicate`: the event was recorded before, and is not published again. Otherwise the stream has it.
   * @throws InvalidInputError `schema_mismatch`, `event_differs`, and what the publisher throws
   */
  publish(envelope: EventEnvelope): Promise<{ duplicate: boolean }>;
}

export type DoorLedger = EnforcedTypeReader & EventContentReader;

interface Known {
  checks: PayloadChecks;
  contents: ReadonlyMap<string, EventContent | null>;
}
const NOTHING: Known = { checks: new Map(), contents: new Map() };

/** `ledger` answers undefined as long as it was never reached. */
export function createCheckedPublisher(
  publisher: EventPublisher,
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
  function ask(from: DoorLedger, eventId: string): Promise<Known> {
    asked.add(eventId);
    next ??= (reading ?? Promise.resolve()).then(ignore, ignore).then(() => {
      const eventIds = [...asked];
      asked = new Set();
      next = undefined;
      reading = read(from, eventIds);
      return reading;
    });
    return next;
  }

  return {
    async publish(envelope) {
      const from = ledger();
      const answer =
        from && (await inTime(ask(from, envelope.event_id), ANSWER_WITHIN_MS, tooLate).catch(undefinedWhenAway));
      const { checks, contents } = answer ?? NOTHING;
      const recorded = contents.get(envelope.event_id);
      if (recorded !== undefined) {
        refuseDiffering(recorded, envelope);
        return { duplicate: true };
      }
      const faults = findPayloadFaults(checks, envelope);
      if (faults.length > 0)
        throw new InvalidInputError(
          `the payload does not match the event type ${envelope.type}`,
          faults,
          "schema_mismatch",
        );
      await publisher.publish(envelope);
      return { duplicate: false };
    },
  };
}

/** Names the fields and not their values: a sender may not be allowed to read what others have published. */
function refuseDiffering(recorded: EventContent | null, envelope: EventEnvelope): void {
  const fields = findDifferences(recorded, envelope);
  if (fields.length === 0) return;
  throw new InvalidInputError(
    `another event was recorded before under the id ${JSON.stringify(envelope.event_id)}`,
    fields.map((field) => ({ path: `/${field}`, message: "differs from the event that was recorded under this id" })),
    "event_differs",
    { hint: "Publish it under an id of its own; GET /events/{event_id} shows what was recorded" },
  );
}

function ignore(): void {}

function undefinedWhenAway(error: unknown): undefined {
  if (!(error instanceof RetryableError)) throw error;
}
