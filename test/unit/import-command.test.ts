/** `actcore import`: which files it reads and writes, what it prints, and its exit codes. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { runImportCeleryBeat, runImportCrontab } from "../../src/cli/import.ts";
import { runValidate } from "../../src/cli/validate.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import type { TerminalError } from "../../src/kernel/errors.ts";

const root = mkdtempSync(join(tmpdir(), "actcore-import-"));
const config = loadConfig({}, {});
let directory = root;
beforeEach(() => {
  directory = mkdtempSync(join(root, "d-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function importFile(
  text: string,
  args: Record<string, string> = {},
  { json = false, path = "crontab", run = runImportCrontab } = {},
) {
  const file = join(directory, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
  const lines: string[] = [];
  const print = (line: string) => lines.push(line.replaceAll(`${directory}/`, ""));
  const code = await run({ config, print, json, args: { FILE: file, ...args } });
  return { code, lines };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "none",
    (error: TerminalError) => error.code,
  );

test("the activities of a crontab are printed as one file, and what it leaves out stands above as comments", async () => {
  const { code, lines } = await importFile("0 1 * * * a\nMAILTO=root\n@reboot b\n0 2 * * * c\n", { timezone: "UTC" });
  expect(code).toBe(1);
  const text = lines.join("\n");
  expect(text.split("\n").slice(0, 5)).toEqual([
    expect.stringMatching(/^# crontab:3: not imported: @reboot b: a server's start is no trigger/),
    expect.stringMatching(/^# crontab:2: note: MAILTO: /),
    "# crontab: note: times are read in UTC: --timezone names another zone",
    expect.stringMatching(/^# crontab: note: cron ends no command, /),
    "# From line 1 of crontab.",
  ]);
  writeFileSync(join(directory, "all.yaml"), text);
  const found: string[] = [];
  await runValidate({ config, json: false, rest: [join(directory, "all.yaml")], print: (line) => found.push(line) });
  expect(found).toEqual(["2 activities, 0 event types and 0 hooks in 1 file"]);
});

test("with --out, each activity has a file of its own, and what stands there already is not overwritten", async () => {
  const out = join(directory, "new/definitions");
  const { code, lines } = await importFile("0 1 * * * /opt/a.sh\n0 2 * * * /opt/b.sh\n", { out, timezone: "UTC" });
  expect(code).toBe(0);
  expect(lines).toEqual([
    "crontab:1: new/definitions/a.yaml",
    "crontab:2: new/definitions/b.yaml",
    expect.stringMatching(/^crontab: note: times are read in UTC/),
    expect.stringMatching(/^crontab: note: cron ends no command/),
    "2 activities imported, 0 not",
  ]);
  rmSync(join(out, "a.yaml"));
  writeFileSync(join(out, "b.yaml"), "mine");
  expect(await codeOf(importFile("0 1 * * * /opt/a.sh\n0 2 * * * /opt/b.sh\n", { out }))).toBe("import_not_written");
  expect([existsSync(join(out, "a.yaml")), readFileSync(join(out, "b.yaml"), "utf8")]).toEqual([false, "mine"]);
});

test("as JSON, activities, refusals and notes are told by their lines", async () => {
  const { code, lines } = await importFile("0 1 * * * a\nMAILTO=x\nb\n", { timezone: "UTC" }, { json: true });
  expect(code).toBe(1);
  expect(JSON.parse(lines.join(""))).toEqual({
    activities: [{ place: 1, name: "a", text: expect.stringContaining("shell: a") }],
    refused: [{ place: 3, what: "b", message: expect.any(String) }],
    notes: [{ place: 2, what: "MAILTO", message: expect.any(String) }],
    general: [expect.stringContaining("UTC"), expect.stringContaining("24h")],
  });
});

test("files of /etc are known as those of a system, and the times of a crontab are those of the host", async () => {
  const { lines } = await importFile("0 1 * * * root a\n", {}, { path: "etc/cron.d/x" });
  expect(lines.join("\n")).toContain("user: root");
  expect(lines.join("\n")).toContain(`timezone: ${new Intl.DateTimeFormat().resolvedOptions().timeZone}`);
});

test("Celery's periodic tasks are written with the program and the application that are named", async () => {
  const out = join(directory, "out");
  const beat = JSON.stringify({ a: { task: "t", schedule: 60 }, b: { task: "u", schedule: "solar" } });
  const args = { out, app: "shop", celery: "/bin/celery", "run-on": "web", shadow: "true" };
  const { code, lines } = await importFile(beat, args, { path: "beat.json", run: runImportCeleryBeat });
  expect([code, readdirSync(out), lines.at(-1)]).toEqual([1, ["a.yaml"], "1 activity imported, 1 not"]);
  expect(lines).toContainEqual(expect.stringMatching(/^beat\.json:b: not imported: u: its schedule is no number/));
  const text = readFileSync(join(out, "a.yaml"), "utf8");
  expect(text).toContain("argv: [/bin/celery, -A, shop, call, t]");
  expect(text).toContain("run_on: web");
});

test("a zone that is none is told once, and nothing is imported", async () => {
  const args = { app: "x", timezone: "Europe/Berln" };
  for (const run of [runImportCrontab, runImportCeleryBeat]) {
    const error = await importFile("0 1 * * * a\n0 2 * * * b\n", args, { run }).catch((error) => error);
    expect(error).toMatchObject({ code: "usage", faults: [{ path: "--timezone" }] });
    expect(error.faults[0].message).toBe('"Europe/Berln" is no IANA time zone, such as Europe/Berlin');
  }
});

test("what cannot be read is said", async () => {
  const missing = runImportCrontab({ config, json: false, print: () => {}, args: { FILE: join(directory, "none") } });
  expect(await codeOf(missing)).toBe("import_not_read");
  expect(await codeOf(importFile("{", { app: "x" }, { run: runImportCeleryBeat }))).toBe("import_not_read");
  expect(await codeOf(importFile("x".repeat(2 ** 20 + 1)))).toBe("import_not_read");
  expect(await codeOf(importFile("", { system: "true", user: "x" }))).toBe("usage");
});

test("both are commands of one group, and Celery's application must be named", () => {
  expect(Object.keys(COMMANDS).filter((name) => name.startsWith("import "))).toEqual([
    "import crontab",
    "import celery-beat",
  ]);
  expect(COMMANDS["import celery-beat"].options.app).toMatchObject({ required: true });
});
