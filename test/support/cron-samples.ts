/** Random crontab times and the time zones to try them in: the same ones for the same seed. */

/** What the samples are made from. `ACTCORE_TEST_SEED` repeats, or varies, a run. */
export const SEED = Number(process.env.ACTCORE_TEST_SEED ?? 20_261_121);

/** Numbers from 0 to below 1 (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/** An expression whose hours are often those in which clocks change. */
export function randomCron(random: () => number): string {
  const whole = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const chance = (share: number) => random() < share;
  const part = (low: number, high: number, names?: readonly string[]): string => {
    const name = (number: number) => (names && chance(0.4) ? (names[number - low] ?? String(number)) : String(number));
    const [from, to] = [whole(low, high), whole(low, high)].sort((a, b) => a - b) as [number, number];
    if (chance(0.6)) return name(from);
    // croner reads a range's end SUN as 7, whatever it begins with.
    return `${name(from)}-${to === low ? to : name(to)}${chance(0.4) ? `/${whole(1, 5)}` : ""}`;
  };
  const field = (low: number, high: number, star: number, names?: readonly string[]): string => {
    if (chance(star)) return chance(0.75) ? "*" : `*/${whole(2, Math.min(8, high))}`;
    return Array.from({ length: whole(1, 3) }, () => part(low, high, names)).join(",");
  };
  const minute = chance(0.4) ? ["0", "30", "0,30", "15,45", "*/15"][whole(0, 4)] : field(0, 59, 0.2);
  const hour = chance(0.6) ? field(0, 4, 0.2) : field(0, 23, 0.4);
  return [minute, hour, field(1, 31, 0.75), field(1, 12, 0.85, MONTHS), field(0, 6, 0.75, WEEKDAYS)].join(" ");
}

/** An expression whose day fields count from the end of the month, or by its weekdays. */
export function randomCountedCron(random: () => number): string {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  const [minute, hour, , month] = randomCron(random).split(" ");
  const day = pick(["*", "*", "*/2", "L", "1,L", "L,15", "8-14"]);
  const weekday = pick(["*", "FRIL", "0L", "5#2", "MON#1,WED#3", "SUN#5", "2,THU#4", "SATL,SAT#1", "1-5"]);
  // What names no day is refused: L and SUN#5, for one, need a month of 29 days or more.
  return [minute, hour, day, day.startsWith("*") || weekday === "*" ? month : "*", weekday].join(" ");
}

/** Whose clocks change by whole hours, at night, at midnight, twice in spring, or never. */
export const WHOLE_HOUR_ZONES = [
  "UTC",
  "Europe/Berlin",
  "Europe/Dublin",
  "America/New_York",
  "America/St_Johns",
  "America/Santiago",
  "America/Havana",
  "Africa/Cairo",
  "Africa/Casablanca",
  "Asia/Beirut",
  "Asia/Kathmandu",
  "Australia/Adelaide",
  "Pacific/Chatham",
] as const;

/** Whose clocks change by half an hour, and by two. */
export const OTHER_ZONES = ["Australia/Lord_Howe", "Antarctica/Troll"] as const;

/** Whose governments moved the clocks in the last ten years: by half an hour, by one, two and three hours. */
export const MOVED_ZONES = [
  "Asia/Pyongyang",
  "America/Caracas",
  "Africa/Sao_Tome",
  "Pacific/Norfolk",
  "Europe/Volgograd",
  "Asia/Famagusta",
  "America/Nuuk",
  "Antarctica/Casey",
] as const;
