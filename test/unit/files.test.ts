/** What becomes of a tree of definition files, whatever lies in it. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readTree } from "../../src/definition/files.ts";

const top = mkdtempSync(join(tmpdir(), "actcore-files-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(top, "tree-"));
});

const activity = (name: string, head = "") =>
  `${head}name: ${name}\ntrigger_config: {trigger_type: event, event_type: x}\n`;

function put(path: string, text: string | Uint8Array = activity(path.replace(/.*\/|\.\w+$/g, ""))): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** The documents as `key source`, and the faults as `path message`, without the directory. */
async function read(directory = root) {
  const { documents, faults } = await readTree(directory);
  return {
    documents: documents.map(({ key, source }) => `${key} ${source}`),
    faults: faults.map(({ subject, message }) => `${subject.replace(`${directory}/`, "")} ${message}`),
  };
}

describe("a tree", () => {
  test("is read to its depths in the order of the paths, each document with its file", async () => {
    put("b.yml");
    put("deep/er/a.yaml");
    put("c.JSON", JSON.stringify({ name: "c", trigger_config: { trigger_type: "event", event_type: "x" } }));
    put("notes.txt", "no: definition");
    expect(await read()).toEqual({
      documents: ["b file:b.yml", "c file:c.JSON", "a file:deep/er/a.yaml"],
      faults: [],
    });
  });
});
