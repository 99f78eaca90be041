/** What takes webhooks in, in a process whose engines may not be reached yet, or are away. */
import type { EventPublisher } from "../event/envelope.ts";
import type { EventLedger } from "../event/event-ledger.ts";
import type { HookReader } from "../hook/hook-reader.ts";
import { createLastKnownHooks } from "../hook/last-known-hooks.ts";
import { createHookReceiver, type HookReceiver, type HookReceiverDeps } from "../hook/receiver.ts";

/** Each is read when it is used: one whose engine was never reached throws RetryableError. */
export interface HookParts {
  hookReader: HookReader;
  letters: Pick<EventLedger, "recordDeadLetters">;
  publisher: EventPublisher;
}

export const HOOK_ENGINES = { hookReader: "postgres", letters: "postgres", publisher: "nats" } as const;

export function createLateReceiver(
  parts: Readonly<HookParts>,
  rest: Pick<HookReceiverDeps, "secrets" | "metrics" | "log">,
): HookReceiver {
  return createHookReceiver({
    hooks: createLastKnownHooks({ find: async (name) => parts.hookReader.find(name) }),
    letters: { recordDeadLetters: async (letters) => parts.letters.recordDeadLetters(letters) },
    publisher: { publish: async (envelope) => parts.publisher.publish(envelope) },
    ...rest,
  });
}
