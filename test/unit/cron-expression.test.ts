/** What a crontab's five fields mean, and what is none. */
import { describe, expect, test } from "bun:test";
import { checkCron, parseCron } from "../../src/calendar/cron-expression.ts";
import type { CronFields } from "../../src/calendar/cron-fields.ts";
import type { TerminalError } from "../../src/kernel/errors.ts";

const ALL = {
  minutes: range(0, 59),
  hours: range(0, 23),
  days: range(1, 31),
  months: range(1, 12),
  weekdays: range(0, 6),
  either: false,
  wildcard: true,
};

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function reasonAgainst(text: string): string {
  try {
    checkCron(text);
  } catch (error) {
    const { code, message } = error as TerminalError;
    return `${code}: ${message}`;
  }
  return "accepted";
}

describe("a crontab's time", () => {
  test.each<[text: string, fields: Partial<CronFields>]>([
    ["* * * * *", {}],
    ["5 * * * *", { minutes: [5] }],
    [" 0\t9  * * * ", { minutes: [0], hours: [9], wildcard: false }],
    ["*/20 * * * *", { minutes: [0, 20, 40] }],
    ["1-30/7 * * * *", { minutes: [1, 8, 15, 22, 29] }],
    ["50-59/30 * * * *", { minutes: [50] }],
    ["*/99 * * * *", { minutes: [0] }],
    ["30,0,30,10-12 * * * *", { minutes: [0, 10, 11, 12, 30] }],
    ["* */8 * * *", { hours: [0, 8, 16] }],
    ["* 0-23 * * *", {}],
    ["* *,5 * * *", {}],
    ["* 0-6,22-23 * * *", { hours: [0, 1, 2, 3, 4, 5, 6, 22, 23] }],
    ["0-59/15 0-23 * * *", { minutes: [0, 15, 30, 45], wildcard: false }],
    ["5,* 0-23 * * *", { wildcard: false }],
    ["* * 31 1,2 *", { days: [31], months: [1, 2] }],
    ["* * 1,15 * *", { days: [1, 15] }],
    ["* * */10 * *", { days: [1, 11, 21, 31] }],
    ["* * * 2-4 *", { months: [2, 3, 4] }],
    ["* * * JAN,dec *", { months: [1, 12] }],
    ["* * * Jul-Sep/2 *", { months: [7, 9] }],
    ["* * * * 0", { weekdays: [0] }],
    ["* * * * 7", { weekdays: [0] }],
    ["* * * * 0,7", { weekdays: [0] }],
    ["* * * * 5-7", { weekdays: [0, 5, 6] }],
    ["* * * * SUN-SUN", { weekdays: [0] }],
    ["* * * * MON-SUN", { weekdays: [0, 1, 2, 3, 4, 5, 6] }],
    ["* * * * 1-7/2", { weekdays: [0, 1, 3, 5] }],
    ["* * * * */2", { weekdays: [0, 2, 4, 6] }],
    ["* * * * MON-fri", { weekdays: [1, 2, 3, 4, 5] }],
    ["* * * * fri-SUN", { weekdays: [0, 5, 6] }],
    ["* * * * SUN-TUE", { weekdays: [0, 1, 2] }],
    ["* * * APR WED", { months: [4], weekdays: [3] }],
    ["* * 13 * 5", { days: [13], weekdays: [5], either: true }],
    ["* * 1-31 * 5", { weekdays: [5], either: true }],
    ["* * */2 * 5", { days: range(1, 31).filter((day) => day % 2 === 1), weekdays: [5] }],
    ["* * 13 * */2", { days: [13], weekdays: [0, 2, 4, 6] }],
    ["* * 29 2 *", { days: [29], months: [2] }],
    ["* * 31 2 1", { days: [31], months: [2], weekdays: [1], either: true }],
    ["* * */31 2 *", { days: [1], months: [2] }],
    ["* * L * *", { days: [], daysBeforeLast: [0] }],
    ["* * l-3,L,15 * *", { days: [15], daysBeforeLast: [0, 3] }],
    ["* * L * 5", { days: [], daysBeforeLast: [0], weekdays: [5], either: true }],
    ["* * * * 5L", { weekdays: [], nthWeekdays: [{ weekday: 5, nth: "last" }] }],
    ["* * * * friL", { weekdays: [], nthWeekdays: [{ weekday: 5, nth: "last" }] }],
    ["* * * * 7#l", { weekdays: [], nthWeekdays: [{ weekday: 0, nth: "last" }] }],
    [
      "* * 1-7 * MON,WED#1,5#3",
      {
        days: range(1, 7),
        weekdays: [1],
        nthWeekdays: [
          { weekday: 3, nth: 1 },
          { weekday: 5, nth: 3 },
        ],
        either: true,
      },
    ],
    ["* * */31 2 5#1", { days: [1], months: [2], weekdays: [], nthWeekdays: [{ weekday: 5, nth: 1 }] }],
    ["@hourly", { minutes: [0] }],
    [" @Daily ", { minutes: [0], hours: [0], wildcard: false }],
    ["@midnight", { minutes: [0], hours: [0], wildcard: false }],
    ["@weekly", { minutes: [0], hours: [0], weekdays: [0], wildcard: false }],
    ["@monthly", { minutes: [0], hours: [0], days: [1], wildcard: false }],
    ["@yearly", { minutes: [0], hours: [0], days: [1], months: [1], wildcard: false }],
    ["@annually", { minutes: [0], hours: [0], days: [1], months: [1], wildcard: false }],
  ])("may be %j", (text, fields) => {
    expect(parseCron(text)).toEqual({ ...ALL, ...fields });
  });

  test.each<[text: string, reason: string]>([
    ["", "expected five fields (minute hour day-of-month month day-of-week), received 0"],
    ["0 9 * *", "received 4"],
    ["0 0 9 * * *", "received 6: a crontab has no seconds and no years"],
    ["0 0 9 * * * 2026", "received 7"],
    ["TZ=Europe/Berlin 0 9 * * *", "write it as `timezone`"],
    ["@every 5m", "use `trigger_type: interval`"],
    ["@reboot", "@reboot has no time"],
    ["@fortnightly", '"@fortnightly" is no nickname: there are @hourly, @daily'],
    ["@constructor", "is no nickname"],
    ["0 0 9 ? * MON-FRI", "received 6: a crontab has no seconds and no years"],
    ["run this every night at nine", "received 6"],
    ["30 2 * * * /opt/backup.sh", 'not its command: write "30 2 * * *", and a task for "/opt/backup.sh"'],
    ["*/5 * * * *\tcurl -fsS https://shop.local/poll", 'a task for "curl -fsS https://shop.local/poll"'],
    ["0 4 * * SUN root tar cf /b.tar /home", 'write "0 4 * * SUN", and a task for "root tar cf /b.tar /home"'],
    ["0 9 * * * date", 'a task for "date"'],
    ["@daily /opt/report.sh", 'not its command: write "@daily", and a task for "/opt/report.sh"'],
    ["0 0 * * L", 'day-of-week: "L": L and # are written L and L-3 in day-of-month, FRIL and FRI#2 in day-of-week'],
    ["0 0 5L * *", 'day-of-month: "5L": L and # are written'],
    ["0 0 1-L * *", 'day-of-month: "1-L": L and # are written'],
    ["0 0 L/2 * *", 'day-of-month: "L/2": L and # are written'],
    ["L 0 * * *", 'minute: "L": L and # are written'],
    ["0 0 * * MON-FRI#2", "L and # are written"],
    ["0 0 * * 5#6", 'day-of-week: "5#6": after # stands 1 to 5, or L for the last one of the month'],
    ["0 0 * * 5#0", "after # stands 1 to 5"],
    ["0 0 * * 8#1", "day-of-week: 8 is not within 0 to 7"],
    ["0 0 * * FRX#1", 'received "FRX"'],
    ["0 0 L-31 * *", 'day-of-month: "L-31": no month has more than 30 days before its last'],
    ["0 0 L-30 2,4 *", "never fires: 2,4 has no day L-30"],
    ["0 0 */30 FEB 5#2", "never fires: no day */30 is a day 5#2"],
    ["0 0 15W * *", "W, the working day nearest to a date, has no meaning here: write dates, or MON-FRI"],
    ["0 0 LW * *", "W, the working day nearest to a date, has no meaning here"],
    ["0 0 ? * *", "? has no meaning here: write *"],
    ["0 0 +1 * *", "+ has no meaning here"],
    ["0 0 9 * * FRIL", "received 6: a crontab has no seconds and no years"],
    ["61 * * * *", "minute: 61 is not within 0 to 59"],
    ["* 24 * * *", "hour: 24 is not within 0 to 23"],
    ["* * 0 * *", "day-of-month: 0 is not within 1 to 31"],
    ["* * * 13 *", "month: 13 is not within 1 to 12"],
    ["* * * * 8", "day-of-week: 8 is not within 0 to 7"],
    ["5-64/30 * * * *", "minute: 64 is not within 0 to 59"],
    ["30-10 * * * *", 'minute: the range "30-10" runs backwards: write 30-59,0-10'],
    ["0 22-2 * * *", 'hour: the range "22-2" runs backwards: write 22-23,0-2'],
    ["0 22-2/2 * * *", 'hour: the range "22-2" runs backwards: write two ranges'],
    ["* * 25-1 * *", "runs backwards: write 25-31,1"],
    ["* * * * 5-0", "runs backwards: write 5-6,0"],
    ["* * * * SAT-MON", "runs backwards: write 6,0-1"],
    ["* * * DEC-JAN *", "runs backwards: write 12,1"],
    [
      "*/90 * * * *",
      'minute: the step of "*/90" is beyond its field, 0 to 59, and leaves 0 alone: write 0; for every 90 minutes use ' +
        "`trigger_type: interval` with `every: 90m`",
    ],
    ["*/60 * * * *", "write 0; for every 60 minutes use"],
    [
      "0 */24 * * *",
      'hour: the step of "*/24" is beyond its field, 0 to 23, and leaves 0 alone: write 0; for every 24 hours',
    ],
    ["0 0 */31 * *", "write 1; for every 31 days use `trigger_type: interval` with `every: 31d`"],
    ["0 0 1 */12 *", 'month: the step of "*/12" is beyond its field, 1 to 12, and leaves 1 alone: write 1'],
    ["0 0 * * */8", 'day-of-week: the step of "*/8" is beyond its field, 0 to 7, and leaves 0 alone: write 0'],
    ["1-5/9 * * * *", 'minute: the step of "1-5/9" is beyond its range, 1 to 5, and leaves 1 alone: write 1'],
    ["0,20-25/6 * * * *", 'the step of "20-25/6" is beyond its range, 20 to 25'],
    ["7-7/2 * * * *", "beyond its range"],
    ["0 0 * * MON-WED/3", 'the step of "MON-WED/3" is beyond its range, 1 to 3'],
    ["*/99999999999999999999 * * * *", "beyond its field"],
    ["*/0 * * * *", 'minute: the step of "*/0" is zero'],
    ["1-9/0 * * * *", "is zero"],
    ["*/ * * * *", "is no number"],
    ["*/x * * * *", "is no number"],
    ["*/2/2 * * * *", "more than one step"],
    ["5/10 * * * *", 'the step of "5/10" needs a range: 5-59/10'],
    ["1-5-7 * * * *", "is no range"],
    ["-5 * * * *", 'expected a number, received ""'],
    ["1,,2 * * * *", 'expected a number, received ""'],
    ["1.5 * * * *", "expected a number"],
    ["0x5 * * * *", "expected a number"],
    ["٣ * * * *", "expected a number"],
    ["MON * * * *", 'minute: expected a number, received "MON"'],
    ["0 9 * * MOO", 'day-of-week: expected a number or a name such as MON, received "MOO"'],
    ["0 9 * * MONDAY", 'received "MONDAY"'],
    ["H * * * *", 'minute: expected a number, received "H"'],
    ["0 9 31 2 *", "never fires: 2 has no day 31"],
    ["0 9 30,31 FEB *", "never fires: FEB has no day 30,31"],
    ["0 9 31 2,4,6 *", "never fires"],
    ["0 9 31 4 */2", "never fires"],
    ["0 9 31 9 *", "never fires"],
    ["0 9 31 11 *", "never fires"],
    ["0 0 9 * * * 2026", "a crontab has no seconds and no years"],
  ])("may not be %j: %s", (text, reason) => {
    expect(reasonAgainst(text)).toStartWith("invalid_cron_expression: ");
    expect(reasonAgainst(text)).toContain(reason);
  });
});

test.each([
  "*/59 * * * *",
  "0 */23 * * *",
  "0 0 */30 * *",
  "0 0 1 */11 *",
  "0 0 29 2 */7",
  "1-5/4 * * * *",
  "5-5/1 * * * *",
])("the step of %j is within its field", (text) => {
  expect(reasonAgainst(text)).toBe("accepted");
});
