/**
 * The definitions of docs/examples that do jobs, run by the compiled binary as files, with directories, hosts and receivers of the
 * test in place of those that are made up, and read back.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import type { RunView } from "../../src/explain/run-view.ts";
import { eventually } from "../support/engines.ts";
import { PYTHON_TIMEOUT_MS, preparePython } from "../support/python.ts";
import { createDirectory, findPorts, SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { envelope, finishedRuns, listTasks } from "../support/shared-server.ts";
import { startSmtpServer } from "../support/smtp-server.ts";

let server: Server;
let mails: Awaited<ReturnType<typeof startSmtpServer>>;
const ids = new Map<string, string>();
const directory = createDirectory();
const [source, target, repository, work] = ["www", "backups", "shop.git", "build"].map((name) => join(directory, name));
let received: { path: string; body: unknown }[] = [];
const receiver = Bun.serve({
  ...{ hostname: "127.0.0.1", port: 0 },
  async fetch(request) {
    received.push({ path: new URL(request.url).pathname, body: await request.json() });
    return Response.json({});
  },
});
/** Two hosts whose certificates end in three days and in two months. */
const hosts = [3, 60].map((days) => {
  const [key, cert] = [`${directory}/${days}.key`, `${directory}/${days}.pem`];
  const subject = ["-subj", "/CN=localhost", "-days", String(days), "-keyout", key, "-out", cert];
  call(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", ...subject]);
  const tls = { key: Bun.file(key), cert: Bun.file(cert) };
  return Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: () => new Response("") });
});

function call(argv: string[], cwd = directory): void {
  const { exitCode, stderr } = Bun.spawnSync(argv, { cwd });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
}

/** As the file has it, enabled, with what is of this test in place of what is made up. */
async function exampleFor(file: string): Promise<string> {
  const text = await Bun.file(join(REPOSITORY, "docs/examples", file)).text();
  const soon = new Date(Date.now() + 15_000).toISOString().replace(/\.\d+Z$/, "Z");
  return text
    .replaceAll("enabled: false", "enabled: true")
    .replace(/https:\/\/\w+\.local/g, `http://127.0.0.1:${receiver.port}`)
    .replaceAll("/var/www", source as string)
    .replaceAll("/var/backups/www", target as string)
    .replaceAll("/srv/git/shop.git", repository as string)
    .replaceAll("/var/lib/builds/shop", work as string)
    .replace("[shop.local:443, mail.local:443]", `[${hosts.map(({ port }) => `localhost:${port}`).join(", ")}]`)
    .replace(/run_at: ".*"\n {2}timezone: .*/, `run_at: "${soon}"`);
}

const FILES = ["nightly-backup", "release", "certificates", "reminder", "access-request", "tell-of-failures"];

beforeAll(async () => {
  const definitions = join(directory, "definitions");
  for (const path of [definitions, source, target]) mkdirSync(path as string);
  const write = async (file: string) =>
    writeFileSync(join(definitions, `${file}.yaml`), await exampleFor(`${file}.yaml`));
  for (const file of FILES) if (file !== "reminder") await write(file);
  writeFileSync(join(source as string, "index.html"), "hello");
  mails = await startSmtpServer(await preparePython());
  server = await startServer({
    env: {
      ACTCORE_SMTP_URL: `smtp://localhost:${mails.port}`,
      ACTCORE_MAIL_FROM: "actcore@example.org",
      ACTCORE_PUBLISH_OUTCOME: "true",
    },
    flags: { ...(await findPorts()), definitionsDirs: definitions },
  });
  await server.ready();
  await write("reminder"); // its time is not past when it is read, however long the start took
  expect((await server.api("/admin/sync", { method: "POST" })).status).toBe(200);
  await eventually("the files are synced", async () => {
    const { body } = await server.api("/activity-definitions?limit=100");
    for (const { id, name } of body) ids.set(name, id);
    return ids.size === FILES.length + 1;
  });
}, PYTHON_TIMEOUT_MS + SERVER_TIMEOUT_MS);
beforeEach(() => {
  received = [];
  mails.received.length = 0;
});
afterAll(async () => {
  receiver.stop(true);
  for (const host of hosts) host.stop(true);
  await server?.destroy();
  await mails?.stop();
});

const idOf = (name: string) => ids.get(name) ?? expect.unreachable(`${name} is synced`);
const trigger = (name: string, payload: object = {}) =>
  server.api(`/activity-definitions/${idOf(name)}/trigger`, { json: { payload } });
async function lastRun(name: string, count = 1): Promise<RunView> {
  const [run] = await finishedRuns(server, idOf(name), count, 40_000);
  return (await server.api<RunView>(`/runs/${run?.run_id}`)).body;
}
const statusesOf = ({ tasks }: RunView): Record<string, string> =>
  Object.fromEntries(tasks.map(({ key, status }) => [key, status]));
/** The mail of reminder.yaml comes at its time, in the midst of whichever test. */
const isReminder = ({ content }: { content: string }) => /^Subject: Renew /m.test(content);
/** tell-of-failures.yaml mails each failed run of all activities, beside what the activities mail themselves. */
const isOfFailures = ({ content }: { content: string }) => /^Subject: [\w-]+ failed\r?$/m.test(content);
const ownMails = () => mails.received.filter((mail) => !isOfFailures(mail) && !isReminder(mail));
const subjects = () => ownMails().map(({ content }) => /^Subject: (.*)$/m.exec(content)?.[1]);

describe("nightly-backup.yaml", () => {
  test("packs the directory, removes what is older than two weeks, and writes to nobody", async () => {
    const old = join(target as string, "www-2020-01-01.tar.gz");
    writeFileSync(old, "");
    utimesSync(old, new Date("2020-01-01"), new Date("2020-01-01"));
    await trigger("nightly-backup");
    const run = await lastRun("nightly-backup");
    expect([run.status, statusesOf(run)]).toEqual(["succeeded", { pack: "succeeded", prune: "succeeded" }]);
    expect(readdirSync(target as string)).toEqual([expect.stringMatching(/^www-\d{4}-\d\d-\d\d\.tar\.gz$/)]);
    expect(subjects()).toEqual([]);
  }, 60_000);

  test("writes to the operator when it fails, with what the command said", async () => {
    const before = join(directory, "moved");
    call(["mv", source as string, before]);
    await trigger("nightly-backup");
    const run = await lastRun("nightly-backup", 2);
    call(["mv", before, source as string]);
    expect([run.status, statusesOf(run)]).toEqual(["failed", { pack: "failed", prune: "skipped", tell: "succeeded" }]);
    expect(subjects()).toEqual(["The nightly backup failed"]);
    expect(ownMails()[0]?.content).toContain("No such file or directory");
    const mail = await eventually("the failed run is mailed about", () => mails.received.find(isOfFailures));
    expect(mail.content).toContain("Subject: nightly-backup failed");
    // Long lines of a mail are broken by `=`.
    expect(mail.content.replaceAll("=\r\n", "")).toContain(`Its run: /runs/${run.run_id}`);
  }, 60_000);
});

describe("release.yaml", () => {
  beforeAll(() => {
    const clone = join(directory, "checkout");
    call(["git", "init", "--quiet", "--bare", repository as string]);
    call(["git", "clone", "--quiet", repository as string, clone]);
    writeFileSync(join(clone, "Makefile"), 'test:\n\ttrue\nbuild:\n\techo "$(VERSION)" > built\n');
    const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    call(["git", "add", "."], clone);
    call(["git", ...identity, "commit", "--quiet", "-m", "First"], clone);
    call(["git", "tag", "v1.4.0"], clone);
    call(["git", "push", "--quiet", "--tags", "origin", "HEAD"], clone);
  });

  test("does its steps one after the other when it is started by hand", async () => {
    await trigger("release", { tag: "v1.4.0" });
    const run = await lastRun("release");
    const done = { checkout: "succeeded", test: "succeeded", build: "succeeded", tell: "succeeded" };
    expect([run.status, statusesOf(run)]).toEqual(["succeeded", done]);
    expect(await Bun.file(join(work as string, "built")).text()).toBe("v1.4.0\n");
    expect(received).toEqual([{ path: "/hooks/releases", body: { text: "v1.4.0: succeeded" } }]);
  }, 60_000);

  test("skips what is no version, and says why", async () => {
    await trigger("release", { tag: "v1; rm -rf /" });
    expect(await lastRun("release", 2)).toMatchObject({ status: "skipped", reason: "condition" });
  }, 60_000);

  test("tells of a step that failed, and does none after it", async () => {
    await trigger("release", { tag: "v9.9.9" });
    const run = await lastRun("release", 3);
    const done = { checkout: "failed", test: "skipped", build: "skipped", tell: "succeeded" };
    expect([run.status, statusesOf(run)]).toEqual(["failed", done]);
    const { body } = await server.api(`/tasks/${run.tasks.find(({ key }) => key === "checkout")?.task_id}`);
    expect(body.output.text).toContain("v9.9.9");
  }, 60_000);
});

test("certificates.yaml writes about the hosts whose certificates end soon", async () => {
  await trigger("certificates");
  const run = await lastRun("certificates");
  expect(run.tasks.map(({ key, instance, status }) => [key, instance, status])).toEqual(
    expect.arrayContaining([
      ["check", 0, "failed"],
      ["check", 1, "succeeded"],
      ["tell", null, "succeeded"],
    ]),
  );
  expect(subjects()).toEqual(["1 certificates need attention"]);
}, 60_000);

describe("access-request.yaml", () => {
  const request = { who: "ada", system: "billing", reason: "month's end", email: "ada@example.org" };

  async function ask(count: number) {
    await server.api("/events", { json: envelope("access.requested", { payload: request }) });
    const waiting = await eventually("a manager is asked", async () => {
      const { body } = await server.api("/tasks?group=managers");
      return body.length === 1 && body[0];
    });
    await finishedRuns(server, idOf("write-to-managers"), count, 30_000);
    const { headers, body } = await server.api(`/tasks/${waiting.task_id}`);
    return { task: body, tag: headers.get("etag") ?? "" };
  }
  const act = (taskId: string, action: string, tag: string, json: object) =>
    server.api(`/tasks/${taskId}/${action}`, {
      ...{ method: "POST", body: JSON.stringify(json) },
      headers: { "content-type": "application/json", "if-match": tag },
    });

  test("grants what a manager approves, and has written to the managers", async () => {
    const { task, tag } = await ask(1);
    expect(task.human).toMatchObject({ title: "ada asks for access to billing", state: "open" });
    expect(subjects()).toEqual(["ada asks for access to billing"]);
    expect((await act(task.task_id, "complete", tag, { as: "bob", answer: { level: "admin" } })).status).toBe(422);
    expect((await act(task.task_id, "complete", tag, { as: "bob", answer: { level: "read" } })).status).toBe(200);
    const run = await lastRun("access-request");
    expect([run.status, statusesOf(run)]).toEqual(["succeeded", { approve: "succeeded", grant: "succeeded" }]);
    expect(received).toEqual([
      { path: "/grants", body: { who: "ada", system: "billing", level: "read", approved_by: "bob" } },
    ]);
  }, 60_000);

  test("grants nothing that a manager rejects, and says why to whoever asked", async () => {
    const { task, tag } = await ask(2);
    await act(task.task_id, "reject", tag, { as: "bob", comment: "ask your own manager" });
    const run = await lastRun("access-request", 2);
    expect([run.status, statusesOf(run)]).toEqual(["succeeded", { approve: "failed", decline: "succeeded" }]);
    expect(received).toEqual([]);
    expect(subjects()).toEqual(["ada asks for access to billing", "No access to billing"]);
    expect(ownMails()[1]?.content).toContain("bob rejected it: ask your own manager");
  }, 60_000);
});

test("reminder.yaml writes one mail at its time", async () => {
  const run = await lastRun("renew-the-domain");
  expect([run.status, run.trigger]).toEqual(["succeeded", "scheduled"]);
  expect(await listTasks(server, run.run_id)).toMatchObject([{ key: "remind", status: "succeeded", attempts: 1 }]);
}, 60_000);
