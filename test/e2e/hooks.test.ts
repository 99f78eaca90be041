/**
 * A push, told by GitHub's webhook as docs/examples has it, through the listener of the hooks: verified, once an event, and a chain of
 * tasks; and what that listener refuses. The compiled binary.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import type { RunView } from "../../src/explain/run-view.ts";
import { eventually } from "../support/engines.ts";
import { besides, createDirectory, findPorts, SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { finishedRuns } from "../support/shared-server.ts";

const SECRET = "github-secret-of-this-test";
const directory = createDirectory();
const [origin, work, definitions] = ["origin", "work", "definitions"].map((name) => join(directory, name)) as [
  string,
  string,
  string,
];
const received: unknown[] = [];
const chat = Bun.serve({
  ...{ hostname: "127.0.0.1", port: 0 },
  async fetch(request) {
    received.push(await request.json());
    return Response.json({});
  },
});
let server: Server;
let hooksUrl: string;
let activityId: string;

beforeAll(async () => {
  for (const path of [origin, definitions]) mkdirSync(path);
  git(origin, "init", "--quiet", "--initial-branch=main");
  writeFileSync(
    join(origin, "Makefile"),
    "site:\n\techo built > site.html\npublish:\n\tcp site.html ../published.html\n",
  );
  git(origin, "add", ".");
  git(origin, "commit", "--quiet", "--message=A site");
  git(directory, "clone", "--quiet", origin, work);
  const example = await Bun.file(join(REPOSITORY, "docs/examples/github-push.yaml")).text();
  const local = example
    .replace("enabled: false", "enabled: true")
    .replaceAll("/var/lib/builds/site", work)
    .replace("https://chat.local", `http://127.0.0.1:${chat.port}`);
  writeFileSync(join(definitions, "github-push.yaml"), local);
  const ports = await findPorts();
  const hooksAddr = besides(ports, 1).apiAddr as string;
  hooksUrl = `http://${hooksAddr}`;
  server = await startServer({
    env: { ACTCORE_SECRET_GITHUB_HOOK: SECRET },
    flags: { ...ports, hooksAddr, definitionsDirs: definitions },
  });
  await server.ready();
  activityId = await eventually("the file is synced", async () => {
    const { body } = await server.api("/activity-definitions?limit=100");
    return body.find(({ name }: { name: string }) => name === "publish-site")?.id;
  });
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  chat.stop(true);
  await server?.destroy();
});

function git(cwd: string, ...argv: string[]): string {
  const identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
  const { exitCode, stdout, stderr } = Bun.spawnSync(["git", ...identity, ...argv], { cwd });
  if (exitCode !== 0) throw new Error(`git ${argv.join(" ")}: ${stderr}`);
  return stdout.toString().trim();
}

/** As GitHub sends it. */
function headersOf(body: string, delivery: string, event = "push"): Record<string, string> {
  return {
    "content-type": "application/json",
    "x-github-delivery": delivery,
    "x-github-event": event,
    "x-hub-signature-256": `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`,
  };
}

async function post(url: string, body: string, headers: Record<string, string>) {
  const response = await fetch(url, { method: "POST", body, headers });
  return { status: response.status, body: await response.json() };
}

test("a push starts its chain of tasks once, however often and wherever GitHub tells of it", async () => {
  const push = JSON.stringify({
    ref: "refs/heads/main",
    after: git(origin, "rev-parse", "HEAD"),
    deleted: false,
    repository: { full_name: "acme/site" },
    pusher: { name: "ada" },
    head_commit: { message: "A site" },
  });
  const headers = headersOf(push, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
  const event_id = "github:72d3162e-cc78-11e3-81ab-4c9367dc0958";
  // The name by which the outside knows the host, and an origin, are nobody's business.
  const outside = { ...headers, host: "hooks.example.org", origin: "https://github.com" };
  expect(await post(`${hooksUrl}/hooks/github`, push, outside)).toEqual({ status: 202, body: { event_id } });

  const [run] = await finishedRuns(server, activityId, 1, 30_000);
  const { body: view } = await server.api<RunView>(`/runs/${run?.run_id}`);
  expect(view.status).toBe("succeeded");
  expect(await Bun.file(join(directory, "published.html")).text()).toBe("built\n");
  expect(received).toEqual([{ text: "ada: A site: succeeded" }]);

  const api = `http://${server.flags.apiAddr}`;
  for (const url of [hooksUrl, api])
    expect(await post(`${url}/hooks/github`, push, headers)).toEqual({ status: 202, body: { event_id } });
  // It is handled after the repetitions, in the order of the stream.
  const ping = '{"zen": "Keep it logically awesome."}';
  expect((await post(`${hooksUrl}/hooks/github`, ping, headersOf(ping, "2", "ping"))).status).toBe(202);
  await eventually("the ping is recorded", async () => (await server.api("/events/github:2")).status === 200);
  const { body: event } = await server.api(`/events/${event_id}`);
  expect(event).toMatchObject({
    type: "github.push",
    source: "hook:github",
    subject: "acme/site",
    outcome: "dispatched",
  });
  expect((await finishedRuns(server, activityId, 1, 5_000)).length).toBe(1);
}, 60_000);

test("what is not signed, not a request to a hook, or too large is refused by name", async () => {
  const body = '{"a": 1}';
  const good = headersOf(body, "3");
  const { "x-hub-signature-256": _, ...unsigned } = good;
  const hook = `${hooksUrl}/hooks/github`;
  const codeOf = async (url: string, sent: string, headers: Record<string, string>) => {
    const { status, body: problem } = await post(url, sent, headers);
    return [status, problem.code];
  };
  expect(await codeOf(hook, body, unsigned)).toEqual([401, "signature_missing"]);
  expect(await codeOf(hook, JSON.stringify(JSON.parse(body)), good)).toEqual([401, "signature_invalid"]);
  expect(await codeOf(`${hooksUrl}/hooks/gitlab`, body, good)).toEqual([404, "hook_not_found"]);
  expect(await codeOf(hook, body, { ...good, "content-encoding": "gzip" })).toEqual([415, "unsupported_media_type"]);
  expect(await codeOf(hook, " ".repeat(1_048_577), good)).toEqual([413, "body_too_large"]);
  for (const path of ["/events", "/hooks", "/admin/sync", "/activity-definitions"])
    expect(await codeOf(hooksUrl + path, body, good)).toEqual([404, "not_found"]);
  const read = await fetch(hook);
  expect([read.status, read.headers.get("allow")]).toEqual([405, "POST"]);
  expect((await fetch(`${hooksUrl}/healthz`)).status).toBe(200);
});

test("a delivery that the hook makes no event of is found under the id that its event would have had", async () => {
  const body = '{"ref": ';
  const sent = headersOf(body, "4");
  const answer = await post(`${hooksUrl}/hooks/github`, body, sent);
  expect(answer).toMatchObject({ status: 422, body: { code: "mapping_failed", errors: [{ path: "/body" }] } });
  const { body: events } = await server.api("/events?outcome=dead_lettered");
  expect(events).toMatchObject([{ reason: "mapping_failed", subject: "hook:github", carried_id: "github:4" }]);
  const { body: letter } = await server.api("/events/github:4");
  expect(Buffer.from(letter.raw_base64, "base64").toString()).toEndWith(`\r\n\r\n${body}`);
});
