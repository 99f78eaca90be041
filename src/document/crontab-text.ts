/** A crontab that stands where a definition is expected: each of its lines is known by its time and its command. */
import { readCrontabLine } from "../calendar/cron-expression.ts";
import { preview } from "../json/faults.ts";

/** Where in `text`, from `start` on and before `end`, a crontab's first line stands, and what to write instead. */
export function findCrontabLine(
  text: string,
  start: number,
  end: number,
): { offset: number; message: string } | undefined {
  let offset = start;
  for (const line of text.slice(start, end).split("\n")) {
    const found = readCrontabLine(line);
    if (found !== undefined) return { offset, message: describe(found) };
    offset += line.length + 1;
  }
  return undefined;
}

function describe({ time, command }: { time: string; command: string }): string {
  const trigger = `{trigger_type: cron, cron_expression: ${JSON.stringify(time)}}`;
  return (
    "is a line of a crontab, and no definition: `actcore import crontab FILE` makes definitions of one; by hand, write `name`, " +
    `\`trigger_config: ${trigger}\`, and a command task for ${preview(command)}`
  );
}
