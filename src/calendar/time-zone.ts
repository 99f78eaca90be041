/**
 * Offsets and clock changes of an IANA time zone, from Intl: the only copy of the zone database that a binary brings
 * along. Instants, offsets and wall times are milliseconds; a wall time is what clocks show, counted as if it were UTC.
 */

/** Clocks are put forward (a gap: `after > before`) or back (an hour is repeated). */
export interface ClockChange {
  /** The first instant with the new offset. */
  at: number;
  before: number;
  after: number;
}

export interface TimeZone {
  /** As IANA writes it. */
  readonly name: string;
  /** What its clocks are ahead of UTC. */
  offsetAt(instant: number): number;
  /** In order, `after < at <= until`; computed by the year, and kept. */
  changes(after: number, until: number): ClockChange[];
}

/** Shorter than any pair of changes that undo each other: Morocco's, around Ramadan, are a month apart. */
const SAMPLE_MS = 5 * 86_400_000;

const zones = new Map<string, TimeZone>();

/** @throws RangeError for a name that Intl does not know; those of stored triggers it does */
export function timeZone(name: string): TimeZone {
  let zone = zones.get(name);
  if (zone === undefined) {
    zone = createTimeZone(name);
    zones.set(name, zone);
  }
  return zone;
}

/** What clocks show at this instant, in RFC 3339 with their offset: `2026-03-29T03:00:00+02:00`. */
export function formatLocal(at: Date, zone: TimeZone): string {
  const offset = zone.offsetAt(at.getTime());
  const wall = new Date(at.getTime() + offset).toISOString().slice(0, 19);
  const minutes = Math.trunc(Math.abs(offset) / 60_000);
  const two = (number: number) => String(number).padStart(2, "0");
  return `${wall}${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

function createTimeZone(name: string): TimeZone {
  const clock = createClock(name);
  const years = new Map<number, { offset: number; changes: readonly ClockChange[] }>();

  /** The offset at which a UTC year begins, and its changes up to the first instant of the next. */
  function yearOf(year: number) {
    let known = years.get(year);
    if (known === undefined) {
      const start = Date.UTC(year, 0, 1);
      const changes: ClockChange[] = [];
      const end = Date.UTC(year + 1, 0, 1);
      for (let from = start; from < end; from += SAMPLE_MS)
        collectChanges(clock, from, Math.min(from + SAMPLE_MS, end), changes);
      known = { offset: clock(start), changes };
      years.set(year, known);
    }
    return known;
  }

  return {
    name,
    offsetAt(instant) {
      const { offset, changes } = yearOf(new Date(instant).getUTCFullYear());
      return changes.findLast(({ at }) => at <= instant)?.after ?? offset;
    },
    changes(after, until) {
      const found: ClockChange[] = [];
      const last = new Date(until).getUTCFullYear();
      // A change at the very first instant of a year is kept with the year before.
      for (let year = new Date(after - 1).getUTCFullYear(); year <= last; year++)
        found.push(...yearOf(year).changes.filter(({ at }) => at > after && at <= until));
      return found;
    },
  };
}

/** Every change in `(from, to]`, to the second, in order. */
function collectChanges(clock: (instant: number) => number, from: number, to: number, found: ClockChange[]): void {
  const before = clock(from);
  if (clock(to) === before) return;
  let [low, high] = [from / 1000, to / 1000];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (clock(middle * 1000) === before) low = middle;
    else high = middle;
  }
  const at = high * 1000;
  found.push({ at, before, after: clock(at) });
  collectChanges(clock, at, to, found);
}

/** The offset at an instant of whole seconds. @throws RangeError for a name that Intl does not know */
export function createClock(name: string): (instant: number) => number {
  // sv-SE writes `2026-03-29 03:00:00`.
  const format = new Intl.DateTimeFormat("sv-SE-u-ca-gregory-nu-latn", {
    timeZone: name,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return (instant) => Date.parse(`${format.format(instant).replace(" ", "T")}Z`) - instant;
}
