/** Reads the message of a dead letter again, by what has changed since: a delivery of a webhook is mapped by its hook as it is now. */
import { type Decoded, decodeEvent } from "../event/decode-event.ts";
import { readDelivery } from "../hook/delivery.ts";
import { compileHook } from "../hook/hook.ts";
import type { HookReader } from "../hook/hook-reader.ts";
import { readValues, toEnvelope } from "../hook/mapping.ts";
import { InvalidInputError } from "../kernel/errors.ts";
import type { StoredLetter } from "./letter.ts";

/** @throws what the reader of hooks throws */
export type LetterReader = (letter: Pick<StoredLetter, "subject" | "raw" | "received_at">) => Promise<Decoded>;

export function createLetterReader(hooks: HookReader): LetterReader {
  return async ({ subject, raw, received_at: receivedAt }) => {
    const delivery = readDelivery(raw);
    // A message of the stream may look like a delivery, and was verified by nobody.
    if (delivery === undefined || subject !== `hook:${delivery.hook}`) return decodeEvent(raw, { receivedAt });
    const stored = await hooks.find(delivery.hook);
    if (stored === undefined) return unmapped(`there is no hook ${delivery.hook} any more`);
    const hook = compileHook(stored);
    try {
      return { ok: true, envelope: toEnvelope(hook, readValues(hook, delivery), delivery.receivedAt) };
    } catch (error) {
      if (error instanceof InvalidInputError) return unmapped(error.message);
      throw error;
    }
  };
}

function unmapped(detail: string): Decoded {
  return { ok: false, reason: "mapping_failed", detail };
}
