/**
 * A server whose definitions use secrets in every place that takes them, against receivers that give them back in every form; then a
 * search for them in everything that the server leaves behind and shows (I10).
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import {
  createDirectory,
  findPorts,
  readEndpoints,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";
import { define, envelope, finishedRuns, listTasks } from "../support/shared-server.ts";
import { readAnswers, readDatabases, readFiles, readHistories, readProcesses, type Traces } from "../support/traces.ts";

const random = () => crypto.randomUUID().replaceAll("-", "").slice(0, 16);
/** Of each secret, letters and digits that stay as they are in every form but base64; characters that others escape stand around them. */
const CORES = {
  file: random(),
  rotated: random(),
  key: random(),
  variable: random(),
  header: random(),
  password: random(),
  wrongPassword: random(),
};
/** What is no secret and goes the same ways: the search finds it. */
const CONTROL = `control-${random()}`;

const directory = createDirectory();
function put(name: string, value: string): void {
  const path = join(directory, name);
  writeFileSync(`${path}.new`, `${value}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

const received: string[] = [];
/** Answers what it got in many forms, with the status that its path says. */
const receiver = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const url = new URL(request.url);
    const got = [...url.searchParams.values(), ...request.headers.values(), await request.text()];
    received.push(got.join("\n"));
    const forms = got.flatMap((text) => [
      text,
      ...["", ".", ".."].map((before) => Buffer.from(before + text).toString("base64")),
      Buffer.from(text).toString("base64url"),
      encodeURIComponent(text),
      encodeURIComponent(text).replaceAll(/%../g, (hex) => hex.toLowerCase()),
      new URLSearchParams({ text }).toString(),
      JSON.stringify(JSON.stringify({ text })),
      Bun.escapeHTML(text),
    ]);
    const status = Number(url.pathname.slice(1));
    const token = encodeURIComponent(url.searchParams.get("token") ?? "");
    const headers = {
      "x-echo": encodeURI(forms.join(" ")).slice(0, 3000),
      ...(status === 302 && { location: `/${token}` }),
    };
    return Response.json(
      { control: CONTROL, forms, [request.headers.get("x-secret") ?? ""]: "as a key" },
      { status, headers },
    );
  },
});

const USES = {
  headers: { "x-secret": "{{ secret.HEADER }}", authorization: "Basic {{ base64('user:' + secret.HEADER) }}" },
  body: { text: "{{ secret.FILE }}", within: "a {{ secret.VARIABLE }} b {{ event.payload.note }}" },
};
const urlOf = (status: number) =>
  `${receiver.url.origin}/${status}?control=${CONTROL}&token={{ urlencode(secret.FILE) }}`;
const task = (key: string, params: object, rest = {}) => ({
  key,
  type: "http",
  retry: { max_attempts: 1 },
  params,
  ...rest,
});

let server: Server;
beforeAll(async () => {
  put("FILE", `F+${CORES.file}/"é&=\\<%41>`);
  put("HEADER", `H+${CORES.header}/==`);
  put("KEY", `-----BEGIN KEY-----\n${CORES.key}\n-----END KEY-----`);
  const flags = { ...(await findPorts()), logLevel: "debug", secretsDir: directory };
  const shop = (password: string) =>
    `postgresql://canary:${encodeURIComponent(password)}@127.0.0.1:${flags.postgresPort}/shop`;
  server = await startServer({
    flags,
    env: {
      ACTCORE_SECRET_VARIABLE: `V_${CORES.variable} +.'`,
      ACTCORE_SQL_SHOP: shop(`P${CORES.password}@:/é`),
      ACTCORE_SQL_LOCKED: shop(`W${CORES.wrongPassword}%`),
    },
  });
  await server.ready();
  const sql = postgres(readEndpoints(server).dbUrl, { max: 1 });
  await sql.unsafe(`create role canary login password 'P${CORES.password}@:/é'`);
  await sql.unsafe("create database shop owner canary");
  await sql.end();
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  receiver.stop(true);
  await server?.destroy();
});

interface Ended {
  id: string;
  type: string;
  status: string;
  run_id: string;
  tasks: Awaited<ReturnType<typeof listTasks>>;
}

/** Runs an activity by an event, and answers its run when it has ended. */
async function run(definition: Record<string, unknown>): Promise<Ended> {
  const { id, type } = await define(server, definition);
  return runAgain({ id, type }, 1);
}

async function runAgain({ id, type }: Pick<Ended, "id" | "type">, count: number): Promise<Ended> {
  await server.api("/events", { json: envelope(type, { payload: { note: "{{ secret.HEADER }}" } }) });
  const [row] = await finishedRuns(server, id, count);
  if (row === undefined) throw new Error("it has no run");
  return { id, type, status: row.status, run_id: row.run_id, tasks: await listTasks(server, row.run_id) };
}

let echo: Ended;
let dryRuns: string;

/** Where one of the secrets stands in the traces. */
function findSecrets(traces: Traces): string[] {
  const found: string[] = [];
  for (const [name, core] of Object.entries(CORES)) {
    // Of hexadecimal digits, both alphabets of base64 make the same.
    const forms = [
      core,
      ...[0, 1, 2].map((before) =>
        Buffer.from(".".repeat(before) + core)
          .toString("base64")
          .slice(4, -4),
      ),
    ];
    for (const [place, bytes] of traces)
      for (const form of forms) if (bytes.includes(form)) found.push(`${name} as ${form} in ${place}`);
  }
  return found;
}

test("secrets reach their receivers, a new value at once, and what these answer is recorded without them", async () => {
  echo = await run({
    context_sources: [
      { name: "crm", type: "http", url: urlOf(200), headers: USES.headers },
      { name: "orders", type: "sql", connection: "shop", query: "select $1::text as text", args: ["secret.FILE"] },
    ],
    task_templates: [
      task("first", { url: urlOf(200), ...USES }),
      task(
        "second",
        { url: urlOf(200), headers: USES.headers, body: "{{ json([context, tasks.first]) }}" },
        { depends_on: ["first"] },
      ),
    ],
  });
  expect(echo).toMatchObject({ status: "succeeded", tasks: [{ status: "succeeded" }, { status: "succeeded" }] });
  const { body: read } = await server.api(`/runs/${echo.run_id}`);
  expect(JSON.stringify(read)).toContain("***");
  expect(JSON.stringify(echo.tasks)).toContain(CONTROL);
  for (const name of ["file", "header", "variable"] as const)
    expect(received.filter((text) => text.includes(CORES[name])).length).toBeGreaterThan(0);
  // What an event says is no template.
  expect(received.filter((text) => text.includes("b {{ secret.HEADER }}")).length).toBeGreaterThan(0);

  put("FILE", `R+${CORES.rotated}/?~`);
  expect(await runAgain(echo, 2)).toMatchObject({ status: "succeeded" });
  expect(received.filter((text) => text.includes(CORES.rotated)).length).toBeGreaterThan(0);
});

test("a dry run that asks the context sources shows what they are by their names", async () => {
  const { body } = await server.api(`/activity-definitions/${echo.id}`);
  const { trigger_config, context_sources, task_templates } = body;
  const definition = { name: "not-stored", trigger_config, context_sources, task_templates };
  const event = envelope(echo.type, { payload: { note: "dry" } });
  const answers = await Promise.all([
    server.api(`/activity-definitions/${echo.id}/dry-run`, { json: { event, context: "fetch" } }),
    server.api(`/activity-definitions/${echo.id}/dry-run`, { json: { run_id: echo.run_id } }),
    server.api("/activity-definitions/dry-run", { json: { definition, event } }),
  ]);
  expect(answers.map(({ status, body }) => [status, body.code])).toEqual(Array(3).fill([200, undefined]));
  dryRuns = JSON.stringify(answers.map(({ body }) => body));
  for (const text of ["{{ secret.HEADER }}", CONTROL, "***"]) expect(dryRuns).toContain(text);
});

test("tasks and context sources that fail do not tell them", async () => {
  const closed = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const unreachable = `${closed.url.origin}/{{ secret.FILE }}?token={{ secret.FILE }}`;
  await closed.stop(true);
  const failing = await run({
    task_templates: [
      task("rejected", { url: urlOf(422), ...USES }),
      task("unavailable", { url: urlOf(503), ...USES }, { retry: { max_attempts: 2 } }),
      task("redirected", { url: urlOf(302), ...USES }),
      task("unreachable", { url: unreachable, ...USES }),
      task("invalid", { url: urlOf(200), headers: { "x-key": "{{ secret.KEY }}" } }),
    ],
  });
  expect(failing.status).toBe("failed");
  expect(failing.tasks.map(({ error }) => error.code).sort()).toEqual([
    ...["http_redirect", "http_request_invalid", "http_status", "http_status", "http_unreachable"],
  ]);

  const withoutContext = await run({
    context_sources: [
      { name: "crm", type: "http", url: urlOf(500), headers: USES.headers, retry: 1, optional: true },
      { name: "locked", type: "sql", connection: "locked", query: "select 1", retry: 0 },
    ],
  });
  expect(withoutContext).toMatchObject({ status: "failed", tasks: [] });

  const missing = await run({ task_templates: [task("mail", { url: urlOf(200), body: "{{ secret.NOT_THERE }}" })] });
  expect(missing).toMatchObject({ status: "failed", tasks: [] });
  const { body: told } = await server.api(`/runs/${missing.run_id}`);
  expect(JSON.stringify(told)).toContain("NOT_THERE");
});

test("they are in nothing that the server leaves behind and shows", async () => {
  const traces: Traces = new Map([
    ...(await readDatabases(server)),
    ...(await readHistories(server)),
    ...(await readAnswers(server)),
    ...readFiles(server.dataDir),
    ...readProcesses(server),
    ["dry runs", Buffer.from(dryRuns)],
    ["log", Buffer.from(server.stderr())],
    ["standard output", Buffer.from(server.stdout())],
  ]);
  expect(findSecrets(traces)).toEqual([]);

  // What the search would find: these texts are no secrets, and went the same ways.
  const isFound = ([text, place]: readonly [string, RegExp]) =>
    [...traces].some(([name, bytes]) => place.test(name) && bytes.includes(text));
  const controls = [
    [CONTROL, /^table actcore\.actcore\.tasks$/],
    [CONTROL, /^table actcore\.actcore\.runs$/],
    [CONTROL, /^GET \/tasks\/./],
    [CONTROL, /^GET \/runs\/./],
    ["answered 422", /^table temporal\./],
    ["answered 422", /^history of/],
    ["answered 422", /^log$/],
    ["NOT_THERE", /^file \/.*postgres/],
    ["actcore_task_attempts_total", /^GET \/metrics of the monitor$/],
  ] as const;
  expect(controls.filter((control) => !isFound(control))).toEqual([]);

  const environments = [...traces].filter(([place]) => place.startsWith("environment of"));
  expect(environments.length).toBeGreaterThanOrEqual(4);
  for (const [, environment] of environments)
    expect(String(environment)).not.toMatch(/ACTCORE_S|CREDENTIALS_DIRECTORY/);
}, 120_000);
