/** What becomes of a tree of definition files, whatever lies in it. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isInDoubt, readTree } from "../../src/document/tree.ts";
import { TASK_RULES } from "../support/own-engines.ts";
import { startProcessorTime } from "../support/processor-time.ts";

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

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}

/** The documents as `key source`, and the faults as `path message`, without the directory. */
async function read(directory = root) {
  const { documents, faults } = await readTree(directory, TASK_RULES, 0);
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

  test("of five hundred files is read well within a second", async () => {
    for (let n = 0; n < 500; n++) put(`team-${n % 20}/a${n}.yaml`);
    const worked = startProcessorTime();
    expect((await read()).documents).toHaveLength(500);
    expect(worked()).toBeLessThan(1_000);
  });

  test("that is deeper than its paths can be stored is read as far as they can", async () => {
    const deep = (levels: number) => Array(levels).fill("d".repeat(200)).join("/");
    put(`${deep(4)}/a.yaml`);
    put(`${deep(5)}/b.yaml`);
    put(`${deep(4)}/${"n".repeat(195)}/${"n".repeat(195)}.yaml`);
    const { documents, faults } = await readTree(root, TASK_RULES, 0);
    expect(documents.map(({ key }) => key)).toEqual(["a"]);
    expect(faults.map(({ source, message }) => [source.slice(-6), message]).sort()).toEqual([
      ["dddddd/".slice(-6), "has a path of more than 1000 bytes"],
      ["n.yaml", "has a path of more than 1000 bytes"],
    ]);
  });

  test("that is not there, or is a file, is one fault", async () => {
    put("a.yaml");
    expect(await read(join(root, "none"))).toEqual({
      documents: [],
      faults: [`${join(root, "none")} cannot be read: it is not there`],
    });
    expect((await read(join(root, "a.yaml"))).faults).toEqual([
      `${join(root, "a.yaml")} cannot be read: it is no directory`,
    ]);
  });
});

describe("one file that cannot be read is one fault, and the others stand:", () => {
  test.each<[string, () => void, string]>([
    ["a directory with a file's name", () => put("x.yaml/y.yaml"), "x.yaml is a directory, with a file's name"],
    ["a FIFO", () => execFileSync("mkfifo", [join(root, "x.yaml")]), "x.yaml is no regular file"],
    [
      "a link to nothing",
      () => link("x.yaml", "none.yaml"),
      "x.yaml is a link that cannot be followed: it is not there",
    ],
    [
      "a link to itself",
      () => link("x.yaml", "x.yaml"),
      "x.yaml is a link that cannot be followed: its links lead in a circle",
    ],
    ["a link to a device", () => link("x.yaml", "/dev/zero"), "x.yaml is a link to what is no regular file"],
    [
      "a link to a FIFO",
      () => {
        execFileSync("mkfifo", [join(root, "pipe")]);
        link("x.yaml", "pipe");
      },
      "x.yaml is a link to what is no regular file",
    ],
    ["a link out of the tree", () => link("x.yaml", "/etc/hostname"), "x.yaml is a link that leaves the tree"],
    ["a link to a directory out of the tree", () => link("x", "/etc"), "x is a link that leaves the tree"],
    ["a link to the directory above", () => link("x", ".."), "x is a link that leaves the tree"],
    [
      "ten megabytes",
      () => put("x.yaml", `# ${"x".repeat(10_000_000)}\n`),
      "x.yaml has 10000003 bytes, more than 1048576",
    ],
    [
      "bytes that are no UTF-8",
      () => put("x.yaml", Buffer.from("a: 1\nb: \xff\xfe\n", "latin1")),
      "x.yaml:2 is no UTF-8",
    ],
    ["UTF-16", () => put("x.yaml", Buffer.from(`\ufeff${activity("x")}`, "utf16le")), "x.yaml:1 is no UTF-8"],
  ])("%s", async (_, make, fault) => {
    put("a.yaml");
    make();
    put("z.yaml");
    expect(await read()).toEqual({ documents: ["a file:a.yaml", "z file:z.yaml"], faults: [fault] });
  });

  test("a file that vanishes after it was listed", async () => {
    for (let n = 1000; n < 1400; n++) put(`a${n}.yaml`);
    const last = join(root, "a1399.yaml");
    // How many turns the listing takes is not ours to say: later and later, until it is between listing and reading.
    for (let turns = 0; turns < 300; turns++) {
      put("a1399.yaml");
      const reading = readTree(root, TASK_RULES, 0);
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      rmSync(last);
      const { documents, faults } = await reading;
      if (faults.length === 0) continue;
      expect(documents).toHaveLength(399);
      expect(faults).toEqual([
        { source: "file:a1399.yaml", subject: last, message: "cannot be read: it is not there" },
      ]);
      return;
    }
    throw new Error("it never vanished at the right time");
  }, 30_000);
});

describe("a tree beyond its bounds", () => {
  test("of files is a fault, and those within them stand", async () => {
    put("a10000.yaml", activity("first"));
    put("a10001.yaml", "# none\n");
    for (let n = 10_002; n < 20_000; n++) linkSync(join(root, "a10001.yaml"), join(root, `a${n}.yaml`));
    put("a20000.yaml", activity("last"));
    const tree = await readTree(root, TASK_RULES, 0);
    expect(tree.documents.map(({ key }) => key)).toEqual(["first"]);
    expect(tree.faults).toEqual([
      {
        source: "file:",
        subject: root,
        message: "has 10001 files, more than 10000: those after a19999.yaml are not read",
      },
    ]);
    expect(isInDoubt(tree, { kind: "activity", key: "last", source: "file:a20000.yaml" })).toBe(true);
  }, 30_000);

  test("of bytes is a fault, and those within them stand", async () => {
    for (let n = 10; n < 80; n++) put(`a${n}.yaml`, `# ${"x".repeat(1_000_000)}\n${activity(`a${n}`)}`);
    const { documents, faults } = await readTree(root, TASK_RULES, 0);
    expect(documents).toHaveLength(64);
    expect(faults).toEqual([
      {
        source: "file:",
        subject: root,
        message: "has more than 33554432 bytes: the files from a74.yaml on are not read",
      },
    ]);
  }, 30_000);
});

describe("a file that is being written", () => {
  const QUIET_MS = 200;

  test("while it is read is a fault, and hides what it had", async () => {
    put("a.yaml", activity("a"));
    put("b.yaml", activity("b"));
    const reading = readTree(root, TASK_RULES, QUIET_MS);
    await Bun.sleep(QUIET_MS / 2);
    put("a.yaml", `${activity("a")}---\n${activity("more")}`);
    const tree = await reading;
    expect(tree.documents.map(({ key }) => key)).toEqual(["b"]);
    expect(tree.faults).toEqual([
      {
        source: "file:a.yaml",
        subject: join(root, "a.yaml"),
        message: "is still being written: it changed after it was read",
      },
    ]);
    expect(isInDoubt(tree, { kind: "activity", key: "more", source: "file:a.yaml" })).toBe(true);
  });

  test("is taken as it is once nobody writes it", async () => {
    put("a.yaml", activity("a"));
    expect((await readTree(root, TASK_RULES, QUIET_MS)).documents.map(({ key }) => key)).toEqual(["a"]);
  });

  test.each([
    ["in the middle of a line", "a.yaml", activity("a").trimEnd(), true],
    ["with a separator", "a.yaml", `${activity("a")}---\n`, true],
    ["with a separator in the middle of a line", "a.yaml", `${activity("a")}---`, true],
    ["with its last line", "a.yaml", activity("a"), false],
    ["in the middle of a line of JSON", "a.json", "[]", false],
  ])("may end %s", async (_, path, text, isUnended) => {
    put(path, text);
    expect((await readTree(root, TASK_RULES, 0)).unended).toEqual(isUnended ? [`file:${path}`] : []);
  });
});

describe("links", () => {
  test("as Kubernetes mounts a ConfigMap are followed, and no file is read twice", async () => {
    put("..2026_11_21/a.yaml");
    put("..2026_11_21/b.yaml");
    put("..2026_11_21/sub/c.yaml");
    link("..data", "..2026_11_21");
    link("a.yaml", "..data/a.yaml");
    link("b.yaml", "..data/b.yaml");
    link("sub", "..data/sub");
    expect(await read()).toEqual({
      documents: ["a file:a.yaml", "b file:b.yaml", "c file:sub/c.yaml"],
      faults: [],
    });
  });

  test("may lead to the tree itself", async () => {
    put("releases/42/a.yaml");
    link("current", "releases/42");
    expect(await read(join(root, "current"))).toEqual({ documents: ["a file:a.yaml"], faults: [] });
  });

  test("to what is read anyway are passed over, so that they cannot lead in a circle", async () => {
    put("deep/a.yaml");
    link("b.yaml", "deep/a.yaml");
    link("deep/up", "..");
    link("deep/again", ".");
    put(".hidden/c.yaml");
    link(".hidden/back", ".");
    link("seen", ".hidden");
    expect(await read()).toEqual({ documents: ["a file:deep/a.yaml", "c file:seen/c.yaml"], faults: [] });
  });

  test("to a file with a name of another sort are followed", async () => {
    put("templates/a.txt", activity("a"));
    link("a.yaml", "templates/a.txt");
    expect(await read()).toEqual({ documents: ["a file:a.yaml"], faults: [] });
  });

  test("that are no business of ours are no fault", async () => {
    link("README", "/etc/hostname");
    link("gone", "none");
    link(".env.yaml", "/etc/hostname");
    expect(await read()).toEqual({ documents: [], faults: [] });
  });
});

describe("documents that share", () => {
  test("a name are one fault with every place, and none of them is taken", async () => {
    put("a.yaml", activity("same"));
    put("b.yaml", `${activity("other")}---\n${activity("same")}`);
    put("c.yaml", activity("same"));
    expect(await read()).toEqual({
      documents: ["other file:b.yaml"],
      faults: [`c.yaml:1 the name "same" is also that of ${root}/a.yaml:1, ${root}/b.yaml:4: none of them is taken`],
    });
  });

  test("an id are one fault, under different names too", async () => {
    put("a.yaml", `${activity("a", "id: same\n")}---\n${activity("b", "id: same\n")}`);
    expect(await read()).toEqual({
      documents: [],
      faults: [`a.yaml:5 the id "same" is also that of ${root}/a.yaml:1: none of them is taken`],
    });
  });

  test("a name under different ids are a fault", async () => {
    put("a.yaml", `${activity("a", "id: one\n")}---\n${activity("a", "id: two\n")}`);
    expect((await read()).faults).toEqual([
      `a.yaml:5 the name "a" is also that of ${root}/a.yaml:1: none of them is taken`,
    ]);
  });

  test("a name are none when one is an activity and the other an event type", async () => {
    put("a.yaml", `${activity("a")}---\nkind: event_type\nname: a\nschema: {}\n`);
    expect(await read()).toEqual({ documents: ["a file:a.yaml", "a file:a.yaml"], faults: [] });
  });
});

describe("whether a document that is not read is in doubt:", () => {
  const doubts = async (key: string, source: string) =>
    isInDoubt(await readTree(root, TASK_RULES, 0), { kind: "activity", key, source });

  test("yes, when its file has a fault", async () => {
    put("a.yaml", `${activity("a")}---\nname: "\n`);
    expect(await doubts("b", "file:a.yaml")).toBe(true);
    expect(await doubts("b", "file:b.yaml")).toBe(false);
  });

  test("yes, when it stands somewhere else now, and is not valid", async () => {
    put("new.yaml", "name: a\ntrigger_config: {trigger_type: odd}\n");
    expect(await doubts("a", "file:old.yaml")).toBe(true);
    expect(
      isInDoubt(await readTree(root, TASK_RULES, 0), { kind: "event_type", key: "a", source: "file:old.yaml" }),
    ).toBe(false);
  });

  test("yes, when its name stands twice", async () => {
    put("new.yaml", `${activity("a")}---\n${activity("a")}`);
    expect(await doubts("a", "file:old.yaml")).toBe(true);
  });

  test("yes, by its name too, when it has got an id, or another one", async () => {
    put("new.yaml", `${activity("a", "id: one\n")}---\n${activity("a", "id: two\n")}`);
    put("odd.yaml", "id: three\nname: b\ntrigger_config: {trigger_type: odd}\n");
    expect([await doubts("a", "file:old.yaml"), await doubts("b", "file:old.yaml")]).toEqual([true, true]);
  });

  test("yes, when its file is a directory now, as a container makes one of a missing mount", async () => {
    mkdirSync(join(root, "a.yaml"));
    expect(await doubts("a", "file:a.yaml")).toBe(true);
    expect(await doubts("a", "file:a.yaml/b.yaml")).toBe(true);
    expect(await doubts("a", "file:a.yam")).toBe(false);
    expect(await doubts("a", "file:ba.yaml")).toBe(false);
  });

  test("yes, when its file has nothing in it", async () => {
    put("a.yaml", "");
    expect(await doubts("a", "file:a.yaml")).toBe(true);
  });

  test("yes, when a directory above it cannot be read", async () => {
    link("deep", "/etc");
    expect(await doubts("a", "file:deep/er/a.yaml")).toBe(true);
    expect(await doubts("a", "file:deeper/a.yaml")).toBe(false);
    renameSync(root, `${root}-away`);
    expect(await doubts("a", "file:any.yaml")).toBe(true);
  });
});
