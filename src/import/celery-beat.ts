/**
 * Celery's periodic tasks as activities, each with a command that sends the task to Celery's workers as before. Pure.
 *
 * Read are `beat_schedule` as JSON, by itself or beside a `timezone`, and what `manage.py dumpdata django_celery_beat` prints.
 */
import { preview } from "../json/faults.ts";
import { type Fields, isFields } from "../json/fields.ts";
import { parseJson } from "../json/parse.ts";
import { InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { toTrigger } from "./celery-schedule.ts";
import { nameCommand } from "./command-name.ts";
import { asWritten, type Draft, type ImportOptions, type Remark, type Remarks } from "./import.ts";

export interface CeleryOptions extends ImportOptions {
  /** The module of the Celery application, as `celery -A` has it. */
  app: string;
  /** The program. */
  celery: string;
  /** Where the application is found. */
  workdir?: string;
  /** How the file is called in comments. */
  file: string;
}

/** A periodic task, wherever it was described. */
interface Entry {
  name: string;
  task: unknown;
  schedule: unknown;
  args: unknown;
  kwargs: unknown;
  /** Of the message that is sent. */
  options: Fields;
  enabled: boolean;
  description: string;
  /** Of the trigger. */
  bounds: { starts_at?: string; ends_at?: string };
  isOneOff: boolean;
}

/** What `celery call` says by a flag. */
const FLAGS = ["queue", "exchange", "routing_key", "serializer", "expires", "countdown"];
/** What says when a message is sent, and stands in the trigger. */
const TABLES = ["intervalschedule", "crontabschedule", "clockedschedule", "solarschedule"];

/**
 * The drafts of a file's JSON, and what of it they leave out.
 * @throws InvalidInputError `invalid_import` where it is neither of both
 */
export function importCeleryBeat(input: unknown, options: CeleryOptions): Remarks & { drafts: Draft[] } {
  const { entries, timezone = options.timezone } = Array.isArray(input) ? readTables(input) : readSchedule(input);
  const [drafts, refused, notes]: [Draft[], Remark[], Remark[]] = [[], [], []];
  for (const entry of entries) {
    const remark = (message: string): Remark => ({
      place: entry.name,
      what: typeof entry.task === "string" ? entry.task : "",
      message,
      comment: [],
    });
    try {
      const { draft, left } = draftOf(entry, { ...options, timezone });
      drafts.push(draft);
      if (left.length > 0) notes.push(remark(`is not carried over: ${left.join(", ")}`));
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      refused.push(remark(error.message));
    }
  }
  const general = [`times are read in ${timezone}: where the file names no zone, --timezone names another one`];
  return { drafts, refused, notes, general };
}

function readSchedule(input: unknown): { entries: Entry[]; timezone?: string } {
  if (!isFields(input)) throw refuseFile(`expected an object of periodic tasks, received ${preview(input)}`);
  const { beat_schedule: inner, timezone } = input;
  const entries = Object.entries(isFields(inner) ? inner : input).map(([name, value]): Entry => {
    const { task, schedule, args = [], kwargs = {}, options, enabled = true, relative } = isFields(value) ? value : {};
    return {
      ...{ name, task, schedule, args, kwargs },
      options: { ...(isFields(options) && options), ...(relative === true && { relative }) },
      enabled: enabled !== false,
      ...{ description: "", bounds: {}, isOneOff: false },
    };
  });
  return isFields(inner) && typeof timezone === "string" ? { entries, timezone } : { entries };
}

/** Rows of `dumpdata`: a periodic task names the row of its schedule. */
function readTables(rows: readonly unknown[]): { entries: Entry[]; timezone?: string } {
  const tables = new Map<string, Fields>();
  const tasks: Fields[] = [];
  for (const row of rows) {
    const { model, pk, fields } = isFields(row) ? row : {};
    if (typeof model !== "string" || !isFields(fields)) throw refuseFile(`${preview(row)} is no row of dumpdata`);
    const [app, table = ""] = model.toLowerCase().split(".");
    if (app !== "django_celery_beat") continue;
    if (table === "periodictask") tasks.push(fields);
    else tables.set(`${table} ${String(pk)}`, fields);
  }
  return { entries: tasks.map((fields) => entryOfRow(fields, tables)) };
}

function entryOfRow(fields: Fields, tables: ReadonlyMap<string, Fields>): Entry {
  const [kind, key] =
    TABLES.map((table) => [table, fields[table.replace("schedule", "")]] as const).find(([, key]) => key != null) ?? [];
  const schedule = tables.get(`${kind} ${String(key)}`);
  const { name, task, args, kwargs, enabled, description, one_off, start_time, expires, expire_seconds } = fields;
  const { queue, exchange, routing_key, priority, headers } = fields;
  const given = { queue, exchange, routing_key, priority, headers: headers === "{}" ? null : headers };
  return {
    name: String(name),
    task,
    schedule: kind === "solarschedule" ? { __type__: "solar" } : schedule,
    args: readText(args, []),
    kwargs: readText(kwargs, {}),
    options: Object.fromEntries(
      Object.entries({ ...given, expires: expire_seconds }).filter(([, value]) => value != null && value !== ""),
    ),
    enabled: enabled !== false,
    description: typeof description === "string" ? description : "",
    bounds: {
      ...(typeof start_time === "string" && { starts_at: wholeSeconds(start_time) }),
      ...(typeof expires === "string" && { ends_at: wholeSeconds(expires) }),
    },
    isOneOff: one_off === true && kind !== "clockedschedule",
  };
}

/** Its columns have JSON as texts. */
function readText(text: unknown, empty: unknown): unknown {
  if (typeof text !== "string" || text === "") return empty;
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

function wholeSeconds(time: string): string {
  return time.replace(/\.\d+/, "");
}

function draftOf(entry: Entry, options: CeleryOptions): { draft: Draft; left: string[] } {
  const { name, task, args, kwargs, description, bounds } = entry;
  if (typeof task !== "string" || task === "") throw refuse("names no task");
  if (entry.schedule === undefined) throw refuse("has no schedule");
  if (entry.isOneOff) throw refuse("is one_off: write `trigger_type: scheduled` with the time at which it is to run");
  if (!Array.isArray(args) || !isFields(kwargs)) throw refuse("its args are no list, or its kwargs no object");
  const trigger = toTrigger(entry.schedule, options.timezone);
  const { argv, left } = commandOf(task, args, kwargs, entry, options);
  const isRepeating = trigger.trigger_type !== "scheduled";
  const draft = {
    place: name,
    what: task,
    identity: name,
    name: /^[\w.-]{1,60}$/.test(name) ? name : nameCommand(name.replace(/[^\w.-]+/g, "-")),
    comment: [...description.split(/\r?\n/).filter((line) => line.trim() !== ""), `${name}, from ${options.file}.`],
    definition: {
      ...(!entry.enabled && { enabled: false }),
      ...(options.shadow && { shadow: true }),
      trigger_config: { ...trigger, ...(isRepeating && bounds) },
      task_templates: [
        {
          key: "send",
          type: "command",
          ...(options.runOn !== undefined && { run_on: options.runOn }),
          timeout: "1m",
          params: {
            argv: argv.map(asWritten),
            ...(options.workdir !== undefined && { cwd: options.workdir }),
            stdin: null,
            ...(options.user !== undefined && { user: options.user }),
          },
        },
      ],
    },
  };
  return { draft, left };
}

/** `celery call`, and the names of the options that it does not know. */
function commandOf(task: string, args: unknown[], kwargs: Fields, entry: Entry, { celery, app }: CeleryOptions) {
  const flags: string[] = [];
  const left: string[] = [];
  for (const [name, value] of Object.entries(entry.options)) {
    const isPlain = typeof value === "string" || typeof value === "number";
    if (FLAGS.includes(name) && isPlain) flags.push(`--${name.replace("_", "-")}=${value}`);
    else if (value !== null) left.push(name);
  }
  return {
    argv: [
      ...[celery, "-A", app, "call", task],
      ...(args.length > 0 ? [`--args=${JSON.stringify(args)}`] : []),
      ...(Object.keys(kwargs).length > 0 ? [`--kwargs=${JSON.stringify(kwargs)}`] : []),
      ...flags,
    ],
    left,
  };
}

function refuse(reason: string): TerminalError {
  return new TerminalError("not_imported", reason);
}

function refuseFile(message: string): InvalidInputError {
  return new InvalidInputError(
    "the file has no periodic tasks of Celery",
    [{ path: "FILE", message }],
    "invalid_import",
    {
      hint: "docs/import.md has a script that prints an application's beat_schedule as JSON",
    },
  );
}
