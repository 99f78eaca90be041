/** Which types of events are meant: one type, or a pattern with `*` for one segment and `**` for the rest. Pure. */
import { preview } from "../json/faults.ts";
import type { Fault } from "../kernel/errors.ts";

export interface TypePattern {
  /** The type or pattern as the definition writes it. */
  text: string;
  /** What stands between the dots of a pattern; undefined where one type is meant, the one that equals the text. */
  segments?: readonly string[];
}

export const ONE = "*";
export const REST = "**";

/**
 * A text without an asterisk means the type that equals it. So does one whose asterisks have no meaning: no definition may have
 * it now (`findPatternFault`), but one that an earlier release stored keeps the meaning that it had there.
 */
export function compileTypePattern(text: string): TypePattern {
  const isPattern = text.includes(ONE) && findPatternFault(text) === undefined;
  return { text, ...(isPattern && { segments: text.split(".") }) };
}

/** Whether an event of `type` is meant. A segment may be empty; `**` stands for at least one. */
export function matchesType({ text, segments }: TypePattern, type: string): boolean {
  if (segments === undefined) return type === text;
  const found = type.split(".");
  const hasRest = segments.at(-1) === REST;
  if (hasRest ? found.length < segments.length : found.length !== segments.length) return false;
  return segments.every((segment, index) => segment === ONE || segment === REST || segment === found[index]);
}

/** What is wrong with the asterisks of an `event_type`. */
export function findTypePatternFaults(text: string, path: string): Fault[] {
  const message = findPatternFault(text);
  return message === undefined ? [] : [{ path, message: `${preview(text)}: ${message}` }];
}

function findPatternFault(text: string): string | undefined {
  const segments = text.split(".");
  if (segments.slice(0, -1).includes(REST)) return "** stands for the rest of the type, so nothing may follow it";
  const mixed = segments.find((segment) => segment.includes(ONE) && segment !== ONE && segment !== REST);
  if (mixed === undefined) return undefined;
  return `* stands for a whole segment between dots (** at the end for the rest), not for a part of one as in ${preview(mixed)}`;
}
