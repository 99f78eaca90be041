/** `actcore next`: due times of a file, without a server. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runNext } from "../../src/cli/next.ts";
import { loadConfig } from "../../src/kernel/config.ts";

const directory = mkdtempSync(join(tmpdir(), "actcore-next-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function next(text: string, { json = false, ...args }: { json?: boolean; count?: string } = {}) {
  writeFileSync(join(directory, "due.yaml"), text);
  return nextOf("due.yaml", { json, ...args });
}

async function nextOf(path: string, { json = false, ...args }: { json?: boolean; count?: string } = {}) {
  const FILE = join(directory, path);
  const lines: string[] = [];
  const print = (line: string) => lines.push(line.replaceAll(`${directory}/`, ""));
  const code = await runNext({ config: loadConfig({}, {}), print, json, args: { FILE, ...args } });
  return { code, lines };
}

const NIGHTLY =
  "name: nightly\ntrigger_config: {trigger_type: cron, cron_expression: 30 2 * * *, timezone: Asia/Tokyo}\n";
const EVENT = "name: welcome\ntrigger_config: {trigger_type: event, event_type: x}\n";
const PAST = 'name: gone\nenabled: false\ntrigger_config: {trigger_type: scheduled, run_at: "2026-01-01T00:00:00Z"}\n';
const TYPE = "kind: event_type\nname: x\nschema: {}\n";

test("the due times of each activity are printed, in UTC and by its clock", async () => {
  const { code, lines } = await next([NIGHTLY, EVENT, PAST, TYPE].join("---\n"), { count: "2" });
  expect([code, lines.length]).toEqual([0, 5]);
  expect(lines[0]).toBe("nightly (cron):");
  for (const line of lines.slice(1, 3)) expect(line).toMatch(/^ {2}\S+T17:30:00\.000Z {2}\S+T02:30:00\+09:00$/);
  expect(lines.slice(3)).toEqual([
    "welcome (event): waits for events",
    "gone (scheduled, disabled): is not due any more",
  ]);
});

test("a fault is printed with its file and line, the others beside it, and the exit code is 1", async () => {
  const broken = "name: broken\ntrigger_config:\n  trigger_type: cron\n  cron_expression: 0 9 31 2 *\n";
  const { code, lines } = await next([EVENT, broken].join("---\n"));
  expect(code).toBe(1);
  expect(lines).toEqual([
    "due.yaml:7: /trigger_config/cron_expression never fires: 2 has no day 31",
    "welcome (event): waits for events",
  ]);
});

test("as JSON, activities and faults are told by name", async () => {
  const { code, lines } = await next([NIGHTLY, "name: 5\n"].join("---\n"), { json: true });
  const { activities, errors } = JSON.parse(lines.join("\n"));
  expect(code).toBe(1);
  expect(activities).toMatchObject([{ name: "nightly", trigger_type: "cron", enabled: true }]);
  expect(activities[0].next).toHaveLength(10);
  expect(errors).toContainEqual({
    file: "due.yaml",
    line: 4,
    path: "/name",
    message: expect.stringContaining("/name"),
  });
});

test.each(["0", "1001", "x", ""])("a count of %j is refused", async (count) => {
  await expect(next(EVENT, { count })).rejects.toMatchObject({ code: "usage", faults: [{ path: "--count" }] });
});

test("a file that is not there is a fault", async () => {
  expect(await nextOf("missing.yaml")).toEqual({
    code: 1,
    lines: ["missing.yaml: cannot be read: it is not there"],
  });
});

test("a directory is read as a sync reads it, and the faults are in the order of their places", async () => {
  mkdirSync(join(directory, "tree"));
  const broken = "name: broken\ncolour: 1\nenabled: 2\ntrigger_config: {trigger_type: event, event_type: x}\n";
  writeFileSync(join(directory, "tree/b.yaml"), broken);
  writeFileSync(join(directory, "tree/a.yaml"), [EVENT, EVENT].join("---\n"));
  writeFileSync(join(directory, "tree/c.yaml"), PAST);
  const { code, lines } = await nextOf("tree");
  expect(code).toBe(1);
  expect(lines.map((line) => line.slice(0, 24))).toEqual([
    "tree/a.yaml:4: the name ",
    "tree/b.yaml:2: /colour u",
    "tree/b.yaml:3: /enabled ",
    "gone (scheduled, disable",
  ]);
});

test("a file without an activity is a fault, not silence", async () => {
  expect(await next(TYPE)).toEqual({ code: 1, lines: ["due.yaml: has no activities"] });
});
