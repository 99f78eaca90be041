/** Mail addresses, alone or with a name: `ada@example.org`, `Ada Lovelace <ada@example.org>`. */

export interface MailAddress {
  /** Empty where there is none. */
  readonly name: string;
  readonly address: string;
}

export const EXPECTED_ADDRESS = "an address such as ada@example.org or Ada Lovelace <ada@example.org>";

/** A name is in quotes where it has a comma or another character that addresses give a meaning. */
const WITH_NAME = /^(?:"([^"\\]*)"|([^"<>,;:@]*))\s*<([^<>]*)>$/u;
const ADDRESS =
  /^[^\s\p{Cc}"(),:;<>@[\]\\]{1,64}@[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?)*$/u;

/** One address; undefined where the text is none, or several. No part of what is answered has a control character. */
export function parseMailAddress(text: string): MailAddress | undefined {
  if (text.length > 500 || /\p{Cc}/u.test(text)) return undefined;
  const trimmed = text.trim();
  const [, quoted, plain, inside] = WITH_NAME.exec(trimmed) ?? [];
  const address = inside ?? trimmed;
  if (address.length > 254 || !ADDRESS.test(address)) return undefined;
  return { name: (quoted ?? plain ?? "").trim(), address };
}
