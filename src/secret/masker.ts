/**
 * Replaces the values of secrets in texts. It is on the way of every line of the log and every result of a task, nearly none of
 * which has a secret in it: one pass over the text looks for four characters of each form, whichever value it is of (some
 * microseconds for 1 KB), and only a form whose four characters are there is looked for by its pattern.
 */
import { isExactNumber } from "../json/exact-number.ts";
import { type Form, formsOf, MAYBE_CUT_LENGTH, MIN_LENGTH } from "./forms.ts";

/** How many values are kept: those that were used last. */
const MAX_VALUES = 1000;
/** How long after its last use a value is still looked for, in milliseconds. */
const KEPT_MS = 24 * 3_600_000;

export interface Masker {
  /** Keeps the value, to mask it; for good, or for a day from its last use. */
  add(value: string, forGood?: boolean): void;
  mask(text: string): string;
  /** The value itself where nothing in it is masked. Keys are masked as texts are; numbers are not. */
  maskJson(value: unknown): unknown;
}

export function createMasker(now: () => number = Date.now): Masker {
  /** When each was used last, in milliseconds; `Infinity` for what is kept for good. The last used come last. */
  const values = new Map<string, number>();
  let search = createSearch([]);

  function add(value: string, forGood = false): void {
    if (value.length < MIN_LENGTH) return;
    const before = values.get(value);
    values.delete(value);
    values.set(value, forGood || before === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : now());
    if (before !== undefined) return;
    const old = [...values].filter(([, usedMs]) => usedMs < now() - KEPT_MS).map(([each]) => each);
    const excess = values.size - old.length > MAX_VALUES ? [...values.keys()].slice(0, 1) : [];
    for (const each of [...old, ...excess]) values.delete(each);
    if (old.length + excess.length > 0) search = createSearch(values.keys());
    else search.add(value);
  }

  function mask(text: string): string {
    if (values.size === 0 || text.length < MIN_LENGTH) return text;
    let masked = text;
    for (const form of search.find(text)) masked = form.mask(masked, text.length >= MAYBE_CUT_LENGTH);
    return masked;
  }

  function maskJson(value: unknown): unknown {
    if (values.size === 0) return value;
    if (typeof value === "string") return mask(value);
    if (typeof value !== "object" || value === null || isExactNumber(value)) return value;
    if (Array.isArray(value)) {
      const items = value.map(maskJson);
      return items.some((item, at) => item !== value[at]) ? items : value;
    }
    const before = Object.entries(value);
    const after = before.map(([key, member]) => [mask(key), maskJson(member)] as const);
    const isSame = after.every(([key, member], at) => key === before[at]?.[0] && member === before[at]?.[1]);
    return isSame ? value : Object.fromEntries(after);
  }

  return { add, mask, maskJson };
}

/** Which forms may be in a text. */
function createSearch(values: Iterable<string>) {
  /** By a hash of four characters: whether a form has them. */
  const marked = new Uint8Array(65_536);
  const byAnchor = new Map<string, Form[]>();
  const always: Form[] = [];

  function add(value: string): void {
    for (const form of formsOf(value)) {
      const { anchor } = form;
      if (anchor === undefined) {
        always.push(form);
        continue;
      }
      let hash = 0;
      for (let at = 0; at < anchor.length; at++) hash = ((hash << 4) ^ anchor.charCodeAt(at)) & 0xffff;
      marked[hash] = 1;
      byAnchor.set(anchor, [...(byAnchor.get(anchor) ?? []), form]);
    }
  }
  for (const value of values) add(value);

  return {
    add,
    /** The longest first. */
    find(text: string): readonly Form[] {
      let found: Set<Form> | undefined;
      let hash = 0;
      for (let at = 0; at < text.length; at++) {
        // Of a character that stands four before this one nothing is left in the hash.
        hash = ((hash << 4) ^ text.charCodeAt(at)) & 0xffff;
        if (marked[hash] === 0) continue;
        for (const form of byAnchor.get(text.slice(at - 3, at + 1)) ?? []) found = (found ?? new Set()).add(form);
      }
      if (found === undefined) return always;
      return [...found, ...always].sort((a, b) => b.length - a.length);
    },
  };
}
