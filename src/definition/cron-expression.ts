/**
 * A crontab line's five fields, checked when the definition is written: nothing that the engine would read in
 * another way, or never fire, is accepted.
 */
import { Cron } from "croner";
import type { Fault } from "../errors.ts";
import type { CronTrigger } from "./schema.ts";

/** Faults of a cron trigger's expression and time zone. */
export function checkCron(trigger: CronTrigger, path: string): Fault[] {
  const faults: Fault[] = [];
  if (trigger.timezone !== undefined && !isTimeZone(trigger.timezone))
    faults.push({
      path: `${path}/timezone`,
      message: `${JSON.stringify(trigger.timezone)} is no IANA time zone, such as Europe/Berlin`,
    });

  const reason = findCronFault(trigger.cron_expression);
  if (reason !== undefined) faults.push({ path: `${path}/cron_expression`, message: reason });
  return faults;
}

/** Why the expression is not accepted, or undefined. */
function findCronFault(expression: string): string | undefined {
  const fields = expression.trim().split(/\s+/);
  if (expression.startsWith("@")) return "nicknames such as @hourly are not read yet: write the five fields";
  if (fields.length !== 5)
    return `expected five fields (minute hour day-of-month month day-of-week), received ${fields.length}`;
  if (/[LW#?+]/i.test(fields.join(" ").replace(/\b(JUL|APR|WED)\b/gi, "")))
    return "L, W, #, ? and + have no meaning in a crontab";
  try {
    // As the engine reads each of them: day-of-month AND day-of-week.
    const options = { timezone: "UTC", mode: "5-part", domAndDow: true } as const;
    const fires = splitCron(expression).some((each) => new Cron(each, options).nextRun() !== null);
    if (!fires) return "never fires: there is no such date";
  } catch (error) {
    return `is no cron expression: ${(error as Error).message.replace(/^CronPattern: /, "")}`;
  }
  return undefined;
}

/**
 * The expressions whose union is what crontab means. Temporal fires when day-of-month AND day-of-week match; crontab,
 * when both are restricted, when EITHER does.
 */
export function splitCron(expression: string): string[] {
  const [minute, hour, dayOfMonth = "*", month, dayOfWeek = "*"] = expression.trim().split(/\s+/);
  if (dayOfMonth.startsWith("*") || dayOfWeek.startsWith("*"))
    return [[minute, hour, dayOfMonth, month, dayOfWeek].join(" ")];
  return [[minute, hour, dayOfMonth, month, "*"].join(" "), [minute, hour, "*", month, dayOfWeek].join(" ")];
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return /^[A-Za-z]/.test(name);
  } catch {
    return false;
  }
}
