/**
 * Secrets: values that definitions name and do not have, such as `secret.MAIL_TOKEN`. A value is read where it is used, and what
 * is logged, recorded or answered afterwards is masked (I10). Nothing else of actcore reads them.
 */
import type { TerminalError } from "../kernel/errors.ts";
import { createMasker } from "./masker.ts";
import { createSecretSource } from "./secret-source.ts";

export interface Secrets {
  /**
   * The value as it is now; call it at each use, and keep nothing of it.
   * @throws TerminalError `secret_missing`: says the name, where it was looked for, and the nearest name that is there;
   * TerminalError or RetryableError `secret_unreadable`, where a file is there and has no value that could be used
   */
  read(name: string): string;
  /** Whether it is there; `read` may still find it unreadable. */
  has(name: string): boolean;
  /** The error `secret_missing` of `read`. */
  missing(name: string): TerminalError;
  /**
   * The text with `***` for each value that was read or registered, in any of the forms that docs/secrets.md lists. Cheap where
   * there is none. Everything goes through this that leaves the process other than by the request that uses the secret.
   */
  mask(text: string): string;
  /**
   * JSON with its texts and keys masked; the same value, not a copy, where there was nothing to mask. Numbers stay as they are.
   * What somebody answered to a request is passed through this before it is stored, given to an expression or shown.
   */
  maskJson(value: unknown): unknown;
  /** Has another credential masked from now on, such as the password of a configured connection. */
  register(value: string): void;
}

/** `directory` has a file for each secret; `values` are those of the environment. A file wins. */
export function createSecrets({
  directory,
  values,
}: {
  directory?: string | undefined;
  values: Readonly<Record<string, string>>;
}): Secrets {
  const source = createSecretSource(directory, values);
  const masker = createMasker();
  return {
    read(name) {
      const value = source.find(name);
      if (value === undefined) throw source.missing(name);
      masker.add(value);
      return value;
    },
    has(name) {
      try {
        return source.find(name) !== undefined;
      } catch {
        return true;
      }
    },
    missing: source.missing,
    mask: masker.mask,
    maskJson: masker.maskJson,
    register: (value) => masker.add(value, true),
  };
}
