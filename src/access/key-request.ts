/** A request for a new key, as REST and the command line make it. */
import { type Static, Type } from "@sinclair/typebox";
import { DurationSchema, parseDuration } from "../calendar/duration.ts";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../calendar/time.ts";
import { findFaults } from "../json/faults.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import { createKey, hashKey } from "./key.ts";
import type { KeyStore, KeyView, NewKey } from "./key-store.ts";
import { SCOPES, ScopeSchema } from "./scope.ts";

const MAX_LIFETIME_MS = 100 * 366 * 86_400_000;

export const KeyRequest = Type.Object(
  {
    name: Type.String({
      pattern: "^[!-~]([ -~]{0,98}[!-~])?$",
      description: "Unique among keys that are not revoked. The audit log names the key by it.",
      expected: "1 to 100 printable ASCII characters, no space at either end",
    }),
    scopes: Type.Array(ScopeSchema, {
      minItems: 1,
      uniqueItems: true,
      expected: `some of ${SCOPES.join(", ")}, each once`,
    }),
    expires_at: Type.Optional(
      Type.Union([TimeSchema("until then."), Type.Null()], { expected: `${EXPECTED_TIME}, or null for never` }),
    ),
    expires_in: Type.Optional(DurationSchema({ description: "Instead of expires_at.", examples: ["90d"] })),
  },
  { additionalProperties: false, title: "ApiKeyRequest" },
);

/**
 * The key that is asked for.
 * @throws InvalidInputError `invalid_key_request`, with every fault
 */
export function readKeyRequest(request: unknown, now = new Date()): NewKey {
  const faults = findFaults(KeyRequest, request);
  if (faults.length > 0) throw invalid(faults);
  const { name, scopes, expires_at, expires_in } = request as Static<typeof KeyRequest>;
  if (typeof expires_at === "string" && expires_in !== undefined)
    throw invalid([{ path: "/expires_in", message: "contradicts expires_at: give one of them" }]);
  if (expires_in !== undefined) {
    const ms = parseDuration(expires_in);
    if (!(ms > 0 && ms <= MAX_LIFETIME_MS))
      throw invalid([{ path: "/expires_in", message: "expected more than nothing and at most 100 years" }]);
    return { name, scopes, expires_at: new Date(now.getTime() + ms) };
  }
  if (typeof expires_at !== "string") return { name, scopes, expires_at: null };
  const at = parseTime(expires_at);
  if (at === undefined || !(at > now && at.getTime() <= now.getTime() + MAX_LIFETIME_MS))
    throw invalid([{ path: "/expires_at", message: `expected ${EXPECTED_TIME}, to come and within 100 years` }]);
  return { name, scopes, expires_at: at };
}

function invalid(faults: readonly Fault[]): InvalidInputError {
  return new InvalidInputError("the key cannot be made", faults, "invalid_key_request");
}

/** Makes and stores a key. The answer is the only place where it ever stands. @throws TerminalError `name_taken` */
export async function issueKey(
  keys: KeyStore,
  request: NewKey,
  context: { actor: string },
): Promise<KeyView & { key: string }> {
  const key = createKey();
  return { key, ...(await keys.create({ ...request, hash: hashKey(key) }, context)) };
}
