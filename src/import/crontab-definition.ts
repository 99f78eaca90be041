/** A crontab's entries as activities, each with one `command` task. Pure. */
import { preview } from "../json/faults.ts";
import { nameCommand } from "./command-name.ts";
import { type CrontabEntry, readCrontab } from "./crontab.ts";
import { asWritten, type Draft, type ImportOptions, type Remark, type Remarks } from "./import.ts";

export interface CrontabOptions extends ImportOptions {
  /** Each entry has a user behind its time. */
  isSystem: boolean;
  /** How the file is called in comments. */
  file: string;
}

/** What cron gives a command that has no PATH of its own. */
const CRON_PATH = "/usr/bin:/bin";
/** cron waits for a command for ever, and does not begin it anew. */
const TIMEOUT = "24h";
/** Variables that tell cron something; the command's environment has all others. */
const OF_CRON = ["SHELL", "MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "CRON_TZ", "RANDOM_DELAY"];
/** cron sets them itself, whatever the crontab says. */
const OF_ACCOUNT = ["LOGNAME", "USER"];
/** Variables whose value is no text for a definition, which many people may read. */
const SECRET_NAME = /(PASS(WD|WORD|PHRASE)?|SECRET|TOKEN|(^|_)KEY)$/i;

const REBOOT =
  "a server's start is no trigger: let the host's init do it, such as a systemd unit with WantedBy=multi-user.target";

/** The drafts of a crontab's text, and what of it they leave out. */
export function importCrontab(text: string, options: CrontabOptions): Remarks & { drafts: Draft[] } {
  const { entries, refused, assignments } = readCrontab(text, options.isSystem);
  const drafts: Draft[] = [];
  for (const entry of entries) {
    const message = describeTime(entry.time) ?? describeMoreFields(entry);
    if (message === undefined) drafts.push(draftOf(entry, options));
    else refused.push({ place: entry.line, what: `${entry.time} ${entry.command}`, message, comment: entry.comment });
  }
  const zones = [...new Set(entries.map((entry) => zoneOf(entry, options)))];
  return {
    drafts,
    refused,
    notes: [...assignments.flatMap(noteOf), ...entries.flatMap(noteOfBackslashes)],
    general: [
      `times are read in ${zones.join(" and ")}: --timezone names another zone`,
      `cron ends no command, these are ended after ${TIMEOUT}; and where one still runs when it is due again, that time is skipped`,
    ],
  };
}

/** Why a time that other crons take is not taken, where the check of the definition does not say what to do. */
function describeTime(time: string): string | undefined {
  if (/^@reboot$/i.test(time)) return REBOOT;
  if (/^@every_minute$/i.test(time)) return "write * * * * *";
  if (/^@(every_second|\d+)$/i.test(time)) return "use `trigger_type: interval` with `every`";
  if (time.includes("~"))
    return "a random time such as 0~59, which cronie chooses at its start, is not chosen here: write one, or a `jitter`";
  if (/(^|[\s,])H(\W|$)/.test(time)) return "H, by which Jenkins chooses a time, has no meaning here: write a number";
  return undefined;
}

function describeMoreFields({ time, command }: CrontabEntry): string | undefined {
  const isField = /^([*?][\d/,-]*|\d[\d/,-]*)(\s|$)/.test(command);
  return isField && !time.startsWith("@")
    ? "has more than five fields: a crontab has no seconds and no years"
    : undefined;
}

function zoneOf({ variables }: CrontabEntry, { timezone }: CrontabOptions): string {
  return variables.CRON_TZ || timezone;
}

function draftOf(entry: CrontabEntry, options: CrontabOptions): Draft {
  const { line, time, user = "", command, stdin = "", comment, variables } = entry;
  const { shadow, runOn, file } = options;
  const delay = Number(variables.RANDOM_DELAY ?? 0);
  return {
    place: line,
    what: `${time} ${command}`,
    name: nameCommand(command),
    identity: JSON.stringify([time, user, command, stdin]),
    comment: [...comment, `From line ${line} of ${file}.`],
    definition: {
      ...(shadow && { shadow }),
      trigger_config: {
        trigger_type: "cron",
        cron_expression: time,
        timezone: zoneOf(entry, options),
        ...(delay > 0 && { jitter: `${delay}m` }),
      },
      task_templates: [
        {
          key: "run",
          type: "command",
          ...(runOn !== undefined && { run_on: runOn }),
          timeout: TIMEOUT,
          params: paramsOf(entry, options),
        },
        ...mailOf(entry),
      ],
    },
  };
}

function paramsOf({ command, stdin, variables, user = "" }: CrontabEntry, options: CrontabOptions) {
  const { SHELL: shell = "/bin/sh", HOME: home } = variables;
  const own = Object.entries(variables).filter(([name]) => ![...OF_CRON, ...OF_ACCOUNT].includes(name));
  const env: Record<string, string> = { PATH: CRON_PATH };
  for (const [name, value] of own) env[name] = SECRET_NAME.test(name) ? `{{ secret.${name} }}` : asWritten(value);
  if (variables.PATH !== undefined) env.PATH = withoutExpansions(variables.PATH);
  // `${NAME}` is the shell's own.
  const line = command.replaceAll("{{", '{{ "{{" }}');
  return {
    ...(/^(\/usr)?\/bin\/sh$/.test(shell) ? { shell: line } : { argv: [shell, "-c", line] }),
    ...(home && { cwd: home }),
    env,
    // Without it, the task's own input would be read.
    stdin: stdin ? asWritten(stdin) : null,
    ...((user || options.user) && { user: user || options.user }),
  };
}

/** Without directories such as `${HOME}/bin`: cron expands nothing, and there is none of that very name. */
function withoutExpansions(path: string): string {
  return path
    .split(":")
    .filter((directory) => asWritten(directory) === directory)
    .join(":");
}

/** cron writes where there is output; here also where the command failed without any. */
function mailOf({ variables, mailsFailuresOnly }: CrontabEntry): Record<string, unknown>[] {
  const to = addressesOf(variables.MAILTO);
  if (to.length === 0) return [];
  const output = 'get(tasks.run, "error.details.output", "")';
  const text = `tasks.run.status == "succeeded" ? tasks.run.result.output : get(tasks.run, "error.message", "") + "\\n\\n" + ${output}`;
  return [
    {
      key: "mail",
      type: "email",
      depends_on: ["run"],
      run_when: "all_done",
      when: `tasks.run.status != "succeeded"${mailsFailuresOnly ? "" : ' || tasks.run.result.output != ""'}`,
      params: {
        to: to.map(asWritten),
        subject: "Cron: {{ run.activity_name }} {{ tasks.run.status }}",
        text: `{{ ${text} }}`,
      },
    },
  ];
}

/** Mailboxes of the host have none. */
function addressesOf(mailto = ""): string[] {
  return mailto.split(/[\s,;]+/).filter((address) => address.includes("@"));
}

function noteOf({ line, name, value }: { line: number; name: string; value: string }): Remark[] {
  // Its value may be a secret.
  const note = (message: string): Remark[] => [{ place: line, what: name, message, comment: [] }];
  if (name === "MAILTO" && value !== "")
    return addressesOf(value).length > 0
      ? note("is a second task `mail`, where the command wrote something or failed: it needs ACTCORE_SMTP_URL")
      : note(`${preview(value)} is a mailbox of this host, and gets nothing: the output is kept with each task`);
  if (name === "CRON_TZ") return note("the times below are read in this zone, as cronie does; Debian's cron does not");
  if (name === "RANDOM_DELAY") return note("is the `jitter` of the entries below");
  if (name === "PATH" && withoutExpansions(value) !== value)
    return note("cron does not expand its `${…}`, and found nothing there: these directories are left out");
  if (OF_ACCOUNT.includes(name)) return note("is not carried over: cron sets it itself");
  if (SECRET_NAME.test(name))
    return note(
      "seems to be a secret, and is read as one: its value goes into ACTCORE_SECRET_… or the secrets directory",
    );
  return [];
}

/** Debian's cron makes one of two, as far as the first `%`; cronie does not. */
function noteOfBackslashes({ line, command }: CrontabEntry): Remark[] {
  if (!command.includes("\\\\")) return [];
  const message = "has two \\ in a row, of which Debian's cron makes one: they are left as they are, as cronie does";
  return [{ place: line, what: command, message, comment: [] }];
}
