/** Engines and a receiver whose certificates a company's own authority made: one setting makes a server trust them all. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { createServer } from "node:tls";
import { unpackEngines } from "../../src/engines/archive.ts";
import { type EngineSet, startEngines } from "../../src/engines/engine-set.ts";
import { createLog } from "../../src/kernel/log.ts";
import { openPostgres } from "../../src/postgres/client.ts";
import { createTestConfig, eventually, removeDataDir } from "../support/engines.ts";
import { createDirectory, readEndpoints, run, SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns, listTasks } from "../support/shared-server.ts";

const CERTIFICATES = `${import.meta.dir}/../support/certificates`;
const CA_FILE = `${CERTIFICATES}/ca.pem`;
const [key, cert] = [`${CERTIFICATES}/server.key`, `${CERTIFICATES}/server.pem`];

const receiver = Bun.serve({
  port: 0,
  tls: { key: Bun.file(key), cert: Bun.file(cert) },
  fetch: () => new Response("over TLS"),
});
const ends: (() => unknown)[] = [() => receiver.stop(true)];
let dbUrl: string;
let natsUrl: string;
let server: Server;

/** An embedded Postgres that speaks TLS, as somebody's own would. */
async function startPostgres(): Promise<void> {
  const config = await createTestConfig({ natsUrl: "nats://127.0.0.1:1", temporalHost: "127.0.0.1:1" });
  ends.push(() => removeDataDir(config));
  const set: EngineSet = await startEngines(config, { log: createLog("error"), signal: new AbortController().signal });
  ends.push(() => set.close());
  const plain = openPostgres(set.endpoints.dbUrl ?? "", "test", 1);
  const [row] = await plain.sql`show data_directory`;
  const directory = row?.data_directory as string;
  const { uid, gid } = statSync(directory);
  for (const [from, to] of [
    [key, "server.key"],
    [cert, "server.crt"],
  ] as const) {
    copyFileSync(from, `${directory}/${to}`);
    chownSync(`${directory}/${to}`, uid, gid);
    chmodSync(`${directory}/${to}`, 0o600);
  }
  await plain.sql`alter system set ssl = on`;
  await plain.sql`select pg_reload_conf()`;
  await eventually("Postgres speaks TLS", async () => (await plain.sql`show ssl`)[0]?.ssl === "on");
  await plain.close();
  dbUrl = `${(set.endpoints.dbUrl ?? "").replace("127.0.0.1", "localhost")}?sslmode=verify-full`;
}

async function startNats(): Promise<void> {
  const config = await createTestConfig();
  ends.push(() => removeDataDir(config));
  const binaries = await unpackEngines(config.cacheDir, { onProgress() {}, signal: new AbortController().signal });
  const { natsPort: port } = config;
  const args = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", createDirectory()];
  const child = Bun.spawn([binaries.nats, ...args, "--tls", `--tlscert=${cert}`, `--tlskey=${key}`], {
    stderr: "ignore",
  });
  ends.push(() => child.kill("SIGKILL"));
  natsUrl = `tls://localhost:${port}`;
}

beforeAll(async () => {
  await Promise.all([startPostgres(), startNats()]);
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

test(
  "a Postgres with a certificate of an internal CA is not trusted without ACTCORE_CA_FILE",
  async () => {
    const { code, stderr } = await run(["migrate", `--db-url=${dbUrl}`]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/certificate/i);
  },
  SERVER_TIMEOUT_MS,
);

test(
  "with ACTCORE_CA_FILE Postgres, the embedded Temporal on it, NATS and a task's receiver are trusted",
  async () => {
    server = await startServer({ env: { ACTCORE_CA_FILE: CA_FILE, ACTCORE_DB_URL: dbUrl, NATS_URL: natsUrl } });
    ends.push(() => server.destroy());
    await server.ready();
    const params = { url: `https://localhost:${receiver.port}/`, method: "GET" };
    const { id, type } = await define(server, { task_templates: [{ key: "call", type: "http", params }] });
    await server.api("/events", { json: envelope(type) });
    const [done] = await finishedRuns(server, id);
    const tasks = await listTasks(server, done?.run_id as string);
    expect(tasks).toMatchObject([{ status: "succeeded", result: { body: "over TLS" } }]);
  },
  SERVER_TIMEOUT_MS,
);

test(
  "with ACTCORE_CA_FILE a Temporal that is reached over TLS is trusted, by the client and by the workers",
  async () => {
    const [, inner] = readEndpoints(server).temporalHost.split(":");
    const tls = { key: readFileSync(key), cert: readFileSync(cert), ALPNProtocols: ["h2"] };
    const relay = createServer(tls, (socket) => {
      const behind = connect({ host: "127.0.0.1", port: Number(inner) });
      for (const end of [socket, behind]) end.on("error", () => {});
      socket.pipe(behind).pipe(socket);
    });
    await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
    ends.push(() => relay.close());
    const { port } = relay.address() as { port: number };
    const temporal = { TEMPORAL_HOST: `localhost:${port}`, TEMPORAL_TLS: "true" };
    const env = { ACTCORE_CA_FILE: CA_FILE, ACTCORE_DB_URL: dbUrl, NATS_URL: natsUrl, ...temporal };
    const worker = await startServer({ roles: "worker", env });
    ends.push(() => worker.destroy());
    await worker.ready();
  },
  SERVER_TIMEOUT_MS,
);
