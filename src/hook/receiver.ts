/**
 * The door of webhooks: what is sent to POST /hooks/{name} becomes an event.
 *
 *   the hook of the name → is it proven who sent it (proof.ts) → the event that it is (mapping.ts) → the stream
 *
 *   H1  Nothing of a request is looked at, and no id of a delivery is taken, before it is verified over the bytes that came.
 *   H2  It is accepted when the stream has the event on disk (I2). What the router makes of the event is found in the ledger: a
 *       delivery that comes again is known there by its event's id.
 *   H3  A delivery that is verified, and of which no event can be made, is a dead letter before it is refused.
 *   H4  Who can prove nothing is told the name of the fault, and nothing of a secret (I10). A right request is never refused for
 *       the wrong ones of others.
 */
import { createFailureLimit } from "../access/failure-limit.ts";
import { deadLetterId, type EventPublisher } from "../event/envelope.ts";
import type { EventLedger } from "../event/event-ledger.ts";
import { isFields } from "../json/fields.ts";
import { ActcoreError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import type { Metrics } from "../kernel/metrics.ts";
import type { Secrets } from "../secret/secrets.ts";
import { type Delivery, toDelivery, writeDelivery } from "./delivery.ts";
import { compileHook, type Hook } from "./hook.ts";
import type { HookReader } from "./hook-reader.ts";
import { findEventId, readValues, toEnvelope } from "./mapping.ts";
import { checkAge, type Proof, readProof, type Sent } from "./proof.ts";
import { HOOK_NAME_PATTERN } from "./schema.ts";

const NAME = new RegExp(HOOK_NAME_PATTERN);
/** In the place of the time at which a delivery came, where that does not count. */
const EPOCH = new Date(0);
/** The refusals of a verified request, which another `map` may mend. */
const MENDABLE = ["mapping_failed", "event_too_large"];

export interface HookRequest extends Sent {
  /** The hook's, as the path has it. */
  name: string;
  /** The remote one, by which failures are limited. */
  address: string;
}

/** `challenge`: what Slack wants to hear when it is given an address; no event is made. */
export type HookAnswer = { event_id: string } | { challenge: string };

export interface HookReceiver {
  /**
   * @throws TerminalError `hook_not_found`, `signature_missing`, `signature_invalid`, `timestamp_too_old`, `timestamp_too_new`,
   *   `event_too_large`; InvalidInputError `mapping_failed`; RetryableError `too_many_failures`, `hook_not_ready` where a secret
   *   cannot be used, and what the ports throw
   */
  receive(request: HookRequest): Promise<HookAnswer>;
}

export interface HookReceiverDeps {
  hooks: HookReader;
  secrets: Pick<Secrets, "read">;
  publisher: EventPublisher;
  letters: Pick<EventLedger, "recordDeadLetters">;
  metrics: Pick<Metrics, "hookRequests">;
  log: Log;
  now?: () => Date;
}

export function createHookReceiver({
  hooks,
  secrets,
  publisher,
  letters,
  metrics,
  log,
  now = () => new Date(),
}: HookReceiverDeps): HookReceiver {
  const failures = createFailureLimit();

  /** Of a request that proves nothing. */
  function refuse({ address, name }: HookRequest, error: TerminalError): never {
    const retryAfterMs = failures.count(address);
    if (retryAfterMs > 0)
      throw new RetryableError("too_many_failures", "too many requests that prove nothing came from this address", {
        retryAfterMs,
        hint: "a request that is signed rightly is answered at any time",
      });
    const { code, message: reason } = error;
    log.warn({ hook: name.slice(0, 100), address, code, reason }, "webhook refused");
    throw error;
  }

  function isProven(hook: Hook, proof: Proof): boolean {
    let unusable: unknown;
    for (const secret of hook.secrets)
      try {
        if (proof.isOf(secrets.read(secret))) return true;
      } catch (error) {
        unusable = error;
      }
    if (unusable === undefined) return false;
    // The sender cannot mend this, and may not learn where secrets are looked for.
    log.error({ hook: hook.name, error: unusable }, "webhook not verified: a secret of its hook cannot be used");
    throw new RetryableError(
      "hook_not_ready",
      "this hook cannot verify requests now: its owner has to look at the log",
      {
        retryAfterMs: 60_000,
      },
    );
  }

  function verify(hook: Hook, request: HookRequest, at: Date): void {
    try {
      const proof = readProof(hook, request);
      if (!isProven(hook, proof))
        throw new TerminalError("signature_invalid", "the signature is not that of this hook");
      checkAge(hook, proof, at.getTime());
    } catch (error) {
      throw error instanceof TerminalError ? refuse(request, error) : error;
    }
  }

  async function accept(hook: Hook, delivery: Delivery): Promise<HookAnswer> {
    try {
      const values = readValues(hook, delivery);
      const challenge = hook.verify === "slack" && isFields(values.body) ? challengeIn(values.body) : undefined;
      if (challenge !== undefined) return { challenge };
      const envelope = toEnvelope(hook, values, delivery.receivedAt);
      await publisher.publish(envelope);
      return { event_id: envelope.event_id };
    } catch (error) {
      if (error instanceof ActcoreError && MENDABLE.includes(error.code)) await keep(hook, delivery, error.message);
      throw error;
    }
  }

  /** A delivery that is sent again is the same dead letter. One without an id is known by all that was kept of it. */
  async function keep(hook: Hook, delivery: Delivery, detail: string): Promise<void> {
    const subject = `hook:${hook.name}`;
    const carried_id = findEventId(hook, delivery);
    const known =
      carried_id === undefined ? writeDelivery({ ...delivery, receivedAt: EPOCH }) : Buffer.from(carried_id);
    const event_id = deadLetterId(subject, 0, known);
    const letter = { event_id, reason: "mapping_failed" as const, detail, subject, raw: writeDelivery(delivery) };
    await letters.recordDeadLetters([{ ...letter, ...(carried_id !== undefined && { carried_id }) }]);
    log.warn({ hook: hook.name, event_id, reason: detail }, "webhook kept as a dead letter");
  }

  return {
    async receive(request) {
      // Only of hooks that there are: a metric has no labels that anybody could make up.
      let name = "";
      try {
        const stored = NAME.test(request.name) ? await hooks.find(request.name) : undefined;
        if (!stored?.enabled) refuse(request, new TerminalError("hook_not_found", "there is no such hook"));
        const hook = compileHook(stored);
        name = hook.name;
        const at = now();
        verify(hook, request, at);
        const answer = await accept(hook, toDelivery(hook, request, at));
        metrics.hookRequests.inc({ hook: name, outcome: "challenge" in answer ? "challenge" : "accepted" });
        return answer;
      } catch (error) {
        const outcome = error instanceof ActcoreError ? error.code : "internal";
        metrics.hookRequests.inc({ hook: name, outcome });
        throw error;
      }
    },
  };
}

function challengeIn({ type, challenge }: Record<string, unknown>): string | undefined {
  return type === "url_verification" && typeof challenge === "string" ? challenge : undefined;
}
