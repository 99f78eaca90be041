/**
 * What a key is: `actk_` and 256 random bits, in letters and digits, so that a double click takes all of it.
 *
 * It is shown once and stored as its SHA-256. A slow hash would add nothing: there are no words to guess. Looking the
 * hash up is no comparison of secrets: how long it takes tells at most of the hash, and no key follows from a hash.
 */
import { createHash, randomBytes } from "node:crypto";

const PREFIX = "actk_";
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_BYTES = 32;
/** 62^43 is the first power of 62 above 2^256. */
const LENGTH = 43;
const SHAPE = new RegExp(`^${PREFIX}[0-9A-Za-z]{${LENGTH}}$`);

export function createKey(): string {
  let rest = BigInt(`0x${randomBytes(RANDOM_BYTES).toString("hex")}`);
  let text = "";
  while (text.length < LENGTH) {
    text = ALPHABET.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return PREFIX + text;
}

/** Whether `text` could be one: what could not is refused without a look into the database. */
export function isKeyShaped(text: string): boolean {
  return SHAPE.test(text);
}

/** 64 hex digits: what is stored, and looked up. */
export function hashKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
