/**
 * Who asks, and whether he may: the answer to each request of the API, before anything of it is read.
 *
 *   A1. What fails, refuses: an unknown state of the keys (Postgres away) is no permission.
 *   A2. On loopback nobody needs a key until the first one is made; from then on, for ever.
 *   A3. Who does not hold a key learns nothing of keys: only the whole, right key is told that it is expired or revoked.
 */
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { createFailureLimit } from "./failure-limit.ts";
import { hashKey, isKeyShaped } from "./key.ts";
import type { KeyStore, KeyView } from "./key-store.ts";
import { allows, type Scope } from "./scope.ts";

/** When the API asks for no key. */
export type Keyless = "never" | "until_first_key" | "always";

export interface Caller {
  /** For the audit log: `key:{name}` or `anonymous`. */
  actor: string;
  scopes: readonly Scope[];
}

export interface Authenticator {
  /**
   * @param address the remote address, by which failures are limited
   * @throws TerminalError `key_required`, `key_invalid`, `key_expired`, `key_revoked`;
   *   RetryableError `too_many_failures`, and what the store throws
   */
  authenticate(headers: Headers, address: string): Promise<Caller>;
}

const EVERYONE: Caller = { actor: "anonymous", scopes: ["admin"] };
const NOTE_USE_AFTER_MS = 60_000;
const SEND_IT = "send it as `Authorization: Bearer actk_…`";
const MAKE_ONE = "make one with `actcore keys create`";

export interface AuthenticatorDeps {
  /** Throws RetryableError while Postgres was never reached. */
  keys: () => KeyStore;
  keyless: Keyless;
  log: Log;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

export function createAuthenticator({ keys, keyless, log, now = Date.now }: AuthenticatorDeps): Authenticator {
  const failures = createFailureLimit(now);
  let anyMade = false;

  /** Read at each request until it is true, so that the first key closes the door at once (A2). */
  async function isOpen(): Promise<boolean> {
    if (keyless !== "until_first_key") return keyless === "always";
    anyMade ||= await keys().anyMade();
    return !anyMade;
  }

  function refuse(address: string, error: TerminalError): never {
    const retryAfterMs = failures.count(address);
    if (retryAfterMs > 0)
      throw new RetryableError("too_many_failures", "too many requests with a wrong key came from this address", {
        retryAfterMs,
        hint: "a right key is answered at any time",
      });
    log.warn({ address, code: error.code }, "request with a wrong key refused");
    throw error;
  }

  return {
    async authenticate(headers, address) {
      if (await isOpen()) return EVERYONE;
      const given = readKey(headers);
      if (given === undefined)
        throw new TerminalError("key_required", "this needs an API key", { hint: `${MAKE_ONE}, and ${SEND_IT}` });
      const key = isKeyShaped(given) ? await keys().findByHash(hashKey(given)) : undefined;
      if (key === undefined) refuse(address, new TerminalError("key_invalid", "the API key is not valid"));
      const fault = findKeyFault(key, now());
      if (fault) refuse(address, fault);
      if (key.last_used_at === null || now() - Date.parse(key.last_used_at) >= NOTE_USE_AFTER_MS)
        await keys()
          .noteUse(key.key_id)
          // What cannot be noted must not refuse what is allowed.
          .catch((error) => log.warn({ key: key.name, reason: describeError(error) }, "use of a key not noted"));
      return { actor: `key:${key.name}`, scopes: key.scopes };
    },
  };
}

/** `X-Api-Key` first: it can only be meant for us, while a proxy may have use for `Authorization`. */
function readKey(headers: Headers): string | undefined {
  return headers.get("x-api-key")?.trim() || /^bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
}

function findKeyFault({ revoked_at, expires_at }: KeyView, now: number): TerminalError | undefined {
  if (revoked_at !== null) return new TerminalError("key_revoked", "the API key is revoked", { hint: MAKE_ONE });
  if (expires_at !== null && Date.parse(expires_at) <= now)
    return new TerminalError("key_expired", `the API key expired at ${expires_at}`, { hint: MAKE_ONE });
  return undefined;
}

/** @throws TerminalError `scope_missing` */
export function requireScope({ actor, scopes }: Caller, needed: Scope): void {
  if (allows(scopes, needed)) return;
  throw new TerminalError("scope_missing", `this needs the scope ${needed}, and ${actor} has ${scopes.join(", ")}`, {
    hint: `use a key with ${needed === "admin" ? needed : `${needed} or admin`}`,
    details: { scope: needed },
  });
}
