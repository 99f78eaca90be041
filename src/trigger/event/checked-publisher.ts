/**
 * A publisher that refuses at the door what the router would dead-letter. It is a courtesy to the sender, who hears of every
 * fault: what the ledger could not say in time goes into the stream, and the router decides.
 */
import { InvalidInputError, RetryableError } from "../../errors.ts";
import { inTime } from "../../wait.ts";
import type { EventPublisher } from "./envelope.ts";
import {
  type EnforcedTypeReader,
  findPayloadFaults,
  indexEnforcedTypes,
  type PayloadChecks,
} from "./payload-checks.ts";

const ANSWER_WITHIN_MS = 1_000;
const tooLate = () => new RetryableError("no_answer_in_time", "the ledger did not say which event types are enforced");

/** `reader` answers undefined as long as the ledger was never reached. */
export function createCheckedPublisher(
  publisher: EventPublisher,
  reader: () => EnforcedTypeReader | undefined,
): EventPublisher {
  let checks: PayloadChecks = new Map();
  let knownRevision: bigint | undefined;
  let reading: Promise<PayloadChecks> | undefined;
  let next: Promise<PayloadChecks> | undefined;

  async function read(types: EnforcedTypeReader): Promise<PayloadChecks> {
    const revision = await types.readRevision();
    if (revision !== knownRevision) {
      checks = indexEnforcedTypes(await types.listEnforcedTypes(), checks);
      knownRevision = revision;
    }
    return checks;
  }

  /** Read after the call (I4): calls that come while one is under way share the one after it. */
  function fresh(types: EnforcedTypeReader): Promise<PayloadChecks> {
    next ??= (reading ?? Promise.resolve()).then(ignore, ignore).then(() => {
      next = undefined;
      reading = read(types);
      return reading;
    });
    return next;
  }

  return {
    /** @throws InvalidInputError `schema_mismatch`, and what the publisher throws */
    async publish(envelope) {
      const types = reader();
      const current = types && (await inTime(fresh(types), ANSWER_WITHIN_MS, tooLate).catch(undefinedWhenAway));
      const faults = current === undefined ? [] : findPayloadFaults(current, envelope);
      if (faults.length > 0)
        throw new InvalidInputError(
          `the payload does not match the event type ${envelope.type}`,
          faults,
          "schema_mismatch",
        );
      await publisher.publish(envelope);
    },
  };
}

function ignore(): void {}

function undefinedWhenAway(error: unknown): undefined {
  if (!(error instanceof RetryableError)) throw error;
}
