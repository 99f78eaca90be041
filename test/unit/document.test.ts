/** What becomes of a definition file's text: its documents, or each fault with its line. */
import { describe, expect, test } from "bun:test";
import { isFault, readDocuments, type TreeDocument } from "../../src/document/document.ts";
import { preview } from "../../src/json/faults.ts";
import { TASK_RULES } from "../support/own-engines.ts";
import { startProcessorTime } from "../support/processor-time.ts";

const definition = (name: string) => `name: ${name}\ntrigger_config: {trigger_type: event, event_type: x}\n`;

function parseDocuments(text: string, path: string) {
  const read = [...readDocuments(text, path, TASK_RULES)];
  return { documents: read.filter((each): each is TreeDocument => !isFault(each)), faults: read.filter(isFault) };
}

/** What stands in the text, as `kind key@line`, and its faults, as `path:line message`. */
function read(text: string, path = "f.yaml") {
  const { documents, faults } = parseDocuments(text, path);
  return {
    documents: documents.map(({ kind, key, line }) => `${kind} ${key}@${line}`),
    faults: faults.map(({ subject, message }) => `${subject} ${message}`),
  };
}

describe("a text", () => {
  test("may hold several documents, empty ones among them", () => {
    expect(read(`---\n${definition("a")}---\n---\n# none\n---\n${definition("b")}`)).toEqual({
      documents: ["activity a@2", "activity b@8"],
      faults: [],
    });
  });

  test.each(["# nothing here\n", "---\n"])("may hold none: %j", (text) => {
    expect(read(text)).toEqual({ documents: [], faults: [] });
  });

  test.each(["", "\n \n", "\ufeff"])("without anything may still be being written: %j", (text) => {
    expect(read(text)).toEqual({
      documents: [],
      faults: ["f.yaml is empty, and may still be being written: to retire what it held, remove it"],
    });
  });

  test("may begin with a byte order mark, and end its lines as Windows does", () => {
    const text = `\ufeff${definition("a")}---\n${definition("b")}`.replaceAll("\n", "\r\n");
    expect(read(text)).toEqual({ documents: ["activity a@1", "activity b@4"], faults: [] });
  });

  test("names the file of each document as its source", () => {
    expect(parseDocuments(definition("a"), "deep/a.yaml").documents).toMatchObject([
      { kind: "activity", key: "a", source: "file:deep/a.yaml", line: 1, body: { name: "a", enabled: true } },
    ]);
  });
});

describe("a document", () => {
  test("is known by its id where it has one, and neither id nor kind is a part of its body", () => {
    const { documents } = parseDocuments(`id: stays\nkind: activity\n${definition("a")}`, "f.yaml");
    expect(documents).toMatchObject([{ kind: "activity", key: "stays", body: { name: "a" } }]);
    expect(Object.keys(documents[0]?.body ?? {})).not.toContain("id");
    expect(Object.keys(documents[0]?.body ?? {})).not.toContain("kind");
  });

  test("is an event type when its kind says so", () => {
    const text = "kind: event_type\nid: t1\nname: user.created\nschema: {type: object}\n";
    expect(parseDocuments(text, "f.yaml").documents).toEqual([
      {
        kind: "event_type",
        key: "t1",
        source: "file:f.yaml",
        line: 1,
        body: { name: "user.created", schema: { type: "object" }, enforce: false },
      },
    ]);
  });

  test("is a hook when its kind says so", () => {
    const text = "kind: hook\nname: github\nverify: github\nsecrets: [GITHUB_HOOK]\n";
    const body = { name: "github", verify: "github", secrets: ["GITHUB_HOOK"], enabled: true };
    const place = { key: "github", source: "file:f.yaml", line: 1 };
    expect(parseDocuments(text, "f.yaml").documents).toEqual([{ kind: "hook", ...place, body }] as TreeDocument[]);
    expect(read(text.replace("[GITHUB_HOOK]", "GITHUB_HOOK")).faults).toEqual([
      'f.yaml:4 /secrets expected a list of one or two different names of secrets, received "GITHUB_HOOK"',
    ]);
  });

  test("that is an event type has each fault of its schema with its line", () => {
    const text = "kind: event_type\nname: t\nschema:\n  properties:\n    a:\n      type: text\n    b: {pattern: '('}\n";
    expect(read(text).faults).toEqual([expect.stringMatching(/^f\.yaml:6 \/schema\/properties\/a\/type must be/)]);
    expect(read(text.replace("text", "string")).faults).toEqual([
      expect.stringMatching(/^f\.yaml:7 \/schema\/properties\/b\/pattern "\("/),
    ]);
  });

  test("has the line of a field whose name has a slash or a space", () => {
    const field = (name: string, schema: string) =>
      `kind: event_type\nname: t\nenforce: true\nschema:\n  properties:\n    "${name}": ${schema}\n`;
    expect(read(field("a/b", "{type: text}")).faults).toEqual([
      expect.stringMatching(/^f\.yaml:6 \/schema\/properties\/a~1b\/type must be/),
    ]);
    expect(read(field("a/b", "{pattern: '('}")).faults).toEqual([
      expect.stringMatching(/^f\.yaml:6 \/schema\/properties\/a~1b\/pattern /),
    ]);
    expect(read(field("ä b", "{format: odd}")).faults).toEqual([
      expect.stringMatching(/^f\.yaml:6 \/schema\/properties\/ä b "odd" is no known format/),
    ]);
  });

  test("of another kind is a fault", () => {
    expect(read(`${definition("a")}kind: job\n`)).toEqual({
      documents: [],
      faults: ['f.yaml:3 /kind expected one of activity, event_type, hook, received "job"'],
    });
  });
});

describe("a fault of a document", () => {
  test("stands with its line, every one of them, and the good documents beside it stand", () => {
    const bad = "name: b\ncolour: red\ntrigger_config:\n  trigger_type: event\n  event_type: 5\n";
    const { documents, faults } = parseDocuments(`${definition("a")}---\n${bad}---\n${definition("c")}`, "d/f.yaml");
    expect(documents.map(({ key }) => key)).toEqual(["a", "c"]);
    expect(faults).toEqual([
      {
        source: "file:d/f.yaml",
        subject: "d/f.yaml:5",
        line: 5,
        path: "/colour",
        message: "/colour unknown field",
        hides: [{ kind: "activity", key: "b" }],
      },
      expect.objectContaining({
        subject: "d/f.yaml:8",
        path: "/trigger_config/event_type",
        message: '/trigger_config/event_type expected string, received 5, a number: write it as a text, in quotes: "5"',
      }),
    ]);
  });

  test("has the line of the field around it where the field is missing", () => {
    const text = "name: a\nenabled: true\ntrigger_config:\n  trigger_type: event\n";
    expect(read(text).faults).toEqual(["f.yaml:3 /trigger_config/event_type is required"]);
  });

  test("is found within a list by its line", () => {
    const text = `${definition("a")}task_templates:\n  - {key: k, type: log, params: {message: m}}\n  - key: l\n    type: odd\n`;
    expect(read(text).faults).toEqual([expect.stringMatching(/^f\.yaml:6 \/task_templates\/1\/type /)]);
  });

  const trigger = (fields: string) => `name: a\ntrigger_config:\n  trigger_type: cron\n${fields}`;
  test.each([
    ["an unknown time zone", trigger("  cron_expression: 0 9 * * *\n  timezone: Mars/Base\n"), 5, "Mars/Base"],
    ["a bad expression", trigger("  cron_expression: 0 9 * *\n"), 4, "/trigger_config/cron_expression"],
    ["a time that never comes", trigger("  cron_expression: 0 9 31 2 *\n"), 4, "/trigger_config/cron_expression"],
    ["a negative jitter", trigger("  cron_expression: 0 9 * * *\n  jitter: -5\n"), 5, "/trigger_config/jitter"],
    ["a negative duration", trigger("  cron_expression: 0 9 * * *\n  jitter: -5s\n"), 5, "/trigger_config/jitter"],
  ])("is one, with its line, for %s", (_, text, line, message) => {
    const { documents, faults } = read(text);
    expect(documents).toEqual([]);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toStartWith(`f.yaml:${line} `);
    expect(faults[0]).toContain(message);
  });

  test.each([
    ["a list", "- 1\n", "expected an object"],
    ["a text", "hello\n", "expected an object"],
    ["an id with a space", `${definition("a")}id: a b\n`, "/id expected"],
    ["an id that is too long", `${definition("a")}id: ${"x".repeat(101)}\n`, "/id expected"],
    ["an id that is a number", `${definition("a")}id: 5\n`, "/id expected"],
    ["an event type without its schema", "kind: event_type\nname: t\n", "/schema is required"],
    [
      "an event type with a trigger",
      "kind: event_type\nname: t\nschema: {}\nenabled: true\n",
      "/enabled unknown field",
    ],
  ])("is one for %s", (_, text, message) => {
    const { documents, faults } = read(text);
    expect([documents, faults]).toEqual([[], [expect.stringContaining(message)]]);
  });
});

describe("a text that is no YAML", () => {
  test.each([
    ["an open quote", 'name: a\nenabled: "\n', "f.yaml:3 "],
    ["a tab for indentation", "name: a\ntrigger_config:\n\ttrigger_type: event\n", "f.yaml:3 Tabs"],
    ["a value in two places", "name: a\nenabled: true: false\n", "f.yaml:2 "],
    ["an alias of nothing", "name: a\nenabled: *there\n", "f.yaml:2 the alias *there has no anchor before it"],
    ["an unknown tag", "name: !secret a\n", "f.yaml:1 Unresolved tag: !secret"],
    ["a key that is a list", "? [a]\n: b\n", "f.yaml:1 "],
    ["a number without end", `${definition("a")}---\nname: b\nfilters: .inf\n`, 'f.yaml:5 ".inf" is no number'],
  ])("because of %s has one fault with its line", (_, text, start) => {
    const { faults } = read(text);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toStartWith(start);
  });

  test("because a key stands twice has the line of each second one", () => {
    const text = `name: a\nname: b\ntrigger_config:\n  trigger_type: event\n  event_type: x\n  event_type: y\n`;
    expect(read(text)).toEqual({
      documents: [],
      faults: ['f.yaml:2 the key "name" stands twice', 'f.yaml:6 the key "event_type" stands twice'],
    });
  });

  test("in one document lets the documents before it stand", () => {
    const { documents, faults } = read(`${definition("a")}---\nname: "b\n`);
    expect(documents).toEqual(["activity a@1"]);
    expect(faults).toHaveLength(1);
  });

  test("in very many documents has a thousand faults, and one that says so", () => {
    const { documents, faults } = read(`${definition("a")}---\n${"a\n---\n".repeat(170_000)}`);
    expect(documents).toEqual(["activity a@1"]);
    expect(faults).toHaveLength(1_001);
    expect(faults.at(-1)).toBe("f.yaml:2004 has 1000 faults before this line: the rest is not read");
  });

  test.each([
    ["lists", "- ".repeat(5_000), "f.yaml", 1],
    ["lists in brackets, as JSON", `[\n${"[".repeat(5_000)}${"]".repeat(5_000)}\n]`, "f.json", 2],
    ["maps without an end", "{a: ".repeat(4_000), "f.yaml", 1],
    [
      "maps on lines of their own",
      Array.from({ length: 400 }, (_, n) => `${" ".repeat(n)}a:\n`).join(""),
      "f.yaml",
      101,
    ],
    ["keys", "? ".repeat(5_000), "f.yaml", 1],
    [
      "an event type's schema",
      `kind: event_type\nname: t\nschema: ${"{not: ".repeat(4_000)}{}${"}".repeat(4_000)}`,
      "f.yaml",
      3,
    ],
    ["what is deeper than any stack", "[".repeat(100_000), "f.yaml", 1],
  ])("by its nesting is refused at once, with one fault and its line: %s", (_, text, path, line) => {
    const worked = startProcessorTime();
    expect(read(text, path)).toEqual({ documents: [], faults: [`${path}:${line} is nested deeper than 100 levels`] });
    expect(worked()).toBeLessThan(text.length >= 100_000 ? 10_000 : 1_000);
  });

  test("by the nesting of one document lets those around it stand", () => {
    const deep = `a:\n ${"[".repeat(1_000)}${"]".repeat(1_000)}`;
    expect(read(`${definition("a")}---\n${deep}\n---\n${definition("b")}`)).toEqual({
      documents: ["activity a@1", "activity b@7"],
      faults: ["f.yaml:5 is nested deeper than 100 levels"],
    });
  });
});

describe("aliases", () => {
  const filters = (text: string) =>
    parseDocuments(`name: a\ntrigger_config: {trigger_type: event, event_type: x, filters: ${text}}\n`, "f.yaml");

  test("stand for what their anchor names", () => {
    expect(filters("{a: &v [1], b: *v}").documents[0]?.body).toMatchObject({
      trigger_config: { filters: { a: [1], b: [1] } },
    });
  });

  test("may be merged into a map, whose own keys win", () => {
    expect(filters("{a: &v {p: 1, q: 1}, b: {<<: *v, q: 2}}").documents[0]?.body).toMatchObject({
      trigger_config: { filters: { b: { p: 1, q: 2 } } },
    });
  });

  const small = Array.from({ length: 30 }, (_, n) => `l${n + 1}: &l${n + 1} [*l${n}, *l${n}, *l${n}]`).join("\n");
  const few = Array.from({ length: 3 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array(30).fill(`*l${n}`).join(", ")}]`);
  const merged = Array.from({ length: 20 }, (_, n) => `l${n + 1}: &l${n + 1} {a: *l${n}, b: *l${n}, <<: *l${n}}`);
  test.each([
    ["that grow threefold, thirty times", `l0: &l0 [x, x, x]\n${small}\n`],
    ["that are few, of something large", `l0: &l0 ${"x".repeat(2_000)}\n${few.join("\n")}\n`],
    ["that are ninety, of a long text", `l0: &l0 ${"x".repeat(100_000)}\nl1: [${Array(90).fill("*l0").join(", ")}]\n`],
    ["that are merged", `l0: &l0 {x: y}\n${merged.join("\n")}\n`],
    ["that contain themselves", "l0: &l0 [*l0]\n"],
    ["that are more than anybody needs", `a: &v 1\nb: [${Array(101).fill("*v").join(", ")}]\n`],
  ])("%s are refused at once, with one fault", (_, text) => {
    const worked = startProcessorTime();
    const { documents, faults } = read(text, "bomb.yaml");
    expect(documents).toEqual([]);
    expect(faults).toEqual([expect.stringMatching(/^bomb\.yaml:\d+ .*alias/)]);
    expect(worked()).toBeLessThan(1_000);
  });
});

test("the documents of a file share what their aliases may expand to: many small bombs are one large one", () => {
  const bomb = (name: string) =>
    `name: ${name}\ntrigger_config:\n  trigger_type: event\n  event_type: x\n` +
    `  filters: {a: &a ${"x".repeat(10_000)}, b: [${Array(40).fill("*a").join(", ")}]}\n`;
  const { documents, faults } = read([bomb("a"), bomb("b"), definition("plain"), bomb("c")].join("---\n"));
  expect(documents).toEqual(["activity a@1", "activity b@7", "activity plain@13"]);
  expect(faults).toEqual([
    expect.stringMatching(/^f\.yaml:16 its aliases expand to .* together with those before it$/),
  ]);
});

describe("a JSON file", () => {
  const json = (name: string) => `{"name": "${name}", "trigger_config": {"trigger_type": "event", "event_type": "x"}}`;

  test("holds one document, or a list of them, each with its line", () => {
    expect(read(json("a"), "f.json").documents).toEqual(["activity a@1"]);
    expect(read(`[\n\t${json("a")},\n\t${json("b")}\n]\n`, "f.json")).toEqual({
      documents: ["activity a@2", "activity b@3"],
      faults: [],
    });
  });

  test("has the line of a fault within a list", () => {
    const text = `[\n${json("a")},\n{"name": "b",\n"trigger_config": {"trigger_type": "odd"}}\n]`;
    expect(read(text, "f.json")).toEqual({
      documents: ["activity a@2"],
      faults: [expect.stringMatching(/^f\.json:4 \/trigger_config\/trigger_type /)],
    });
  });

  test.each([
    ["a trailing comma", '{\n"name": "a",\n}', 'f.json:3 is no JSON: expected a key in double quotes, received "}"'],
    ["a comma at a list's end", "[\n1,\n]", 'f.json:3 is no JSON: expected a value, received "]"'],
    ["a comment", '{\n// no\n"name": "a"}', 'f.json:2 is no JSON: expected a key in double quotes, received "/"'],
    ["single quotes", "{'name': 1}", 'f.json:1 is no JSON: expected a key in double quotes, received "\'"'],
    ["an end that is missing", '{"name": "a"\n', 'f.json:1 is no JSON: expected "," or "}", received the end'],
    ["something behind its end", '{}\n{"name": "b"}', 'f.json:2 is no JSON: expected the end, received "{"'],
    ["a bare word", '{"name": yes}', 'f.json:1 is no JSON: expected a value, received "y"'],
    ["nothing", "", "f.json:1 is no JSON: expected a value, received the end"],
  ])("with %s has one fault with its line", (_, text, fault) => {
    expect(read(text, "f.json")).toEqual({ documents: [], faults: [fault] });
  });

  test("may not name a key twice", () => {
    expect(read('{"name": "a",\n"name": "b"}', "f.json").faults).toEqual(['f.json:2 the key "name" stands twice']);
  });

  test("is read as JSON.parse reads it", () => {
    const payload = {
      text: '\u0001 "é" \\ / \u{1f600} \u2028',
      n: [0, -1.5e-7, 1e21, true, null],
      "": {},
      deep: [[[]]],
    };
    const text = JSON.stringify({ kind: "event_type", name: "t", schema: { const: payload } }, undefined, "\t");
    const { documents } = parseDocuments(text, "f.json");
    expect(documents[0]?.body).toEqual({ name: "t", schema: { const: payload }, enforce: false });
  });
});

describe("a number that a JavaScript number would change is kept as it is written", () => {
  const bodyOf = (text: string, path: string) => {
    const { documents, faults } = parseDocuments(text, path);
    expect(faults).toEqual([]);
    const { body } = documents[0] as TreeDocument & { kind: "activity" };
    return JSON.stringify(body.trigger_config);
  };
  test.each([
    ["175928847299117063", "175928847299117063"],
    ["-9007199254740993", "-9007199254740993"],
    ["+9007199254740993", "9007199254740993"],
    ["0009007199254740993", "9007199254740993"],
    ["9007199254740993.", "9007199254740993"],
    ["-.12345678901234567", "-0.12345678901234567"],
    ["1.e400", "1e+400"],
    ["0x20000000000001", "9007199254740993"],
    ["0o400000000000000001", "9007199254740993"],
    ["!!int 9007199254740993", "9007199254740993"],
    ["&id 9007199254740993, b: *id", "9007199254740993"],
    ["007", "7"],
    ["0x1F", "31"],
    ["1.50", "1.5"],
    [".5", "0.5"],
    ['"9007199254740993"', '"9007199254740993"'],
  ])("in YAML, %s", (written, kept) => {
    const text = `name: a\ntrigger_config: {trigger_type: event, event_type: x, filters: {a: ${written}}}\n`;
    expect(bodyOf(text, "f.yaml")).toContain(`"filters":{"a":${kept}`);
  });
  test("in JSON, and an alias stands for the same", () => {
    const trigger = '{"trigger_type":"event","event_type":"x","filters":{"a":175928847299117063,"b":[1e+400]}}';
    expect(bodyOf(`{"name":"a","trigger_config":${trigger}}`, "f.json")).toBe(trigger);
    const twice =
      "name: a\ntrigger_config: {trigger_type: event, event_type: x, filters: {a: &id 9007199254740993, b: *id}}\n";
    expect(bodyOf(twice, "f.yaml")).toContain('{"a":9007199254740993,"b":9007199254740993}');
  });
  test("but for what no JSON has, and what cannot be kept", () => {
    for (const written of [".inf", "-.INF", ".nan", `1e${"9".repeat(20)}`, `0x${"f".repeat(1_000)}`])
      expect(
        read(`name: a\ntrigger_config: {trigger_type: event, event_type: x, filters: {a: ${written}}}\n`).faults,
      ).toEqual([`f.yaml:2 ${preview(written)} is no number that can be kept`]);
  });
});
