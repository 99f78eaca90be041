/** `actcore validate`, as a repository's CI runs it. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { createDirectory, run } from "../support/server.ts";

const EXAMPLES = join(import.meta.dir, "../../docs/examples");
const activity = (name: string) => `name: ${name}\ntrigger_config: {trigger_type: event, event_type: x}\n`;

async function createTree(files: Record<string, string>): Promise<string> {
  const tree = createDirectory();
  for (const [path, text] of Object.entries(files)) await Bun.write(join(tree, path), text);
  return tree;
}

const BAD = {
  "good.yaml": activity("good"),
  "sub/bad.yaml": `${activity("fine")}---\nname: bad\ntrigger_config:\n  trigger_type: cron\n  cron_expression: 0 9 * *\n  timezone: Mars/Base\n`,
  "trailing.json": '{\n"name": "a",\n}\n',
};

describe("actcore validate", () => {
  test("says what it found and ends with 0 when the files are good, as the examples are", async () => {
    const { code, stdout, stderr } = await run(["validate", EXAMPLES]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^\d+ activities, \d+ event types? and \d+ hooks? in \d+ files\n$/);
  });

  test("ends with 1 and names every fault with its file and line, of all the directories", async () => {
    const tree = await createTree(BAD);
    const other = await createTree({ "again.yaml": activity("good") });
    symlinkSync("/etc/hostname", join(tree, "out.yaml"));
    mkdirSync(join(tree, "folder.yml"));
    const { code, stdout } = await run(["validate", tree, other]);
    expect(code).toBe(1);
    const lines = stdout.trimEnd().split("\n");
    for (const [start, what] of [
      [`${tree}/sub/bad.yaml:7: /trigger_config/cron_expression `, ""],
      [`${tree}/sub/bad.yaml:8: /trigger_config/timezone `, "Mars/Base"],
      [`${tree}/trailing.json:3: `, "is no JSON"],
      [`${tree}/out.yaml: `, "leaves the tree"],
      [`${tree}/folder.yml: `, "is a directory"],
      [`${other}/again.yaml:1: `, `is also that of ${tree}/good.yaml:1`],
    ] as const)
      expect(lines.filter((line) => line.startsWith(start) && line.includes(what))).toHaveLength(1);
    expect(lines).toHaveLength(7);
    expect(lines.at(-1)).toBe("3 activities, 0 event types and 0 hooks in 4 files, 6 faults");
  });

  test("answers JSON, with the same exit code", async () => {
    const tree = await createTree(BAD);
    const { code, stdout } = await run(["validate", "--json", tree]);
    expect(code).toBe(1);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ activities: 2, event_types: 0, files: 3, warnings: [] });
    expect(found.errors).toHaveLength(3);
    expect(found.errors[1]).toEqual({
      file: `${tree}/sub/bad.yaml`,
      line: 8,
      path: "/trigger_config/timezone",
      message: expect.stringContaining("Mars/Base"),
    });
  });

  test("ends with 1 for a directory that is not there", async () => {
    const missing = join(createDirectory(), "none");
    const { code, stdout } = await run(["validate", missing]);
    expect([code, stdout.split("\n")[0]]).toEqual([1, `${missing}: cannot be read: it is not there`]);
  });

  test("warns of a one-shot of the past, and ends with 0", async () => {
    const text = 'name: a\ntrigger_config:\n  trigger_type: scheduled\n  run_at: "2020-01-01T00:00:00Z"\n';
    const tree = await createTree({ "a.yaml": text });
    const { code, stdout } = await run(["validate", tree]);
    expect(code).toBe(0);
    expect(stdout).toStartWith(`${tree}/a.yaml:1: warning: /trigger_config/run_at `);
    expect(stdout).toEndWith("1 activity, 0 event types and 0 hooks in 1 file, 1 warning\n");
  });

  test("takes single files too", async () => {
    const tree = await createTree(BAD);
    const { code, stdout } = await run(["validate", join(tree, "good.yaml"), join(tree, "trailing.json")]);
    expect(code).toBe(1);
    const [fault, ...rest] = stdout.trimEnd().split("\n");
    expect(fault).toStartWith(`${tree}/trailing.json:3: is no JSON`);
    expect(rest).toEqual(["1 activity, 0 event types and 0 hooks in 2 files, 1 fault"]);
  });

  test("without a path, or with an unknown flag, is a wrong command line", async () => {
    for (const args of [[], ["--jason", "x"]]) {
      const { code, stdout, stderr } = await run(["validate", ...args]);
      expect([code, stdout]).toEqual([2, ""]);
      expect(stderr).toContain(args.length === 0 ? "PATH: is required after validate" : "Did you mean --json?");
    }
  });

  test("reads five hundred files", async () => {
    const files = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`${n % 10}/${n}.yaml`, activity(`a${n}`)]));
    const tree = await createTree(files);
    expect((await run(["validate", tree])).stdout).toBe("500 activities, 0 event types and 0 hooks in 500 files\n");
  });
});
