/** What a command writes, of which the end is kept: as bytes that came, and as the text that is shown of them. */

/** Bytes of the output that are kept. */
export const MAX_OUTPUT_BYTES = 65_536;
/**
 * So many more are kept, and not shown, where the beginning was cut off: what is left of a secret that was cut is in them, in
 * whichever form (secret/forms.ts looks for pieces of 1,024 characters, of which an encoding makes several times as many).
 */
const MARGIN_BYTES = 8_192;
const ROOM = MAX_OUTPUT_BYTES + MARGIN_BYTES;

export interface Output {
  /** The last 64 KB as text: what is not UTF-8 is U+FFFD in it, and a NUL is ␀. */
  text: string;
  /** All that was written. */
  bytes: number;
  /** Whether more was written than the text has. */
  truncated: boolean;
}

/** Whether more was written than the text has. */
export const isTruncated = (bytes: number): boolean => bytes > MAX_OUTPUT_BYTES;

export interface OutputTail {
  add(bytes: Uint8Array): void;
  /** How much was written. */
  bytes(): number;
  /**
   * The text with its secrets masked.
   * @param isOpen whether more may come: the beginnings of a character and, where `holdLine`, of a line wait for the rest
   */
  read(mask: (text: string) => string, isOpen: boolean, holdLine: boolean): Output;
}

export function createOutputTail(): OutputTail {
  /** Twice the room at most, so that what stands in it is moved once for each time that it is filled. */
  let buffer = new Uint8Array(4_096);
  let used = 0;
  let total = 0;

  function makeRoom(length: number): void {
    if (used + length <= buffer.length) return;
    if (used + length > 2 * ROOM) {
      const kept = Math.min(used, ROOM);
      buffer.copyWithin(0, used - kept, used);
      used = kept;
    }
    if (used + length <= buffer.length) return;
    const larger = new Uint8Array(Math.min(2 * ROOM, Math.max(2 * buffer.length, used + length)));
    larger.set(buffer.subarray(0, used));
    buffer = larger;
  }

  return {
    add(bytes) {
      total += bytes.length;
      const kept = bytes.length > ROOM ? bytes.subarray(bytes.length - ROOM) : bytes;
      makeRoom(kept.length);
      buffer.set(kept, used);
      used += kept.length;
    },
    bytes: () => total,
    read(mask, isOpen, holdLine) {
      const kept = buffer.subarray(Math.max(0, used - ROOM), used);
      const shown = isOpen && holdLine ? kept.subarray(0, endOfLines(kept)) : kept;
      const cut = shown.length - MAX_OUTPUT_BYTES;
      const from = cut <= 0 ? 0 : cut + beginOfCharacter(shown.subarray(cut));
      const before = toText(shown.subarray(0, from), false);
      const text = toText(shown.subarray(from), isOpen);
      const whole = before + text;
      const masked = mask(whole);
      // A mask is never longer than what it hides, so that at least what stands before is left out.
      const safe = masked === whole ? text : masked.slice(before.length).toWellFormed();
      return { text: safe, bytes: total, truncated: isTruncated(total) };
    },
  };
}

function toText(bytes: Uint8Array, isOpen: boolean): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: isOpen }).replaceAll("\0", "␀");
}

/** Where the last line ends that is complete; where a line is endless, the most that can be shown of it. */
function endOfLines(bytes: Uint8Array): number {
  const end = Math.max(bytes.lastIndexOf(10), bytes.lastIndexOf(13)) + 1;
  return Math.max(end, bytes.length - MARGIN_BYTES);
}

/** Where the first character begins that is not cut. */
function beginOfCharacter(bytes: Uint8Array): number {
  let at = 0;
  while (at < 3 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at++;
  return at;
}
