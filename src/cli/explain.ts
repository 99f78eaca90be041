/** `actcore explain`: why something ran, or did not, told from the database without a server. */
import { EXPECTED_TIME, parseTime } from "../calendar/time.ts";
import type { DueTimeExplanation } from "../explain/due-time-explanation.ts";
import type { EventExplanation } from "../explain/event-explanation.ts";
import { explainDueTime } from "../explain/explain-due-time.ts";
import { explainEvent } from "../explain/explain-event.ts";
import { migrations } from "../generated/migrations.ts";
import type { Config } from "../kernel/config.ts";
import { TerminalError } from "../kernel/errors.ts";
import { inOneLine } from "../kernel/printable.ts";
import { isUuid } from "../kernel/stable-id.ts";
import type { Database } from "../postgres/client.ts";
import { createDefinitionStore } from "../postgres/definition/definition-store.ts";
import { createExplainReader } from "../postgres/explain/explain-reader.ts";
import { requireMigrated } from "../postgres/migrate.ts";
import { type CommandContext, usageError } from "./command.ts";
import { withDatabase } from "./database.ts";
import { toLines } from "./explain-lines.ts";

type Context = Pick<CommandContext, "config" | "print" | "json" | "args">;

/** What is asked about. */
type Question = { event: string; activity?: string } | { activity: string; at: Date | undefined };

const CONNECTIONS = 4;

/** @throws InvalidInputError `usage`; TerminalError `definition_not_found`; what `withDatabase` throws */
export async function runExplain({ config, print, json, args }: Context): Promise<number> {
  const question = readQuestion(args);
  const explanation = await withDatabase(
    config,
    "explain",
    async ({ sql, db }) => {
      await requireMigrated(sql, migrations);
      return answer(db, question, config);
    },
    CONNECTIONS,
  );
  if (json) print(JSON.stringify(explanation));
  else for (const line of toLines(explanation)) print(inOneLine(line));
  return 0;
}

function readQuestion({ event, activity, at }: Context["args"]): Question {
  if (event !== undefined) {
    if (at !== undefined) throw usage("--at", "is of due times: leave it out beside --event");
    return { event, ...(activity !== undefined && { activity }) };
  }
  if (activity === undefined) throw usage("--event", "expected --event=ID, or --activity=NAME with --at=TIME");
  const time = at === undefined ? undefined : parseTime(at);
  if (at !== undefined && time === undefined)
    throw usage("--at", `expected ${EXPECTED_TIME}, received ${JSON.stringify(at)}`);
  return { activity, at: time };
}

function usage(path: string, message: string) {
  return usageError([{ path, message }], "help explain");
}

async function answer(
  db: Database,
  question: Question,
  retention: Config,
): Promise<EventExplanation | DueTimeExplanation> {
  const reader = createExplainReader(db);
  const id = question.activity === undefined ? undefined : await findActivity(db, question.activity);
  const now = new Date();
  if ("event" in question)
    return explainEvent(requireKnown(await reader.readEvent(question.event, id), question.activity), now, retention);
  const facts = requireKnown(await reader.readDueTime(id as string, question.at ?? now, now), question.activity);
  return explainDueTime(facts, now, retention.runRetentionMs);
}

/** By its UUID or its name. */
async function findActivity(db: Database, activity: string): Promise<string> {
  if (isUuid(activity)) return activity.toLowerCase();
  const found = await createDefinitionStore(db).findByName(activity.replace(/^name:/, ""));
  return requireKnown(found, activity).definition.id;
}

function requireKnown<T>(found: T | undefined, activity: string | undefined): T {
  if (found !== undefined) return found;
  throw new TerminalError("definition_not_found", `there is no activity ${JSON.stringify(activity)}`, {
    hint: "GET /activity-definitions lists them; a deleted one has its UUID only",
  });
}
