/**
 * cronie's cron daemon on a day when the clock changes: which jobs it starts, minute by minute. Written from its sources
 * (cronie-crond/cronie, src/entry.c and the main loop of src/cron.c), and knowing nothing of ours.
 *
 * Two things are left out. cronie learns of a new offset only when `tm_isdst` changes, so it misses a change of a zone's
 * standard time until it is restarted; this one learns of every change. And it sleeps ten seconds after each job that it
 * makes up for, so that many of them spill into later minutes; here they all start in the minute in which it begins.
 */

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;

/** A crontab's line, as `load_entry` keeps it. */
interface Entry {
  minute: Set<number>;
  hour: Set<number>;
  dom: Set<number>;
  month: Set<number>;
  dow: Set<number>;
  flags: { MIN_STAR: boolean; HR_STAR: boolean; DOM_STAR: boolean; DOW_STAR: boolean };
}

const MONTH_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DOW_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

export function loadEntry(line: string): Entry {
  const [minute = "", hour = "", dom = "", month = "", dow = ""] = line.split(" ");
  const isStar = (field: string) => field[0] === "*";
  const entry: Entry = {
    minute: getList(minute, 0, 59),
    hour: getList(hour, 0, 23),
    dom: getList(dom, 1, 31),
    month: getList(month, 1, 12, MONTH_NAMES),
    dow: getList(dow, 0, 7, DOW_NAMES),
    flags: { MIN_STAR: isStar(minute), HR_STAR: isStar(hour), DOM_STAR: isStar(dom), DOW_STAR: isStar(dow) },
  };
  // "make sundays equivalent"
  if (entry.dow.has(0) || entry.dow.has(7)) entry.dow.add(0).add(7);
  return entry;
}

function getList(text: string, low: number, high: number, names: readonly string[] = []): Set<number> {
  const bits = new Set<number>();
  const getNumber = (word: string) => {
    const named = names.indexOf(word.toLowerCase());
    return named < 0 ? Number(word) : named + low;
  };
  for (const range of text.split(",")) {
    const [terms = "", step = "1"] = range.split("/");
    let [from, to] = [low, high];
    if (terms !== "*") {
      const [first = "", last = first] = terms.split("-");
      [from, to] = [getNumber(first), getNumber(last)];
    }
    for (let number = from; number <= to; number += Number(step)) bits.add(number);
  }
  return bits;
}

/** A minute of real time, and what the clock of cronie's zone shows then, in minutes (`clockTime`). */
export interface ClockMinute {
  instant: number;
  clockTime: number;
}

/**
 * The main loop, over minutes that follow each other; the first comes a minute after the daemon's start.
 * Answers how often the entry was started in which minute; those without a start are left out.
 */
export function runCronie(entry: Entry, minutes: readonly ClockMinute[]): Map<number, number> {
  const started = new Map<number, number>();
  const { MIN_STAR, HR_STAR } = entry.flags;
  let virtualTime = (minutes[0]?.clockTime ?? 0) - 1;
  let timeRunning = virtualTime;

  for (const { instant, clockTime } of minutes) {
    if (clockTime === timeRunning) continue;
    timeRunning = clockTime;
    const findJobs = (time: number, doWild: boolean, doNonWild: boolean) => {
      if (!isNow(entry, time)) return;
      const isWild = MIN_STAR || HR_STAR;
      if ((doNonWild && !isWild) || (doWild && isWild)) started.set(instant, (started.get(instant) ?? 0) + 1);
    };

    const timeDiff = timeRunning - virtualTime;
    if (timeDiff === 1) {
      virtualTime = timeRunning;
      findJobs(virtualTime, true, true);
    } else if (timeDiff > 3 * HOUR_MINUTES || timeDiff < -3 * HOUR_MINUTES) {
      // "other: time has changed a *lot*, jump virtual time, and run everything"
      virtualTime = timeRunning;
      findJobs(timeRunning, true, true);
    } else if (timeDiff > 5) {
      // "run wildcard jobs for current minute; run fixed-time jobs for each minute missed"
      findJobs(timeRunning, true, false);
      while (virtualTime < timeRunning) findJobs(++virtualTime, false, true);
    } else if (timeDiff > 0) {
      // "run jobs for each virtual minute until caught up"
      while (virtualTime < timeRunning) findJobs(++virtualTime, true, true);
    } else {
      // "Just run the wildcard jobs. Virtual time does not change until we are caught up."
      findJobs(timeRunning, true, false);
    }
  }
  return started;
}

/** "here we test whether time is NOW" */
function isNow({ minute, hour, dom, month, dow, flags }: Entry, time: number): boolean {
  const tm = new Date(time * MINUTE_MS);
  if (!minute.has(tm.getUTCMinutes()) || !hour.has(tm.getUTCHours()) || !month.has(tm.getUTCMonth() + 1)) return false;
  const [isDom, isDow] = [dom.has(tm.getUTCDate()), dow.has(tm.getUTCDay())];
  return flags.DOM_STAR || flags.DOW_STAR ? isDow && isDom : isDow || isDom;
}
