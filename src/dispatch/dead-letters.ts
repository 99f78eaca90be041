/** Messages that reach nothing: each is kept with its bytes and the reason, and then never delivered again (I2, I3). */

import { type DeadLetterReason, deadLetterId, type EventEnvelope } from "../event/envelope.ts";
import type { DeadLetter, EventLedger } from "../event/event-ledger.ts";
import type { Fault } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { PutBack } from "./put-back.ts";
import type { StreamMessage } from "./stream-message.ts";

/** Why a message is kept under an id of ours, and what is known of it. */
export type Refusal = Pick<DeadLetter, "reason" | "detail" | "envelope" | "carried_id">;

/** How many faults are named of a payload that does not match the schema of its type. */
const MAX_FAULTS_NAMED = 5;

interface DeadLettersDeps {
  ledger: EventLedger;
  putBack: PutBack;
  metrics: Metrics;
  log: Log;
}

/** Messages that cannot be recorded are put back into the stream; none of these functions rejects. */
export function createDeadLetters({ ledger, putBack, metrics, log }: DeadLettersDeps) {
  function settle(
    messages: readonly StreamMessage[],
    event_id: string,
    reason: DeadLetterReason,
    detail: string,
  ): void {
    for (const message of messages) message.terminate(reason);
    metrics.events.inc({ outcome: "dead_lettered" });
    if (messages.length > 1) metrics.events.inc({ outcome: "duplicate" }, messages.length - 1);
    log.warn({ event_id, subject: messages[0]?.subject, reason, detail }, "event dead-lettered");
  }

  return {
    /** Keeps a message under an id of ours, beside whatever stands under the one that it carries. */
    async keep(message: StreamMessage, refusal: Refusal): Promise<void> {
      const { subject, streamedAtNs, bytes: raw } = message;
      const event_id = deadLetterId(subject, streamedAtNs, raw);
      try {
        await ledger.recordDeadLetter({ event_id, subject, raw, ...refusal });
        settle([message], event_id, refusal.reason, refusal.detail);
      } catch (error) {
        putBack.all([message], error);
      }
    },

    /**
     * Keeps an event, in copies that say the same, under its own id, because its payload has faults.
     * False when the ledger knows the event already: then what was recorded first stands (I1, I2).
     */
    async keepMismatched(
      copies: readonly StreamMessage[],
      envelope: EventEnvelope,
      faults: readonly Fault[],
    ): Promise<boolean> {
      const [first] = copies;
      if (first === undefined) return true;
      const { subject, bytes: raw } = first;
      const { event_id } = envelope;
      const reason = "schema_mismatch";
      const detail = describeFaults(faults);
      try {
        if (!(await ledger.recordDeadLetter({ event_id, reason, detail, subject, raw, envelope }))) return false;
        settle(copies, event_id, reason, detail);
      } catch (error) {
        putBack.all(copies, error);
      }
      return true;
    },
  };
}

function describeFaults(faults: readonly Fault[]): string {
  const shown = faults.slice(0, MAX_FAULTS_NAMED).map(({ path, message }) => `${path} ${message}`);
  const more = faults.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
