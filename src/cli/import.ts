/**
 * `actcore import crontab FILE` and `actcore import celery-beat FILE`: definition files from another scheduler's file, and what of
 * it could not be carried over. Reads one file and writes new ones; needs no server.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describeTimeZone } from "../calendar/trigger-faults.ts";
import { MAX_FILE_BYTES } from "../document/document-text.ts";
import { type CeleryOptions, importCeleryBeat } from "../import/celery-beat.ts";
import { type CrontabOptions, importCrontab } from "../import/crontab-definition.ts";
import { finishImport, type Imported, type ImportOptions, type Remark } from "../import/import.ts";
import { preview } from "../json/faults.ts";
import { parseJson } from "../json/parse.ts";
import { describeError, TerminalError } from "../kernel/errors.ts";
import { inOneLine } from "../kernel/printable.ts";
import { findTaskRules } from "../roles/own-engines.ts";
import { TASK_TYPES } from "../task/types.ts";
import { type CommandContext, usageError } from "./command.ts";
import { FAULTY } from "./validate.ts";

type Context = Pick<CommandContext, "config" | "print" | "json" | "args">;

/**
 * @returns 0, or 1 where a line became no activity
 * @throws InvalidInputError `usage`
 * @throws TerminalError `import_not_read`, `import_not_written`
 */
export async function runImportCrontab(context: Context): Promise<number> {
  const { args, config } = context;
  const { FILE: path = "" } = args;
  if (args.system !== undefined && args.user !== undefined)
    throw usageError(
      [{ path: "--user", message: "is said by each entry of a system's crontab: leave it or --system out" }],
      "help import crontab",
    );
  const text = await readInput(path);
  const options: CrontabOptions = {
    ...readOptions(args, hostZone(), "help import crontab"),
    isSystem: args.system !== undefined || /(^|\/)etc\/(crontab|cron\.d\/[^/]+)$/.test(path),
    file: path === "-" ? "the crontab" : basename(path),
  };
  const { drafts, ...remarks } = importCrontab(text, options);
  return answer(context, finishImport(drafts, remarks, findTaskRules(TASK_TYPES, config)));
}

/** As `runImportCrontab`; 1 where a periodic task became no activity. */
export async function runImportCeleryBeat(context: Context): Promise<number> {
  const { args, config } = context;
  const { FILE: path = "", app = "", celery = "celery", workdir } = args;
  const options: CeleryOptions = {
    ...readOptions(args, "UTC", "help import celery-beat"),
    ...{ app, celery },
    ...(workdir !== undefined && { workdir }),
    file: path === "-" ? "the periodic tasks" : basename(path),
  };
  const { drafts, ...remarks } = importCeleryBeat(parseInput(await readInput(path), path), options);
  return answer(context, finishImport(drafts, remarks, findTaskRules(TASK_TYPES, config)));
}

/** @throws InvalidInputError `usage` for a zone that is none */
function readOptions(args: Context["args"], zone: string, instead: string): ImportOptions {
  const { timezone = zone, user, "run-on": runOn } = args;
  const unknown = describeTimeZone(timezone);
  if (unknown !== undefined) throw usageError([{ path: "--timezone", message: unknown }], instead);
  return {
    timezone,
    shadow: args.shadow !== undefined,
    ...(runOn !== undefined && { runOn }),
    ...(user !== undefined && { user }),
  };
}

/** By which cron reads its times. */
function hostZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `-` is stdin. */
async function readInput(path: string): Promise<string> {
  try {
    const text = path === "-" ? await Bun.stdin.text() : await readFile(path, "utf8");
    if (Buffer.byteLength(text) <= MAX_FILE_BYTES) return text;
  } catch (error) {
    throw new TerminalError("import_not_read", `${preview(path)} cannot be read: ${describeError(error)}`);
  }
  throw new TerminalError("import_not_read", `${preview(path)} is larger than ${MAX_FILE_BYTES} bytes`);
}

function parseInput(text: string, path: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new TerminalError("import_not_read", `${preview(path)} is no JSON: ${describeError(error)}`);
  }
}

/** Prints the files, or writes them where `--out` says, and tells what of it is missing. */
async function answer({ args, print, json }: Context, imported: Imported): Promise<number> {
  const { FILE: path = "", out } = args;
  const { activities, refused, notes, general } = imported;
  const files = out === undefined ? undefined : await writeFiles(out, activities);
  const told = [
    ...refused.map((remark) => describeRemark(path, remark, "not imported: ")),
    ...notes.map((remark) => describeRemark(path, remark, "note: ")),
    ...general.map((sentence) => inOneLine(`${path}: note: ${sentence}`)),
  ];
  const code = refused.length > 0 ? FAULTY : 0;
  if (json) {
    const plain = ({ place, what, message }: Remark) => ({ place, what, message });
    const written = activities.map((activity, at) => ({ ...activity, ...(files && { file: files[at] }) }));
    print(JSON.stringify({ activities: written, refused: refused.map(plain), notes: notes.map(plain), general }));
    return code;
  }
  if (files === undefined) {
    const head = told.map((line) => `# ${line}\n`).join("");
    print(`${head}${activities.map(({ text }) => text).join("---\n")}`.trimEnd());
    return code;
  }
  for (const [at, { place }] of activities.entries()) print(inOneLine(`${path}:${place}: ${files[at]}`));
  for (const line of told) print(line);
  print(`${count(activities.length)} imported, ${refused.length} not`);
  return code;
}

/** One for each activity; none where a file is there already. */
async function writeFiles(directory: string, activities: Imported["activities"]): Promise<string[]> {
  const files = activities.map(({ name }) => join(directory, `${name}.yaml`));
  const failed = (path: string, error: unknown) =>
    new TerminalError("import_not_written", `${preview(path)} cannot be written: ${describeError(error)}`, {
      hint: "Give --out a directory of its own, or remove what an import wrote before",
    });
  await mkdir(directory, { recursive: true }).catch((error) => Promise.reject(failed(directory, error)));
  const existing = await Promise.all(files.map(async (file) => ((await Bun.file(file).exists()) ? [file] : [])));
  const [first] = existing.flat();
  if (first !== undefined) throw failed(first, "it is there already");
  for (const [at, { text }] of activities.entries()) {
    const file = files[at] as string;
    await writeFile(file, text, { flag: "wx" }).catch((error) => Promise.reject(failed(file, error)));
  }
  return files;
}

function describeRemark(path: string, { place, what, message }: Remark, kind: string): string {
  return inOneLine(`${path}:${place}: ${kind}${what}: ${message}`);
}

function count(number: number): string {
  return `${number} ${number === 1 ? "activity" : "activities"}`;
}
