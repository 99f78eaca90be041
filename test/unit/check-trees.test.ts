import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { checkTrees } from "../../src/document/check-trees.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const top = mkdtempSync(join(tmpdir(), "actcore-check-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(top, "trees-"));
});

const NOW = new Date("2026-11-21T12:00:00Z");
const activity = (name: string) => `name: ${name}\ntrigger_config: {trigger_type: event, event_type: x}\n`;
const once = (name: string, at: string) =>
  `name: ${name}\ntrigger_config: {trigger_type: scheduled, run_at: "${at}"}\n`;
const eventType = (name: string) => `kind: event_type\nname: ${name}\nschema: {}\n`;
const hook = (name: string) => `kind: hook\nname: ${name}\nverify: github\nsecrets: [S]\n`;

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** With the paths below the directory of all trees. */
async function check(...trees: string[]) {
  const found = await checkTrees(
    trees.map((tree) => join(root, tree)),
    NOW,
    TASK_RULES,
  );
  return JSON.parse(JSON.stringify(found).replaceAll(`${root}/`, ""));
}

test("a file that two of the paths lead to is said to be read twice", async () => {
  put("a/1.yaml", activity("one"));
  const { errors } = await check("a", "a/1.yaml");
  const message = "is read twice: name each file once, or its directory";
  expect(errors).toEqual([{ file: "a/1.yaml", line: 1, message }]);
});

describe("trees that are checked", () => {
  test("are counted, file by file and kind by kind", async () => {
    put("a/1.yaml", `${activity("one")}---\n${eventType("one")}---\n${hook("one")}`);
    put("b/2.yaml", activity("two"));
    put("b/3.yaml", "# nothing yet\n");
    expect(await check("a", "b")).toEqual({
      ...{ activities: 2, event_types: 1, hooks: 1, files: 3 },
      ...{ errors: [], warnings: [] },
    });
  });

  test("have every fault of every file named, by the places", async () => {
    put("b/x.yaml", "name: a\ncolour: 1\nenabled: 2\ntrigger_config: {}\n");
    put("a/z.yaml", activity("z"));
    put("a/y.yaml", '"');
    const { errors, activities } = await check("b", "a", "none");
    expect(activities).toBe(1);
    expect(
      errors.map(({ file, line, path }: { file: string; line: number; path?: string }) => [file, line, path]),
    ).toEqual([
      ["a/y.yaml", 1, undefined],
      ["b/x.yaml", 2, "/colour"],
      ["b/x.yaml", 3, "/enabled"],
      ["b/x.yaml", 4, "/trigger_config/trigger_type"],
      ["none", null, undefined],
    ]);
  });

  test("may not share a name, with both places named; an activity, an event type and a hook may", async () => {
    put("a/1.yaml", `${activity("other")}---\n${activity("same")}`);
    put("b/1.yaml", `\n${activity("same")}`);
    put("c/1.yaml", `${eventType("same")}---\n${hook("same")}`);
    expect((await check("a", "b", "c")).errors).toEqual([
      { file: "b/1.yaml", line: 2, message: 'the name "same" is also that of a/1.yaml:4' },
    ]);
  });

  test("may be a single file, of which nothing beside it is read", async () => {
    put("a/1.yaml", `${activity("one")}---\nname: 5\n`);
    put("a/2.yaml", activity("one"));
    const { activities, files, errors } = await check("a/1.yaml");
    expect([activities, files]).toEqual([1, 1]);
    expect(errors.map(({ file, line }: { file: string; line: number }) => [file, line])).toContainEqual([
      "a/1.yaml",
      4,
    ]);
  });

  test("have nothing to check where there is no document, and that is a fault", async () => {
    put("a/one.yaml", activity("one"));
    put("empty/notes.txt", "no definition");
    put("comments/all.yaml", "# none\n");
    put("faulty/bad.yaml", "name: [\n");
    expect((await check("a", "empty", "comments", "faulty")).errors).toMatchObject([
      { file: "comments", line: null, message: "has no documents: none in its file" },
      { file: "empty", line: null, message: "has no documents: it has no .yaml, .yml or .json file" },
      { file: "faulty/bad.yaml" },
    ]);
  });

  test("have a one-shot of the past as a warning: it may have fired", async () => {
    put("a/1.yaml", `${once("past", "2026-11-21T11:59:59Z")}---\n${once("future", "2026-11-21T13:00:01+01:00")}`);
    expect(await check("a")).toMatchObject({
      errors: [],
      warnings: [
        {
          file: "a/1.yaml",
          line: 1,
          path: "/trigger_config/run_at",
          message:
            '/trigger_config/run_at "2026-11-21T11:59:59Z" is past: it stays valid where it has fired; a sync refuses it where it is new',
        },
      ],
    });
  });
});
