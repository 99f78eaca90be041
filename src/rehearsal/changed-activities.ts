/** What a sync would change, as pairs of activities: each as it counts now, and as it would count after the sync. Pure. */
import type { Calendar } from "../calendar/calendar.ts";
import { type Activity, compileActivity } from "../definition/activity.ts";
import type { DefinitionBody } from "../definition/schema.ts";
import type { Write, WriteAction } from "../sync/document-row.ts";
import type { EnabledState } from "./history.ts";

export interface ActivityVersion {
  activity: Activity;
  body: DefinitionBody;
}

export interface ChangedActivity {
  id: string;
  name: string;
  action: WriteAction;
  /** Undefined where the definition is new. */
  before: ActivityVersion | undefined;
  /** Undefined where its document is gone. */
  after: ActivityVersion | undefined;
  /** Whether both decide alike on whatever starts a run: only what starts them differs. */
  decideAlike: boolean;
}

/** Those whose runs may be others than before: a document that only moved is left out. */
export function findChangedActivities(
  writes: readonly Write[],
  states: ReadonlyMap<string, EnabledState>,
): ChangedActivity[] {
  return writes.flatMap((write): ChangedActivity[] => {
    if (write.stage !== "definitions") return [];
    const { id, action, version } = write;
    const state = states.get(id);
    const old = write.before?.body as DefinitionBody | undefined;
    const body = write.after.body as DefinitionBody;
    const isGone = write.after.retired || write.after.deleted === true;
    const enabled = !isGone && (state?.enabled_override ?? body.enabled);
    const wasEnabled = state?.enabled ?? false;
    if (old !== undefined && enabled === wasEnabled && Bun.deepEquals(rulesOf(old), rulesOf(body), true)) return [];
    const compile = (body: DefinitionBody, version: number, enabled: boolean): ActivityVersion => {
      const row = { id, name: body.name, version, enabled, deleted: false, since: new Date(0), body };
      return { body, activity: compileActivity(row) };
    };
    return [
      {
        ...{ id, name: body.name, action },
        before: old && compile(old, version ?? 1, wasEnabled),
        after: isGone ? undefined : compile(body, (version ?? 0) + 1, enabled),
        decideAlike: old !== undefined && Bun.deepEquals(decisionsOf(old), decisionsOf(body), true),
      },
    ];
  });
}

export function versionsOf({ before, after }: ChangedActivity): ActivityVersion[] {
  return [before, after].filter((version) => version !== undefined);
}

export function calendarsOf(one: ChangedActivity): Calendar[] {
  return versionsOf(one).flatMap(({ activity: { trigger } }) =>
    trigger.type === "schedule" ? [trigger.calendar] : [],
  );
}

export function needsContext(one: ChangedActivity): boolean {
  return versionsOf(one).some(({ activity }) => activity.context.length > 0);
}

/** What a run follows from. Its name, and how often a task is tried, change nothing that is decided. */
function rulesOf(body: DefinitionBody) {
  const { trigger_config, dedupe_key_strategy, flow } = body;
  return { trigger_config, dedupe_key_strategy, flow, ...decisionsOf(body) };
}

function decisionsOf({ when, context_sources, task_templates }: DefinitionBody) {
  const templates = task_templates.map(({ timeout: _, retry: __, ...template }) => template);
  return { when, context_sources, templates };
}
