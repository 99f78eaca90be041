/** One whole server for all e2e tests that do not end it; it ends with the test process (leash.ts). */
import type { EventEnvelope } from "../../src/event/envelope.ts";
import { eventually } from "./engines.ts";
import { type Answer, type Server, startServer } from "./server.ts";

const SHARED = Symbol.for("actcore.test.server");

/** Started by the first call, and ready. */
export function useServer(): Promise<Server> {
  // On globalThis: each test file may get its own copy of this module.
  const shared = globalThis as { [SHARED]?: Promise<Server> };
  shared[SHARED] ??= startServer().then(async (server) => {
    await server.ready();
    return server;
  });
  return shared[SHARED];
}

type Api = Pick<Server, "api">;

/** Creates a definition, by default for events of a type of its own with one log task, and answers its id and that type. */
export async function define(
  { api }: Api,
  overrides: Record<string, unknown> = {},
): Promise<{ id: string; name: string; type: string }> {
  const name = `test-${crypto.randomUUID()}`;
  const type = `${name}.happened`;
  const { status, body } = await api("/activity-definitions", {
    json: {
      name,
      trigger_config: { trigger_type: "event", event_type: type },
      task_templates: [{ key: "note", type: "log", params: { message: "it happened" } }],
      ...overrides,
    },
  });
  if (status !== 201) throw new Error(`no definition: ${JSON.stringify(body)}`);
  return { id: body.id, name, type };
}

export function envelope(type: string, more: Partial<EventEnvelope> = {}): EventEnvelope {
  return {
    event_id: crypto.randomUUID(),
    type,
    source: "e2e",
    occurred_at: new Date().toISOString(),
    payload: {},
    ...more,
  };
}

export interface RunRow {
  run_id: string;
  status: string;
  trigger: string;
  event_id: string;
  workflow_id: string;
  trace_id: string;
  error: string | null;
  fired_at: string;
  finished_at: string | null;
}

/** All runs of an activity, over all pages. */
export async function listRuns({ api }: Api, activityId: string): Promise<RunRow[]> {
  const rows: RunRow[] = [];
  for (let path: string | undefined = `/runs?activity_id=${activityId}&limit=500`; path !== undefined; ) {
    const { headers, body }: Answer<RunRow[]> = await api(path);
    rows.push(...body);
    path = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
  }
  return rows;
}

/** Waits until the activity has `count` runs, all of them finished, and answers them. */
export async function finishedRuns(server: Api, activityId: string, count = 1, withinMs = 20_000): Promise<RunRow[]> {
  let seen = "none";
  try {
    return await eventually(
      `${count} finished runs`,
      async () => {
        const rows = await listRuns(server, activityId).catch(() => []);
        seen = JSON.stringify(
          Object.groupBy(rows, ({ status }) => status),
          (key, value) => (Array.isArray(value) && key !== "" ? value.length : value),
        );
        return rows.length >= count && rows.every(({ finished_at }) => finished_at !== null) && rows;
      },
      withinMs,
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}; seen: ${seen}`);
  }
}

/** The tasks of a run, each as it is read alone. */
export async function listTasks({ api }: Api, runId: string) {
  const { body: listed } = await api<{ task_id: string }[]>(`/tasks?run_id=${runId}`);
  const read = ({ task_id }: { task_id: string }) =>
    api<{
      task_id: string;
      idempotency_key: string;
      status: string;
      attempts: number;
      result: never;
      error: { code: string; message: string };
    }>(`/tasks/${task_id}`);
  return (await Promise.all(listed.map(read))).map(({ body }) => body);
}
