/** `actcore import crontab`: the entries of a crontab as activities. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { compileCalendar } from "../../src/calendar/calendar.ts";
import { dueTimes } from "../../src/calendar/due-times.ts";
import { timeZone } from "../../src/calendar/time-zone.ts";
import type { CronTrigger } from "../../src/calendar/trigger.ts";
import { templateScopes } from "../../src/definition/scopes.ts";
import { isFault, readDocuments, type TreeDocument } from "../../src/document/document.ts";
import { compileExpression } from "../../src/expression/expression.ts";
import { compileTemplate } from "../../src/expression/template.ts";
import { importCrontab } from "../../src/import/crontab-definition.ts";
import { finishImport } from "../../src/import/import.ts";
import { loadEntry, runCronie } from "../support/cronie.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const ZONE = "Europe/Berlin";
const SAMPLES = join(import.meta.dir, "../support/imports");

function importText(
  text: string,
  { isSystem = false, ...more }: { isSystem?: boolean; shadow?: boolean; runOn?: string; user?: string } = {},
) {
  const { drafts, ...remarks } = importCrontab(text, {
    timezone: ZONE,
    shadow: false,
    file: "crontab",
    isSystem,
    ...more,
  });
  const { activities, refused, notes, general } = finishImport(drafts, remarks, TASK_RULES);
  const bodies = activities.map(({ text }) => {
    const [document] = [...readDocuments(text, "a.yaml", TASK_RULES)];
    if (document === undefined || isFault(document)) throw new Error(`faulty: ${text}`);
    return (document as TreeDocument & { kind: "activity" }).body;
  });
  return { activities, refused, notes, general, bodies };
}

/** The params of the only task of the only entry. */
function paramsOf(text: string, options = {}) {
  const { bodies, refused } = importText(text, options);
  expect([bodies.length, refused]).toEqual([1, []]);
  // biome-ignore lint/suspicious/noExplicitAny: they are compared as JSON
  return bodies[0]?.task_templates[0]?.params as any;
}

test("an entry is an activity with one command, which gets what cron gives it", () => {
  const { activities } = importText("# Nightly dump\n# of the shop\n30 2 * * 1-5\t/opt/dump.sh --all  > /dev/null\n");
  expect(activities).toEqual([
    {
      place: 3,
      name: "dump",
      text: `# Nightly dump
# of the shop
# From line 3 of crontab.
name: dump
trigger_config: {trigger_type: cron, cron_expression: 30 2 * * 1-5, timezone: Europe/Berlin}
task_templates:
  - key: run
    type: command
    timeout: 24h
    params:
      shell: /opt/dump.sh --all  > /dev/null
      env: {PATH: /usr/bin:/bin}
      stdin: null
`,
    },
  ]);
});

test("the example of docs/import.md is what becomes of its line", async () => {
  const page = await Bun.file(join(import.meta.dir, "../../docs/import.md")).text();
  const [, example = ""] = /^ {3}```yaml\n([\s\S]*?)^ {3}```$/m.exec(page) ?? [];
  const line = "0 2 * * * /usr/bin/mysqldump -u backup shop | gzip > /backup/shop-$(date +\\%F).sql.gz";
  const { activities } = importText(`${"\n".repeat(5)}# Nightly dump of the shop\n${line}\n`, { shadow: true });
  expect(activities.map(({ text }) => text)).toEqual([example.replace(/^ {3}/gm, "")]);
});

describe("the variables of a crontab", () => {
  test("are the environment of the entries below them, quotes left out and nothing expanded", () => {
    const { bodies } = importText(
      `A = "one  two"\n0 0 * * * first\nB='x'\nA=$HOME/bin \nPATH=/opt/bin:/bin\n0 0 * * * second\n`,
    );
    expect(bodies.map(({ task_templates: [task] }) => task?.params)).toMatchObject([
      { env: { PATH: "/usr/bin:/bin", A: "one  two" } },
      { env: { PATH: "/opt/bin:/bin", A: "$HOME/bin", B: "x" } },
    ]);
  });

  test("say by which shell and where commands run, and by which zone and how late they start", () => {
    const { bodies } = importText(
      "SHELL=/bin/bash\nHOME=/srv/app\nCRON_TZ=America/New_York\nRANDOM_DELAY=45\n0 9 * * * ./x\n",
    );
    expect(bodies[0]?.trigger_config).toMatchObject({ timezone: "America/New_York", jitter: "45m" });
    const params = bodies[0]?.task_templates[0]?.params;
    expect(params).toMatchObject({ argv: ["/bin/bash", "-c", "./x"], cwd: "/srv/app", env: { HOME: "/srv/app" } });
    expect(Object.keys((params as { env: object }).env)).toEqual(["PATH", "HOME"]);
  });

  test("that seem to be secrets are read as such, and their values are nowhere", () => {
    const imported = importText("DB_PASSWORD=hunter2\nGITHUB_TOKEN=hunter2\nMONKEY=1\n* * * * * x\n");
    expect(JSON.stringify(imported)).not.toContain("hunter2");
    expect(imported.bodies[0]?.task_templates[0]?.params).toMatchObject({
      env: { DB_PASSWORD: "{{ secret.DB_PASSWORD }}", GITHUB_TOKEN: "{{ secret.GITHUB_TOKEN }}", MONKEY: "1" },
    });
    expect(imported.notes.map(({ place, what }) => [place, what])).toEqual([
      [1, "DB_PASSWORD"],
      [2, "GITHUB_TOKEN"],
    ]);
  });

  test("are refused where a quote does not end their value, as cron refuses them", () => {
    const { refused, bodies } = importText(`A="x\nB='x' # y\nC="it's"\nD=it's\n* * * * * x\n`);
    expect(refused.map(({ place, what }) => [place, what])).toEqual([
      [1, "A"],
      [2, "B"],
    ]);
    expect(bodies[0]?.task_templates[0]?.params).toMatchObject({ env: { C: "it's", D: "it's" } });
  });

  test("leave directories of PATH out that cron would have had to expand", () => {
    const { bodies, notes } = importText("PATH=${HOME}/bin:/opt/bin:/bin:$HOME/sbin\n* * * * * x\n");
    expect(bodies[0]?.task_templates[0]?.params).toMatchObject({ env: { PATH: "/opt/bin:/bin:$HOME/sbin" } });
    expect(notes).toMatchObject([{ place: 1, what: "PATH" }]);
  });

  test("that cron sets itself are left out, with a note", () => {
    const { bodies, notes } = importText("LOGNAME=other\nMAILTO=ops@example.org\n* * * * * x\n");
    expect(bodies[0]?.task_templates[0]?.params).toMatchObject({ env: { PATH: "/usr/bin:/bin" } });
    expect(notes.map(({ what }) => what)).toEqual(["LOGNAME", "MAILTO"]);
  });
});

describe("MAILTO", () => {
  const { bodies, notes } = importText(
    "MAILTO=a@example.org, root, b@example.org\n* * * * * x\nMAILTO=\n* * * * * y\n",
  );
  const mail = bodies[0]?.task_templates[1];

  test("makes a second task that writes to its addresses, for the entries below it", () => {
    expect(mail).toMatchObject({
      type: "email",
      run_when: "all_done",
      params: { to: ["a@example.org", "b@example.org"] },
    });
    expect(bodies[1]?.task_templates).toHaveLength(1);
    expect(notes).toMatchObject([{ what: "MAILTO", message: expect.stringContaining("ACTCORE_SMTP_URL") }]);
    expect(importText("MAILTO=root\n* * * * * x\n").notes[0]?.message).toStartWith('"root" is a mailbox of this host');
  });

  test.each<[object, boolean, string]>([
    [{ status: "succeeded", result: { exit_code: 0, output: "" }, error: null }, false, ""],
    [{ status: "succeeded", result: { exit_code: 0, output: "12 rows\n" }, error: null }, true, "12 rows\n"],
    [
      { status: "failed", result: null, error: { code: "command_failed", message: "exit code 1" } },
      true,
      "exit code 1\n\n",
    ],
    [
      { status: "failed", result: null, error: { message: "1", details: { output: "no space" } } },
      true,
      "1\n\nno space",
    ],
  ])("of a command that ended as %j, it is sent: %j, with %j", (run, isSent, text) => {
    const scopes = templateScopes([], ["run", "mail"], { forEach: false });
    const values = { tasks: { run }, run: { activity_name: "x" } } as never;
    expect(compileExpression(mail?.when ?? "", scopes.condition).evaluate(values)).toBe(isSent);
    expect(compileTemplate(mail?.params, scopes.params).render(values).value).toMatchObject({ text });
  });
});

test("cronie's -n in front of a command asks for a mail only where it failed", () => {
  const { bodies } = importText("MAILTO=ops@example.org\n* * * * * -n  /opt/x.sh -n y\n");
  const [command, mail] = bodies[0]?.task_templates ?? [];
  expect([command?.params, mail?.when]).toMatchObject([{ shell: "/opt/x.sh -n y" }, 'tasks.run.status != "succeeded"']);
});

describe("a % in a command", () => {
  // Each as Debian's cron and cronie run it.
  test.each<[string, string, string | null]>([
    ["echo $(date +\\%F)", "echo $(date +%F)", null],
    ["mail -s hi joe%Joe,%%Where?%", "mail -s hi joe", "Joe,\n\nWhere?\n"],
    ["cat %a\\%b%c\\\\%d\\n", "cat", "a%b\nc\\%d\\n\n"],
    ["cat%", "cat", null],
    ["cat %a  ", "cat", "a  \n"],
    ["cat % a%b \t", "cat", " a\nb \t\n"],
    ["cat%  ", "cat", "  \n"],
    ["cat a  ", "cat a", null],
    ["cat a\\  ", "cat a\\ ", null],
    ["printf a\\\\%in", "printf a\\\\", "in\n"],
  ])("%j runs %j and gives it %j", (line, shell, stdin) => {
    expect(paramsOf(`* * * * * ${line}\n`)).toMatchObject({ shell, stdin });
  });

  test("two backslashes are left as they are, with a note of what Debian's cron makes of them", () => {
    const { notes } = importText("* * * * * grep '\\\\.php' x\n");
    expect(notes).toMatchObject([{ place: 1, message: expect.stringContaining("Debian") }]);
  });
});

test("braces of others stay braces, in a command, in what it reads, and in its environment", () => {
  const { env, shell, stdin } = paramsOf("A={{x}} ${B}\n* * * * * docker ps --format '{{.Names}} ${C}'%{{in}}\n");
  const literal = (text: string) =>
    compileTemplate(text, templateScopes([], [], { forEach: false }).params).render({} as never).value;
  expect(literal(shell)).toBe("docker ps --format '{{.Names}} ${C}'");
  expect(literal(env.A)).toBe("{{x}} ${B}");
  expect(literal(stdin)).toBe("{{in}}\n");
});

describe("a system's crontab", () => {
  test("has a user in each entry, who runs the command", () => {
    expect(paramsOf("17 * * * *\twww-data  php /srv/cron.php\n", { isSystem: true })).toMatchObject({
      ...{ user: "www-data", shell: "php /srv/cron.php" },
    });
    const { refused } = importText("* * * * * /opt/x.sh\n* * * * * root\n", { isSystem: true });
    expect(refused.map(({ place, message }) => [place, message])).toEqual([
      [1, 'has no user between its time and a command: "/opt/x.sh"'],
      [2, 'has no user between its time and a command: "root"'],
    ]);
  });

  test("is known where it is read as one of a user", () => {
    const { refused, bodies } = importText("* * * * * root /opt/x.sh\n");
    expect([bodies.length, refused[0]?.message]).toEqual([0, expect.stringContaining("give --system")]);
  });
});

test("a user, a label and a shadow that are asked for stand in each activity", () => {
  const { bodies } = importText("* * * * * a\n@daily b\n", { user: "deploy", runOn: "web-1", shadow: true });
  for (const body of bodies)
    expect(body).toMatchObject({ shadow: true, task_templates: [{ run_on: "web-1", params: { user: "deploy" } }] });
});

describe("equal names", () => {
  const LINES = ["0 1 * * * /a/x.sh", "0 2 * * * /a/x.sh", "0 2 * * * /b/x.sh", "0 2 * * * /a/x.sh%in", "0 3 * * * y"];
  const namesOf = (lines: readonly string[]): Record<string, string> =>
    Object.fromEntries(
      importText(lines.join("\n")).activities.map(({ name, place }) => [lines[Number(place) - 1] ?? "", name]),
    );

  test("are told apart by what stands in their lines, wherever these are", () => {
    const names = namesOf(LINES);
    expect(Object.values(names)).toEqual([...Array(4).fill(expect.stringMatching(/^x-[0-9a-f]{4}$/)), "y"]);
    expect(new Set(Object.values(names)).size).toBe(5);
    const more = ["0 0 * * * /c/x.sh", "A=1", ...LINES.toReversed(), "@reboot x"];
    expect(namesOf(more)).toMatchObject(names);
  });

  test("of lines that are the same have a number, and none is that of another line", () => {
    const line = LINES[0] as string;
    const [name = ""] = Object.values(namesOf(LINES));
    const { activities } = importText([line, line, `0 5 * * * ${name}`].join("\n"));
    expect(activities.map((activity) => activity.name)).toEqual([`${name}-2`, `${name}-3`, name]);
  });
});

test("what holds for all entries is told once: their zones, and where a run differs from cron's", () => {
  const { general } = importText("0 1 * * * a\n0 2 * * * b\nCRON_TZ=Asia/Tokyo\n0 3 * * * c\n0 4 * * * d\n");
  expect(general).toEqual([
    expect.stringMatching(/^times are read in Europe\/Berlin and Asia\/Tokyo: /),
    expect.stringMatching(/ended after 24h.*skipped$/),
  ]);
  expect(importText("@reboot x\n").general).toEqual([]);
});

test("what every crontab begins with describes no entry, nor does what stands above one that is switched off", () => {
  const { activities } = importText(
    "# Edit this file to introduce tasks to be run by cron.\n#\n# at 5 a.m every week with:\n# 0 5 * * 1 tar -zcf home.tgz /home/\n" +
      "# For more information see the manual pages of crontab(5)\n#\n# m h  dom mon dow   command\n0 0 * * * a\n" +
      "# Once at the start\n# @reboot old\n# Writes to whoever is on duty this week\n#MAILTO=ops@example.org\n0 0 * * * b\n",
  );
  const comments = activities.map(({ text }) => text.split("\n").filter((line) => line.startsWith("#")));
  expect(comments).toEqual([
    ["# From line 8 of crontab."],
    ["# Writes to whoever is on duty this week", "# From line 13 of crontab."],
  ]);
});

test("a comment describes the entry right below it, and what crontab writes above a file does not", () => {
  const { activities } = importText(
    "# DO NOT EDIT THIS FILE - edit the master and reinstall.\n# m h  dom mon dow   command\n0 0 * * * a\n# apart\n\n# 0 1 * * * old\n## b's\n0 0 * * * b\n",
  );
  const comments = activities.map(({ text }) => text.split("\n").filter((line) => line.startsWith("#")));
  expect(comments).toEqual([["# From line 3 of crontab."], ["# b's", "# From line 8 of crontab."]]);
});

test("a line that is not taken is named, with what to do", () => {
  const REFUSED: readonly (readonly [string, string])[] = [
    ["@reboot /opt/start", "systemd unit"],
    ["*/90 * * * * x", "every: 90m"],
    ["0 22-2 * * * x", "write 22-23,0-2"],
    ["5/10 * * * * x", "5-59/10"],
    ["0 0 31 2 * x", "never fires"],
    ["0~59 3 * * * x", "jitter"],
    ["H 4 * * * x", "Jenkins"],
    ["0 0 12 * * ? x", "no seconds"],
    ["@every_minute x", "write * * * * *"],
    ["@never x", "is no nickname"],
    ["* * * * *", "neither a comment"],
    ["hello", "neither a comment"],
    ["ACTCORE_RUN_ID=1", ""],
    ["* * * * * x", "is set by actcore"],
  ];
  const { refused, bodies } = importText(REFUSED.map(([line]) => line).join("\r\n"));
  expect(bodies).toEqual([]);
  const expected = REFUSED.flatMap(([, message], at) =>
    message === "" ? [] : [[at + 1, expect.stringContaining(message)]],
  );
  expect(refused.map(({ place, message }) => [place, message])).toEqual(expected as never);
});

/** When cronie starts an entry, by its own rules and the clock of the zone. */
function cronieTimes(time: string, zone: string, from: number, until: number): number[] {
  const NICKNAMES: Record<string, string> = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@annually": "0 0 1 1 *",
    "@yearly": "0 0 1 1 *",
  };
  const clock = timeZone(zone);
  const minutes = Array.from({ length: (until - from) / 60_000 }, (_, at) => {
    const instant = from + (at + 1) * 60_000;
    return { instant, clockTime: Math.floor((instant + clock.offsetAt(instant)) / 60_000) };
  });
  return [...runCronie(loadEntry(NICKNAMES[time] ?? time), minutes).keys()].sort((a, b) => a - b);
}

/** A sample's files: each is below a heading with its package and its path, or there is only one. */
async function readSample(name: string): Promise<{ origin: string; text: string }[]> {
  const text = await Bun.file(join(SAMPLES, `${name}.crontab`)).text();
  const [first = "", ...files] = text.split(/^(?=# \S+ \S+: \/etc\/)/m);
  return (files.length > 0 ? files : [first]).map((text) => ({ origin: text.split("\n", 1)[0] ?? "", text }));
}

test.each([
  ["debian", true, 82, 125, 6],
  ["questions", false, 1, 29, 10],
] as const)(
  "the entries of %s.crontab are each due when cronie starts them by its rules, or named",
  async (name, isSystem, files, taken, refusals) => {
    const samples = await readSample(name);
    const imported = samples.map(({ origin, text }) => ({ origin, ...importText(text, { isSystem }) }));
    for (const { origin, activities } of imported)
      expect([origin, new Set(activities.map(({ name }) => name)).size]).toEqual([origin, activities.length]);
    const [bodies, refused] = [imported.flatMap(({ bodies }) => bodies), imported.flatMap(({ refused }) => refused)];
    expect([samples.length, bodies.length, refused.length]).toEqual([files, taken, refusals]);
    // Of packages, only what begins with the host.
    if (isSystem) expect(refused.filter(({ what }) => !what.startsWith("@reboot "))).toEqual([]);
    // The turn of the year, and both clock changes.
    for (const window of [
      ["2025-12-28T00:00Z", "2026-01-05T00:00Z"],
      ["2026-03-06T00:00Z", "2026-04-02T00:00Z"],
    ]) {
      const [from = 0, until = 0] = window.map((time) => Date.parse(time));
      const known = new Map<string, number[]>();
      for (const { trigger_config } of bodies) {
        const { cron_expression: time, timezone: zone = "" } = trigger_config as CronTrigger;
        const key = `${time} ${zone}`;
        if (!known.has(key)) known.set(key, cronieTimes(String(time), zone, from, until));
        const due = [...dueTimes(compileCalendar(trigger_config as CronTrigger), new Date(from), new Date(until))];
        expect([key, due.map(({ at }) => at.getTime())]).toEqual([key, known.get(key) as number[]]);
      }
    }
  },
);
