/**
 * `actcore dry-run FILE`: what an activity of a file would do on an event or at a due time, without a server and a database. HTTP
 * and SQL sources of its context are really asked; those that read the ledger or NATS are null, unless they are given.
 */
import { readFile } from "node:fs/promises";
import { createContextResolver } from "../context/resolver.ts";
import { compileActivity } from "../definition/activity.ts";
import type { DefinitionBody } from "../definition/schema.ts";
import { type Finding, toFindings } from "../document/check-trees.ts";
import { readTreeOrFile } from "../document/tree.ts";
import { preview } from "../json/faults.ts";
import { parseJson } from "../json/parse.ts";
import { describeError, InvalidInputError, TerminalError } from "../kernel/errors.ts";
import { inOneLine } from "../kernel/printable.ts";
import { createSqlReader } from "../postgres/context/sql-reader.ts";
import { createDryRuns, type Target } from "../rehearsal/dry-run.ts";
import type { DryRunReport } from "../rehearsal/dry-run-report.ts";
import { type About, parseAbout } from "../rehearsal/dry-run-request.ts";
import { REHEARSED_ID } from "../rehearsal/values.ts";
import { createConfiguredDial, findTaskRules } from "../roles/own-engines.ts";
import { createParamsCheck } from "../task/params-check.ts";
import { TASK_TYPES } from "../task/types.ts";
import { type CommandContext, usageError } from "./command.ts";
import { toLines } from "./dry-run-lines.ts";
import { describeFinding, FAULTY } from "./validate.ts";

type Context = Pick<CommandContext, "config" | "secrets" | "print" | "json" | "args" | "shutdown">;

/** Sources that read what only a server has. */
const OF_SERVER = ["nats_kv", "previous_run", "events"];

/**
 * @returns 0 where it would run; 1 where it would not, where that is not known, and where the file has faults
 * @throws InvalidInputError `usage`
 */
export async function runDryRun(context: Context): Promise<number> {
  const { config, print, json, args } = context;
  const { FILE: file = "" } = args;
  const { documents, faults } = await readTreeOrFile(file, findTaskRules(TASK_TYPES, config));
  const errors = toFindings(faults);
  const bodies = documents.flatMap((document) => (document.kind === "activity" ? [document.body] : []));
  if (bodies.length === 0 && errors.length === 0) errors.push({ file, line: null, message: "has no activities" });
  if (errors.length > 0) return fail(errors, print, json);

  const body = chooseActivity(bodies, args.name);
  const about = await readAbout(args, body);
  const notes = assumeOfServer(about, body);
  const { name, enabled } = body;
  const activity = compileActivity({
    id: REHEARSED_ID,
    name,
    version: 1,
    enabled,
    deleted: false,
    since: new Date(),
    body,
  });
  const report = await rehearse(context, { activity, body, isStored: false }, about);
  if (json) print(JSON.stringify({ ...report, notes, errors }));
  else for (const line of [...toLines(report), ...notes.map((note) => `note: ${note}`)]) print(inOneLine(line));
  return report.occurrences.every(({ outcome }) => outcome === "run") ? 0 : 1;
}

/** With context sources that this process can read by itself. */
async function rehearse(
  { config, secrets, shutdown }: Pick<Context, "config" | "secrets" | "shutdown">,
  target: Target,
  about: About,
): Promise<DryRunReport> {
  const sql = createSqlReader(config.sqlUrls(), secrets);
  const ofServer = () => Promise.reject(new TerminalError("needs_server", "is read by a server only"));
  const resolver = createContextResolver({
    ...{ secrets, sql, dial: createConfiguredDial(config) },
    ...{ keyValues: { get: ofServer }, previousRuns: { read: ofServer }, recordedEvents: { read: ofServer } },
  });
  const checkParams = createParamsCheck(findTaskRules(TASK_TYPES, config));
  try {
    return await createDryRuns({ resolver, secrets, checkParams }).dryRun(target, about, shutdown.stopping);
  } finally {
    await sql.close();
  }
}

function fail(errors: readonly Finding[], print: Context["print"], json: boolean): number {
  if (json) print(JSON.stringify({ errors }));
  else for (const error of errors) print(describeFinding(error));
  return FAULTY;
}

function chooseActivity(bodies: readonly DefinitionBody[], name: string | undefined): DefinitionBody {
  const named = name === undefined ? bodies : bodies.filter((body) => body.name === name);
  const [body, ...others] = named;
  if (body !== undefined && others.length === 0) return body;
  const names = bodies.map((each) => preview(each.name)).join(", ");
  const message =
    name === undefined ? `the file has several activities: ${names}` : `is none of the file's activities: ${names}`;
  throw usageError([{ path: "--name", message }], "help dry-run");
}

async function readAbout(args: Context["args"], body: DefinitionBody): Promise<About> {
  const { event, due, given } = args;
  if ((event === undefined) === (due === undefined))
    throw usageError([{ path: "--event", message: "expected either --event=FILE or --due=TIME" }], "help dry-run");
  const input = {
    context: "fetch",
    ...(due !== undefined && { due }),
    ...(event !== undefined && { event: await readJsonFile(event, "--event") }),
    ...(given !== undefined && { given_context: await readJsonFile(given, "--given") }),
  };
  try {
    return parseAbout(input, body, new Date());
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const named = error.faults.map(({ path, message }) => ({
      path: path.replace(/^\/(event|due|given)(_context)?/, "--$1 ").trimEnd(),
      message,
    }));
    throw usageError(named, "help dry-run");
  }
}

async function readJsonFile(path: string, flag: string): Promise<unknown> {
  try {
    return parseJson(await readFile(path, "utf8"));
  } catch (error) {
    throw usageError(
      [{ path: flag, message: `${path} cannot be read as JSON: ${describeError(error)}` }],
      "help dry-run",
    );
  }
}

/** Sources that only a server can read are null where they are not given; says so. */
function assumeOfServer(about: About, { context_sources }: DefinitionBody): string[] {
  const given = { ...about.given };
  const notes: string[] = [];
  for (const source of context_sources) {
    const { name, type } = source as { name: string; type: string };
    if (!OF_SERVER.includes(type) || Object.hasOwn(given, name)) continue;
    given[name] = null;
    notes.push(
      `context ${name} is null here: a source of the type ${type} needs a server. Give its value with --given`,
    );
  }
  about.given = given;
  return notes;
}
