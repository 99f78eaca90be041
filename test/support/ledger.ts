/** Rows that tests of the ledger begin with. */
import { type Activity, compileActivity, createActivityCache } from "../../src/definition/activity.ts";
import type { Definition, DefinitionBody } from "../../src/definition/schema.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import type { MatchedEvent } from "../../src/event/event-ledger.ts";
import { type Match, outcomeOf } from "../../src/event/match.ts";
import type { TaskFilter } from "../../src/explain/ledger-reader.ts";
import type { StoredTask } from "../../src/explain/task-view.ts";
import { createClaims } from "../../src/occurrence/claim.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createOccurrenceLedger } from "../../src/postgres/occurrence/occurrence-ledger.ts";
import type { ClaimRequest, StartArgument } from "../../src/run/run.ts";
import type { TestDatabase } from "./database.ts";
import { TASK_RULES } from "./own-engines.ts";

/** Who changes definitions here. */
export const BY_TEST = { actor: "test" } as const;

export function bodyOf(name: string, rest: object = {}): DefinitionBody {
  return parseDefinition({ name, trigger_config: { trigger_type: "event", event_type: name }, ...rest }, TASK_RULES);
}

/** Stores a definition that came over REST, under a name that is like no other where none is given. */
export function storeDefinition(
  { db }: Pick<TestDatabase, "db">,
  written: { name?: string; [field: string]: unknown } = {},
) {
  const { name = `d-${crypto.randomUUID()}`, ...rest } = written;
  return createDefinitionStore(db).create(bodyOf(name, rest), "rest", BY_TEST);
}

/** What runs of a stored definition. */
export function activityOf(definition: Definition): Activity {
  const { id, name, version, enabled, updated_at } = definition;
  return compileActivity({ id, name, version, enabled, deleted: false, since: new Date(updated_at), body: definition });
}

/** A run to be decided, by an occurrence that is like no other. */
export const runOf = (run_id: string) => ({ run_id, kind: "event", key: run_id });

export const logTask = (key: string) => ({ key, type: "log", params: { message: key } });

export function envelopeOf(event_id: string, rest: Partial<EventEnvelope> = {}): EventEnvelope {
  return { event_id, type: "x", source: "test", occurred_at: "2026-01-31T09:30:00Z", payload: {}, ...rest };
}

/** An event with what it reached, as the dispatcher hands it to the ledger. */
export function matchedEvent(envelope: EventEnvelope, ...matches: Match[]): MatchedEvent {
  return { envelope, matches, outcome: outcomeOf(matches) };
}

/** An event in the ledger that owes the definition a run; answers its run's id. */
export async function recordEvent(
  { db }: TestDatabase,
  { id: activity_id, name: activity_name }: Pick<Definition, "id" | "name">,
  event_id: string,
): Promise<string> {
  const run = { activity_id, activity_name, outcome: "run" } as const;
  await createEventLedger(db).record([matchedEvent(envelopeOf(event_id), run)]);
  return (await createLedgerReader(db).findEvent(event_id))?.activities[0]?.run_id ?? "";
}

/** The claim of an activity's start, as the workflow `workflow` makes it. */
export async function claim(
  { db }: TestDatabase,
  activity_id: string,
  trigger_event: StartArgument = {},
  {
    workflow = crypto.randomUUID() as string,
    now = new Date(),
    ...rest
  }: Partial<ClaimRequest> & { workflow?: string; now?: Date } = {},
) {
  const request = { activity_id, trigger_event, workflow_id: workflow, first_execution_run_id: workflow, ...rest };
  return createClaims({ ledger: createOccurrenceLedger(db), activities: createActivityCache() }).claim(request, now);
}

/** Tasks as they are read one by one, in the order of their keys. */
export async function readTasks({ db }: Pick<TestDatabase, "db">, filter: TaskFilter): Promise<StoredTask[]> {
  const reader = createLedgerReader(db);
  const listed = await reader.listTasks(filter, { limit: 100 });
  const tasks = await Promise.all(listed.map(async ({ task_id }) => (await reader.findTask(task_id)) ?? []));
  return tasks.flat().sort((a, b) => a.key.localeCompare(b.key) || (a.instance ?? 0) - (b.instance ?? 0));
}

/** A definition of `name` with these log tasks, and a claimed run of it. */
export async function claimedRun(database: TestDatabase, taskKeys: readonly string[] = []) {
  const definition = await storeDefinition(database, { task_templates: taskKeys.map(logTask) });
  const { run_id } = await claim(database, definition.id);
  return { definition, run_id };
}

/** The definition with another body, as its source would replace it. */
export function replace({ db }: TestDatabase, id: string, body: DefinitionBody) {
  const change = () => ({ body, enabled_override: null });
  return createDefinitionStore(db).change(id, change, BY_TEST);
}

export function disable(database: TestDatabase, { id, name }: { id: string; name: string }) {
  return replace(database, id, bodyOf(name, { enabled: false }));
}
