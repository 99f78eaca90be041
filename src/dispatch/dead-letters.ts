/** Messages that reach nothing: each is kept with its bytes and the reason, and then never delivered again (I2, I3). */

import { modeOf, toStructured } from "../event/cloud-event.ts";
import { type DeadLetterReason, deadLetterId, type EventEnvelope } from "../event/envelope.ts";
import type { DeadLetter, EventLedger } from "../event/event-ledger.ts";
import { type Fault, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { PutBack } from "./put-back.ts";
import type { StreamMessage } from "./stream-message.ts";

/** Why a message is kept under an id of ours, and what is known of it. */
export type Refusal = Pick<DeadLetter, "reason" | "detail" | "envelope" | "carried_id">;

export type Refused = Refusal & { message: StreamMessage };

/** An event whose payload has faults, in copies that say the same. */
export interface Mismatched {
  copies: readonly StreamMessage[];
  envelope: EventEnvelope;
  faults: readonly Fault[];
}

/** How many faults are named of a payload that does not match the schema of its type. */
const MAX_FAULTS_NAMED = 5;

interface DeadLettersDeps {
  ledger: EventLedger;
  putBack: PutBack;
  metrics: Metrics;
  log: Log;
}

interface Kept {
  letter: DeadLetter;
  messages: readonly StreamMessage[];
}

/** Messages that cannot be recorded are put back into the stream; none of these functions rejects. */
export function createDeadLetters({ ledger, putBack, metrics, log }: DeadLettersDeps) {
  function settle({ messages, letter: { event_id, reason, detail } }: Kept): void {
    for (const message of messages) message.terminate(reason);
    metrics.events.inc({ outcome: "dead_lettered" });
    if (messages.length > 1) metrics.events.inc({ outcome: "duplicate" }, messages.length - 1);
    log.warn({ event_id, subject: messages[0]?.subject, reason, detail }, "event dead-lettered");
  }

  /** Records and settles all in one transaction; answers those that the ledger knows already, which are not settled. */
  async function recordAll(kept: readonly Kept[]): Promise<readonly Kept[]> {
    if (kept.length === 0) return [];
    try {
      const recorded = await ledger.recordDeadLetters(kept.map(({ letter }) => letter));
      const isNew = ({ letter }: Kept) => recorded.has(letter.event_id);
      for (const each of kept.filter(isNew)) settle(each);
      return kept.filter((each) => !isNew(each));
    } catch (error) {
      if (!(error instanceof TerminalError) || kept.length === 1) {
        putBack.all(
          kept.flatMap(({ messages }) => messages),
          error,
        );
        return [];
      }
      // One that the ledger refuses must not hold up the others.
      const known: Kept[] = [];
      for (const each of kept) known.push(...(await recordAll([each])));
      return known;
    }
  }

  return {
    /** Keeps each message under an id of ours, beside whatever stands under the one that it carries. */
    async keep(refused: readonly Refused[]): Promise<void> {
      const letters = refused.map(({ message, ...refusal }) => {
        const { subject, streamedAtNs } = message;
        const raw = keptBytes(message);
        return { message, letter: { event_id: deadLetterId(subject, streamedAtNs, raw), subject, raw, ...refusal } };
      });
      const kept = Map.groupBy(letters, ({ letter }) => letter.event_id)
        .values()
        .map((copies): Kept => {
          const [{ letter }] = copies as [(typeof letters)[number]];
          return { letter, messages: copies.map(({ message }) => message) };
        });
      for (const known of await recordAll(kept.toArray())) settle(known);
    },

    /**
     * Keeps events under their own ids, because their payloads have faults. Answers those of which the ledger knows the id
     * already: there what was recorded first stands (I1, I2).
     */
    async keepMismatched(events: readonly Mismatched[]): Promise<ReadonlySet<string>> {
      const kept = events.flatMap(({ copies, envelope, faults }): Kept[] => {
        const [first] = copies;
        if (first === undefined) return [];
        const { subject } = first;
        const raw = keptBytes(first);
        const reason: DeadLetterReason = "schema_mismatch";
        const detail = describeFaults(faults);
        return [{ messages: copies, letter: { event_id: envelope.event_id, reason, detail, subject, raw, envelope } }];
      });
      return new Set((await recordAll(kept)).map(({ letter }) => letter.event_id));
    },
  };
}

/** Without its headers, an event in binary mode could not be read again. */
function keptBytes({ bytes, headers }: StreamMessage): Uint8Array {
  return headers !== undefined && modeOf(headers) === "binary" ? toStructured(headers, bytes) : bytes;
}

function describeFaults(faults: readonly Fault[]): string {
  const shown = faults.slice(0, MAX_FAULTS_NAMED).map(({ path, message }) => `${path} ${message}`);
  const more = faults.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
