/** Everything that a server leaves behind and shows: databases, histories, files, metrics, answers, and its processes. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import postgres from "postgres";
import { readEndpoints, type Server } from "./server.ts";

/** By where it was found. */
export type Traces = Map<string, Buffer>;

/** Of each table of each database: its rows as text, with `bytea` columns as the bytes that they hold. */
export async function readDatabases(server: Server): Promise<Traces> {
  const { dbUrl } = readEndpoints(server);
  const traces: Traces = new Map();
  const inDatabase = async <T>(name: string, body: (sql: postgres.Sql) => Promise<T>): Promise<T> => {
    const url = new URL(dbUrl);
    url.pathname = `/${name}`;
    const sql = postgres(url.href, { max: 1, onnotice: () => {} });
    return body(sql).finally(() => sql.end());
  };
  const databases = await inDatabase(
    "postgres",
    (sql) => sql`select datname from pg_database where datallowconn and not datistemplate`,
  );
  for (const { datname } of databases)
    await inDatabase(datname, async (sql) => {
      const tables = await sql`select format('%I.%I', schemaname, tablename) as name from pg_tables`;
      for (const { name } of tables) {
        const rows = await sql.unsafe(`select t::text as text from ${name} t`);
        const parts = rows.flatMap((row) => String(row.text).split(/(\\x(?:[0-9a-f]{2})+)/));
        const bytes = parts.map((part) =>
          part.startsWith("\\x") ? Buffer.from(part.slice(2), "hex") : Buffer.from(part),
        );
        traces.set(`table ${datname}.${name}`, Buffer.concat(bytes));
      }
    });
  return traces;
}

/** Of each workflow: its history as the engine's API answers it, with payloads as the bytes that they hold. */
export async function readHistories(server: Server): Promise<Traces> {
  const connection = await Connection.connect({ address: readEndpoints(server).temporalHost });
  const { workflow } = new Client({ connection });
  const traces: Traces = new Map();
  try {
    for await (const { workflowId, runId } of workflow.list()) {
      const history = await workflow.getHandle(workflowId, runId).fetchHistory();
      const text = JSON.stringify(history, (_, value) =>
        value?.type === "Buffer" ? Buffer.from(value.data).toString() : value,
      );
      traces.set(`history of ${workflowId} ${runId}`, Buffer.from(text));
    }
  } finally {
    await connection.close();
  }
  return traces;
}

/** Every file below the directory: the engines' data and logs. */
export function readFiles(directory: string): Traces {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const traces: Traces = new Map();
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name);
    try {
      traces.set(`file ${path.slice(directory.length)}`, readFileSync(path));
    } catch {
      // Its engine has removed it in the meantime.
    }
  }
  return traces;
}

/** What the list of processes shows of all that run on this machine, and the environment of those that this server started. */
export function readProcesses({ pid, dataDir }: Server): Traces {
  const traces: Traces = new Map();
  for (const each of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      traces.set(`command line of ${each}`, readFileSync(`/proc/${each}/cmdline`));
      const environment = readFileSync(`/proc/${each}/environ`);
      const program = readlinkSync(`/proc/${each}/exe`).split("/").at(-1);
      if (Number(each) !== pid && environment.includes(dataDir))
        traces.set(`environment of ${program} ${each}`, environment);
    } catch {
      // It has ended, or is somebody else's.
    }
  }
  return traces;
}

/** The answers to GET requests: of the lists of the API, of each of their rows, and of the monitor. */
export async function readAnswers(server: Server): Promise<Traces> {
  const traces: Traces = new Map();
  // biome-ignore lint/suspicious/noExplicitAny: rows of any list
  const get = async (path: string): Promise<any> => {
    const { body } = await server.api(path);
    traces.set(`GET ${path}`, Buffer.from(JSON.stringify(body)));
    return body;
  };
  for (const { id } of await get("/activity-definitions?limit=500"))
    for (const more of ["", "/versions", "/versions/1"]) await get(`/activity-definitions/${id}${more}`);
  for (const { run_id } of await get("/runs?limit=500")) await get(`/runs/${run_id}`);
  for (const { task_id } of await get("/tasks?limit=500")) await get(`/tasks/${task_id}`);
  for (const { event_id } of await get("/events?limit=500")) await get(`/events/${encodeURIComponent(event_id)}`);
  for (const path of ["/audit?limit=500", "/admin/syncs", "/event-types"]) await get(path);
  for (const path of ["/metrics", "/readyz", "/healthz"])
    traces.set(`GET ${path} of the monitor`, Buffer.from((await server.monitor(path)).text));
  return traces;
}
