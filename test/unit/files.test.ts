import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDefinitions, readDefinitionFiles } from "../../src/definition/files.ts";

const definition = (name: string) => `name: ${name}\ntrigger_config: {trigger_type: event, event_type: x}\n`;

describe("a file's text", () => {
  test("may hold several documents, empty ones among them", () => {
    const { bodies, faults } = parseDefinitions(
      `---\n${definition("a")}---\n---\n# none\n---\n${definition("b")}`,
      "f",
    );
    expect(faults).toEqual([]);
    expect(bodies.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("may be JSON", () => {
    const text = JSON.stringify({ name: "j", trigger_config: { trigger_type: "event", event_type: "x" } });
    expect(parseDefinitions(text, "f.json")).toMatchObject({ bodies: [{ name: "j" }], faults: [] });
  });

  test.each(["", "# nothing here\n", "---\n"])("may hold none: %j", (text) => {
    expect(parseDefinitions(text, "f")).toEqual({ bodies: [], faults: [] });
  });

  test("has each fault with its line, and its good documents stand", () => {
    const text = `${definition("a")}---\nname: b\ncolour: red\ntrigger_config:\n  trigger_type: event\n  event_type: 5\n`;
    const { bodies, faults } = parseDefinitions(text, "dir/f.yaml");
    expect(bodies.map(({ name }) => name)).toEqual(["a"]);
    expect(faults).toEqual([
      { subject: "dir/f.yaml:5", message: "/colour unknown field" },
      { subject: "dir/f.yaml:8", message: expect.stringContaining("/trigger_config/event_type expected") },
    ]);
  });

  test("that is no YAML has the line where it breaks", () => {
    const { bodies, faults } = parseDefinitions('name: a\nenabled: "\n', "f.yaml");
    expect(bodies).toEqual([]);
    expect(faults).toEqual([{ subject: "f.yaml:3", message: expect.any(String) }]);
  });

  test("may not name a key twice", () => {
    expect(parseDefinitions(`name: a\n${definition("b")}`, "f").faults).toHaveLength(1);
  });

  test("may use an alias", () => {
    const text = `name: a\ntrigger_config: {trigger_type: event, event_type: x, filters: {a: &v [1], b: *v}}\n`;
    expect(parseDefinitions(text, "f").bodies[0]?.trigger_config).toMatchObject({ filters: { a: [1], b: [1] } });
  });

  test("is refused at once when its aliases would grow without end", () => {
    const levels = Array.from({ length: 30 }, (_, n) => `l${n + 1}: &l${n + 1} [*l${n}, *l${n}, *l${n}]`);
    const { bodies, faults } = parseDefinitions(`l0: &l0 [x, x, x]\n${levels.join("\n")}\n`, "bomb.yaml");
    expect(bodies).toEqual([]);
    expect(faults).toHaveLength(1);
    expect(faults[0]?.message).toMatch(/alias/i);
  });

  test("is refused when it has more aliases than anybody needs", () => {
    const many = Array.from({ length: 101 }, () => "*v").join(", ");
    expect(parseDefinitions(`a: &v 1\nb: [${many}]\n`, "f").faults).toEqual([
      { subject: "f:1", message: "has 101 aliases, more than 100" },
    ]);
  });
});

describe("a directory", () => {
  const root = mkdtempSync(join(tmpdir(), "actcore-files-"));
  beforeAll(() => {
    mkdirSync(join(root, "deep", "er"), { recursive: true });
    mkdirSync(join(root, "folder.yaml"));
    writeFileSync(join(root, "b.yml"), definition("b"));
    writeFileSync(join(root, "deep", "er", "a.yaml"), definition("a"));
    writeFileSync(join(root, "notes.txt"), "no: definition");
    writeFileSync(join(root, "large.yaml"), `# ${"x".repeat(1_048_576)}\n`);
    symlinkSync(join(root, "b.yml"), join(root, "link.yaml"));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test("is read to its depths in the order of the paths, each definition with its file", async () => {
    const { definitions } = await readDefinitionFiles(root);
    expect(definitions.map(({ source, body }) => [source, body.name])).toEqual([
      ["file:b.yml", "b"],
      ["file:deep/er/a.yaml", "a"],
    ]);
  });

  test("has links and files that are too large reported, not followed and not read", async () => {
    const { faults } = await readDefinitionFiles(root);
    expect(faults).toEqual([
      { subject: join(root, "large.yaml"), message: expect.stringContaining("more than 1048576") },
      { subject: join(root, "link.yaml"), message: expect.stringContaining("links are not followed") },
    ]);
  });

  test("that is not there is a fault", async () => {
    const missing = join(root, "missing");
    expect(await readDefinitionFiles(missing)).toEqual({
      definitions: [],
      faults: [{ subject: missing, message: expect.stringContaining("cannot be read") }],
    });
  });
});
