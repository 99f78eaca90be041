/**
 * A crontab that a real cron daemon runs, and the same one imported with `--shadow`, side by side for some minutes: both name the
 * same due times. It needs root and Debian's cron. Prints one line for each entry.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPorts, run, type Server, startServer } from "../support/server.ts";

export const CRON = "/usr/sbin/cron";
const CRONTAB = "/etc/cron.d/actcore-beside-cron";
const MINUTE_MS = 60_000;
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** Times of crontab lines by what they are called; some of them are due within the minutes from `start` on, others never. */
function timesFrom(start: Date): Record<string, string> {
  const [minute, hour, day, month, weekday] = [
    start.getMinutes(),
    start.getHours(),
    start.getDate(),
    start.getMonth() + 1,
    start.getDay(),
  ];
  const later = (minutes: number) => new Date(start.getTime() + minutes * MINUTE_MS);
  const [second, third] = [later(1), later(2)];
  return {
    every: "* * * * *",
    "every-step": "*/1 * * * *",
    even: "*/2 * * * *",
    odd: "1-59/2 * * * *",
    thirds: "0-59/3 * * * *",
    list: `${second.getMinutes()},${third.getMinutes()} * * * *`,
    once: `${second.getMinutes()} ${second.getHours()} * * *`,
    "this-day": `* * ${day} ${month} *`,
    "day-or-weekday": `* * ${(day % 28) + 1} * ${weekday}`,
    "day-and-every-other-weekday": `*/1 * ${day} * */2`,
    named: `* * * ${["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"][month - 1]} ${WEEKDAYS[weekday]}`,
    "sunday-is-7": `* * * * ${weekday === 0 ? 7 : weekday}`,
    "another-hour": `${minute} ${(hour + 12) % 24} * * *`,
    "another-weekday": `* * * * ${(weekday + 3) % 7}`,
  };
}

export async function runBesideCron(directory: string, minutes: number): Promise<void> {
  const [ran, documents] = [join(directory, "ran"), join(directory, "imported")];
  for (const each of [ran, documents]) mkdirSync(each);
  // What is due in the minute in which either of them starts is not compared.
  const from = new Date(Math.ceil((Date.now() + 45_000) / MINUTE_MS) * MINUTE_MS);
  const times = timesFrom(from);
  const lines = Object.entries(times).map(([name, time]) => `${time} root date +\\%s >> ${join(ran, name)}`);
  const crontab = `SHELL=/bin/sh\nPATH=/usr/bin:/bin\nMAILTO=""\n${lines.join("\n")}\n`;
  const file = join(directory, "crontab");
  writeFileSync(file, crontab);
  const imported = await run(["import", "crontab", file, "--system", "--shadow", "--out", documents]);
  if (imported.code !== 0)
    throw new Error(`the import ended with ${imported.code}: ${imported.stdout}${imported.stderr}`);

  writeFileSync(CRONTAB, crontab);
  const cron = Bun.spawn([CRON, "-f"], { stdio: ["ignore", "ignore", "inherit"] });
  let server: Server | undefined;
  try {
    server = await startServer({ flags: { ...(await findPorts()), definitionsDirs: documents } });
    await server.ready(60_000);
    const until = new Date(from.getTime() + (minutes - 1) * MINUTE_MS);
    // The last minute's runs have some time to be recorded.
    await Bun.sleep(until.getTime() + 30_000 - Date.now());
    await compare(server, Object.keys(times), ran, { from, until });
  } finally {
    rmSync(CRONTAB);
    cron.kill();
    await cron.exited;
    server?.kill("SIGTERM");
    await server?.exited;
  }
}

async function compare(server: Server, names: readonly string[], ran: string, range: { from: Date; until: Date }) {
  const isWithin = (at: Date) => at >= range.from && at <= range.until;
  const { body: definitions } = await server.api("/activity-definitions?limit=100");
  const differences: string[] = [];
  for (const name of names) {
    const byCron = readMinutes(ran, name).filter(isWithin);
    const definition = definitions.find(({ task_templates }: { task_templates: object[] }) =>
      JSON.stringify(task_templates).includes(join(ran, name).concat('"')),
    );
    if (definition === undefined) throw new Error(`no definition was imported for ${name}`);
    const { body: runs } = await server.api(`/runs?activity_id=${definition.id}&limit=200`);
    const byActcore: Date[] = runs
      .filter(({ reason }: { reason: string }) => reason === "shadow")
      .map(({ scheduled_for }: { scheduled_for: string }) => new Date(scheduled_for))
      .filter(isWithin)
      .sort((a: Date, b: Date) => a.getTime() - b.getTime());
    console.log(`  ${name}: cron ran it ${byCron.length} times, the shadow ${byActcore.length}`);
    if (describe(byCron) !== describe(byActcore))
      differences.push(`${name}: cron at ${describe(byCron)}; actcore at ${describe(byActcore)}`);
  }
  if (differences.length > 0) throw new Error(differences.join("\n"));
}

const describe = (times: readonly Date[]) => times.map((at) => at.toISOString().slice(11, 16)).join(" ");

/** The minutes in which cron ran the entry: it starts it within the minute. */
function readMinutes(directory: string, name: string): Date[] {
  if (!readdirSync(directory).includes(name)) return [];
  const seconds = readFileSync(join(directory, name), "utf8").trim().split("\n").map(Number);
  return seconds.map((second) => new Date(Math.floor(second / 60) * MINUTE_MS));
}
