/** Filters: what the values of a payload must be, by their keys or paths. Pure. */
import { preview } from "../json/faults.ts";
import { isFields } from "../json/fields.ts";

export interface Filter {
  /** The key or path as the definition writes it. */
  key: string;
  /** The keys that it leads through, where it is no key of the payload itself. */
  path: readonly string[];
  wanted: unknown;
}

/** Stands for no value at all: null and undefined are values. */
const NOTHING = Symbol("nothing");

export function compileFilters(filters: Readonly<Record<string, unknown>> = {}): readonly Filter[] {
  return Object.entries(filters).map(([key, wanted]) => ({ key, path: key.split("."), wanted }));
}

/**
 * Asks the filters of one activity after the other about one payload: why the first that does not hold refuses it, in words
 * that say what it wants, where it looks, and what stands there. Undefined: all hold.
 */
export function createFilterCheck(payload: unknown): (filters: readonly Filter[]) => string | undefined {
  // Many filters may look at one large value, so its text is made once.
  const previews = new Map<unknown, string>();

  function show(value: unknown): string {
    const text = previews.get(value) ?? preview(value);
    previews.set(value, text);
    return text;
  }

  function describe({ key, path, wanted }: Filter): string {
    const wants = `the filter wants ${Array.isArray(wanted) && wanted.length > 0 ? "one of " : ""}${preview(wanted)}`;
    const steps = hasKey(payload, key) ? [key] : path;
    let place = "payload";
    let value = payload;
    for (const [index, step] of steps.entries()) {
      if (!hasKey(value, step)) {
        const what = index === 0 ? "the payload" : isFields(value) ? place : `${place} is ${show(value)} and`;
        const where = index === steps.length - 1 ? "there" : `at ${steps.reduce(placeOf, "payload")}`;
        return `${what} has no key ${preview(step)}, ${wants} ${where}`;
      }
      value = value[step];
      place = placeOf(place, step);
    }
    return `${place} is ${show(value)}, ${wants}`;
  }

  return (filters) => {
    const failed = filters.find((filter) => !holds(filter, payload));
    return failed && describe(failed);
  };
}

/** What a filter wants and what stands there, each as JSON in a few words. */
export interface FilterFinding {
  /** The key or path as the definition writes it. */
  path: string;
  wanted: string;
  /** Null: the payload has nothing there. */
  actual: string | null;
  holds: boolean;
}

/** Each filter by itself, also those behind the first one that does not hold. */
export function lookAtFilters(filters: readonly Filter[], payload: unknown): FilterFinding[] {
  return filters.map((filter) => {
    const { key, wanted } = filter;
    const value = findValue(filter, payload);
    const actual = value === NOTHING ? null : preview(value);
    return { path: key, wanted: preview(wanted), actual, holds: holds(filter, payload) };
  });
}

/** A list that is wanted stands for each of its items, and for itself. */
function holds(filter: Filter, payload: unknown): boolean {
  const value = findValue(filter, payload);
  if (value === NOTHING) return false;
  const { wanted } = filter;
  return isEqual(value, wanted) || (Array.isArray(wanted) && wanted.some((item) => isEqual(value, item)));
}

/** What stands where the filter looks; NOTHING where there is no such key. */
function findValue({ key, path }: Filter, payload: unknown): unknown {
  let value = payload;
  for (const step of path.length === 1 || hasKey(payload, key) ? [key] : path) {
    if (!hasKey(value, step)) return NOTHING;
    value = value[step];
  }
  return value;
}

function isEqual(value: unknown, wanted: unknown): boolean {
  return value === wanted || Bun.deepEquals(value, wanted, true);
}

/** Own keys of objects only: not what every object inherits, and not the places of a list. */
function hasKey(value: unknown, key: string): value is Record<string, unknown> {
  return isFields(value) && Object.hasOwn(value, key);
}

function placeOf(place: string, key: string): string {
  return place + (/^[A-Za-z_]\w{0,79}$/.test(key) ? `.${key}` : `[${preview(key)}]`);
}
