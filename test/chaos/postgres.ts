/**
 * Postgres is killed under writers. Once it is back, no request meets a connection that was lost with it, every change
 * that was answered with success stands, and no change stands by half.
 */
import postgres from "postgres";
import { eventually } from "../support/engines.ts";
import { type Answer, readEndpoints, readStatus, type Server } from "../support/server.ts";

const WRITERS = 14;
/** Requests after each recovery: more than the pool has connections, so that each of these is asked. */
const PROBES = 40;
/** An answer that takes longer waited for a connection that nothing comes from. */
const ANSWER_WITHIN_MS = 4_000;

interface Writer {
  id: string;
  /** Changes that were answered with 200. */
  accepted: number;
}

export async function killPostgres(server: Server, kills: number): Promise<void> {
  const writers = await Promise.all(
    Array.from({ length: WRITERS }, async (): Promise<Writer> => {
      const name = `writer-${crypto.randomUUID()}`;
      const trigger_config = { trigger_type: "event", event_type: name };
      const { status, body } = await server.api("/activity-definitions", { json: { name, trigger_config } });
      if (status !== 201) throw new Error(JSON.stringify(body));
      return { id: body.id, accepted: 0 };
    }),
  );
  for (let kill = 0; kill < kills; kill++) {
    let writing = true;
    const refused = new Set<string>();
    const loops = writers.map(async (writer) => {
      while (writing) refused.add(await outcomeOf(change(server, writer)));
    });
    await Bun.sleep(500);
    const engine = (await readStatus(server)).engines.find(({ name }) => name === "postgres");
    process.kill(engine?.pid ?? 0, "SIGKILL");
    await eventually("Postgres answers", () => answers(readEndpoints(server).dbUrl), 60_000);
    await server.ready();
    writing = false;
    await Promise.all(loops);
    refused.delete("200");
    const probes = Array.from({ length: PROBES }, async (_, nth) => {
      const startedMs = Date.now();
      const outcome = await outcomeOf(change(server, writers[nth % WRITERS] as Writer));
      return { outcome, ms: Date.now() - startedMs };
    });
    const slow = (await Promise.all(probes)).filter(({ outcome, ms }) => outcome !== "200" || ms > ANSWER_WITHIN_MS);
    console.log(
      `  kill ${kill + 1}: meanwhile ${[...refused].join(", ") || "nothing refused"}; afterwards ${slow.length} of ${PROBES} not answered well`,
    );
    if (slow.length > 0) throw new Error(`after Postgres was back: ${JSON.stringify(slow)}`);
  }
  for (const writer of writers) await assertWhole(server, writer);
}

async function answers(dbUrl: string): Promise<boolean> {
  const sql = postgres(dbUrl, { max: 1, connect_timeout: 2, onnotice: () => {} });
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function change(server: Server, writer: Writer): Promise<Answer<unknown>> {
  const params = { message: crypto.randomUUID() };
  const body = JSON.stringify({ task_templates: [{ key: "log", type: "log", params }] });
  const headers = { "content-type": "application/json" };
  const answer = await server.api(`/activity-definitions/${writer.id}`, { method: "PATCH", body, headers });
  if (answer.status === 200) writer.accepted++;
  return answer;
}

async function outcomeOf(request: Promise<Answer<unknown>>): Promise<string> {
  try {
    const { status, body } = await request;
    return status === 200 ? "200" : `${status} ${(body as { detail?: string }).detail}`;
  } catch (error) {
    return (error as Error).name;
  }
}

/** A change writes the definition and a version of it: as many of these as its number says, and as were accepted. */
async function assertWhole(server: Server, { id, accepted }: Writer): Promise<void> {
  const { body: definition } = await server.api(`/activity-definitions/${id}`);
  let versions = 0;
  for (let path: string | undefined = `/activity-definitions/${id}/versions?limit=500`; path !== undefined; ) {
    const { headers, body }: Answer<unknown[]> = await server.api(path);
    versions += body.length;
    path = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
  }
  if (versions !== definition.version || versions < 1 + accepted)
    throw new Error(`${versions} versions of ${definition.version}, and ${accepted} changes were accepted`);
}
