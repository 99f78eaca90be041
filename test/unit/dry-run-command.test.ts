/** `actcore dry-run`: what an activity of a file would do, without a server. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runDryRun } from "../../src/cli/dry-run.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { listenForShutdown } from "../../src/kernel/lifecycle.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { startReceiver } from "../support/http-receiver.ts";

const directory = mkdtempSync(join(tmpdir(), "actcore-dry-run-"));
const receiver = startReceiver(200);
const shutdown = listenForShutdown(1000, () => {});
afterAll(() => {
  shutdown.dispose();
  receiver.stop();
  rmSync(directory, { recursive: true, force: true });
});

function write(name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

async function dryRun(text: string, { json = false, ...args }: { json?: boolean; [name: string]: unknown }) {
  const lines: string[] = [];
  const code = await runDryRun({
    config: loadConfig({}, {}),
    secrets: createSecrets({ values: {} }),
    shutdown,
    json,
    args: { FILE: write("activity.yaml", text), ...(args as Record<string, string>) },
    print: (line) => lines.push(line.replaceAll(`${directory}/`, "")),
  });
  return { code, lines };
}

const ONBOARDING = `
name: onboarding
trigger_config: {trigger_type: event, event_type: user.created, filters: {tier: pro}}
context_sources:
  - {name: account, type: http, url: "${receiver.url}accounts/{{ event.payload.id }}"}
  - {name: last, type: previous_run}
when: context.account.answered == 200
task_templates:
  - {key: mail, type: http, for_each: event.payload.to, when: "item != ''",
     params: {url: "https://mail.local/{{ item }}", headers: {authorization: "Bearer {{ secret.MAIL_TOKEN }}"}}}
  - {key: report, type: log, depends_on: [mail], params: {message: "{{ size(tasks.mail) }}"}}
`;
const PRO = { payload: { id: 7, tier: "pro", to: ["a", ""] } };

describe("what is printed", () => {
  test("is what would be done, and why, with a note of what only a server knows", async () => {
    const { code, lines } = await dryRun(ONBOARDING, { event: write("event.json", PRO) });
    expect(code).toBe(0);
    expect(lines).toEqual([
      "onboarding would run on event dry-run (user.created)",
      "when",
      "  context.account.answered is 200: context.account.answered == 200 is true",
      "context",
      expect.stringMatching(/^ {2}account {2}http {2}ok {2}\d+ ms {2}16 bytes$/),
      "templates",
      "  mail    1 task, 1 left out: item 1: item is \"\": item != '' is false",
      "  report  waits: reads the results of mail",
      "tasks",
      '  mail[0]  http  {"url":"https://mail.local/a","headers":{"authorization":"Bearer {{ secret.MAIL_TOKEN }}"}}',
      "secret MAIL_TOKEN is not there: where the worker does not have it either, a run that needs it fails",
      "note: context last is null here: a source of the type previous_run needs a server. Give its value with --given",
    ]);
    expect(receiver.received.map(({ path }) => path)).toEqual(["/accounts/7"]);
  });

  test("is why it would not run, with the values that decided, and the exit code is 1", async () => {
    const { code, lines } = await dryRun(ONBOARDING, { event: write("event.json", { payload: { tier: "free" } }) });
    expect([code, lines[0]]).toEqual([
      1,
      'onboarding would not run on event dry-run (user.created): payload.tier is "free", the filter wants "pro"',
    ]);
  });

  test("has the context that is given, and nobody is asked for it", async () => {
    const asked = receiver.received.length;
    const given = write("context.json", { account: { answered: 500 }, last: null });
    const { code, lines } = await dryRun(ONBOARDING, { event: write("event.json", PRO), given });
    expect([code, lines[0]]).toEqual([1, expect.stringContaining("context.account.answered is 500")]);
    expect(receiver.received).toHaveLength(asked);
  });

  test("is JSON where that is wished", async () => {
    const { lines } = await dryRun(ONBOARDING, { json: true, event: write("event.json", PRO) });
    expect(JSON.parse(lines.join(""))).toMatchObject({
      ...{ activity_name: "onboarding", errors: [], notes: [expect.stringContaining("previous_run")] },
      occurrences: [{ outcome: "run", tasks: [{ key: "mail", instance: 0 }] }],
    });
  });

  test("is each fault of a file, with its line", async () => {
    const { code, lines } = await dryRun(ONBOARDING.replace("context.account", "context.acount"), {
      event: write("event.json", PRO),
    });
    expect([code, lines]).toEqual([1, [expect.stringMatching(/^activity\.yaml:7: \/when .*account/)]]);
  });
});

test("a due time is asked about, and one of several activities is named", async () => {
  const daily = (name: string) =>
    `name: ${name}\ntrigger_config: {trigger_type: cron, cron_expression: 0 9 * * *}\ntask_templates: [{key: n, type: log, params: {message: hi}}]\n`;
  const both = [daily("one"), daily("two")].join("---\n");
  const asked = { due: "2026-01-31T09:00:00Z", name: "two" };
  expect(await dryRun(both, asked)).toMatchObject({
    code: 0,
    lines: [
      "two would run at 2026-01-31T09:00:00.000Z",
      "templates",
      "  n  1 task",
      "tasks",
      '  n  log  {"message":"hi"}',
    ],
  });
  expect(await dryRun(both, { ...asked, due: "2026-01-31T10:00:00Z" })).toMatchObject({
    code: 1,
    lines: [expect.stringContaining("is due at 2026-02-01T09:00:00.000Z")],
  });
  const faultOf = (args: Record<string, string>) =>
    dryRun(both, args).then(
      () => undefined,
      ({ faults }) => faults[0],
    );
  expect(await faultOf({ due: asked.due })).toMatchObject({
    path: "--name",
    message: expect.stringContaining('"one", "two"'),
  });
  expect(await faultOf({ name: "two" })).toMatchObject({ path: "--event" });
  expect(await faultOf({ name: "two", event: write("broken.json", "{") })).toMatchObject({ path: "--event" });
  expect(await faultOf({ name: "two", event: write("event.json", { payload: {} }) })).toMatchObject({
    path: "--event /type",
    message: expect.stringContaining("waits for no events"),
  });
  expect(await faultOf({ name: "two", due: "tomorrow" })).toMatchObject({ path: "--due" });
});
