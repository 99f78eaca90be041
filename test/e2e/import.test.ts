/** Activities that the compiled binary makes of a crontab and of Celery's periodic tasks do what these did. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownAccount } from "../../src/processes/account.ts";
import { eventually } from "../support/engines.ts";
import {
  createDirectory,
  removeDirectory,
  run,
  SERVER_TIMEOUT_MS,
  type Server,
  startServer,
} from "../support/server.ts";
import { finishedRuns, listTasks } from "../support/shared-server.ts";

const directory = createDirectory();
const dataDir = createDirectory();
const definitionsDir = join(directory, "definitions");
const work = join(directory, "work");
let server: Server;

const CRONTAB = `NAME=$HOME/bin
0 0 1 1 * : first; echo "$NAME $PATH"; pwd; cat%one\\%%two\\n
0 0 1 1 * : second; printf '\\%s' '{{.Names}}' "\${NAME}"
SHELL=/bin/bash
HOME=${work}
0 0 1 1 * [[ $0 == /bin/bash ]] && echo third \${HOME}; pwd; exit 3
`;
const BEAT = { week: { task: "shop.report", schedule: 86_400, args: [1], kwargs: { title: "it's {{ week }}" } } };

beforeAll(async () => {
  mkdirSync(work);
  const celery = join(directory, "celery");
  writeFileSync(celery, `#!/bin/sh\npwd; for argument do echo "<$argument>"; done\n`);
  chmodSync(celery, 0o755);
  const [crontab, beat] = [join(directory, "crontab"), join(directory, "beat.json")];
  writeFileSync(crontab, CRONTAB);
  writeFileSync(beat, JSON.stringify(BEAT));
  const out = `--out=${definitionsDir}`;
  for (const args of [
    ["import", "crontab", crontab, out],
    ["import", "celery-beat", beat, out, "--app=shop", `--celery=${celery}`, `--workdir=${work}`],
    ["validate", definitionsDir],
  ])
    expect(await run(args)).toMatchObject({ code: 0, stderr: "" });
  server = await startServer({ dataDir, env: { ACTCORE_DEFINITIONS_DIR: definitionsDir } });
  await server.ready(60_000);
}, SERVER_TIMEOUT_MS);
afterAll(async () => {
  await server?.destroy();
  await removeDirectory(dataDir);
}, SERVER_TIMEOUT_MS);

/** Triggers the activity by hand, and answers its only task once its run is over. */
async function runOnce(name: string) {
  const id = await eventually("the file is synced", async () => {
    const { status, body } = await server.api(`/activity-definitions/name:${name}`);
    return status === 200 && body.id;
  });
  await server.api(`/activity-definitions/${id}/trigger`, { json: {} });
  const [finished] = await finishedRuns(server, id, 1);
  const [task] = await listTasks(server, finished?.run_id as string);
  // biome-ignore lint/suspicious/noExplicitAny: result and error are compared as JSON
  return task as any;
}

test("a line of a crontab gets the environment, the directory and the input that cron gives it", async () => {
  const { home } = await ownAccount();
  expect((await runOnce("echo"))?.result?.output).toBe(`$HOME/bin /usr/bin:/bin\n${home}\none%\ntwo\\n\n`);
});

test("braces in a line are those of its program and its shell", async () => {
  expect((await runOnce("printf"))?.result?.output).toBe("{{.Names}}$HOME/bin");
});

test("the variables SHELL and HOME say by what and where a line runs, and its exit code is seen", async () => {
  const task = await runOnce("echo-third");
  expect(task).toMatchObject({ status: "failed", error: { code: "command_failed", details: { exit_code: 3 } } });
  expect(task.error.details.output).toBe(`third ${work}\n${work}\n`);
});

test("a periodic task of Celery is sent by its program, with its arguments as they were", async () => {
  const words = ["-A", "shop", "call", "shop.report", "--args=[1]", `--kwargs={"title":"it's {{ week }}"}`];
  expect((await runOnce("week"))?.result?.output).toBe([work, ...words.map((word) => `<${word}>`), ""].join("\n"));
});
