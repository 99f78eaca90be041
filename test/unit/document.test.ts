/** What becomes of a definition file's text: its documents, or each fault with its line. */
import { describe, expect, test } from "bun:test";
import { parseDocuments } from "../../src/definition/document.ts";

const definition = (name: string) => `name: ${name}\ntrigger_config: {trigger_type: event, event_type: x}\n`;

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

  test.each(["", "# nothing here\n", "---\n", "\ufeff"])("may hold none: %j", (text) => {
    expect(read(text)).toEqual({ documents: [], faults: [] });
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

  test("of another kind is a fault", () => {
    expect(read(`${definition("a")}kind: job\n`)).toEqual({
      documents: [],
      faults: ['f.yaml:3 /kind expected one of activity, event_type, received "job"'],
    });
  });
});
