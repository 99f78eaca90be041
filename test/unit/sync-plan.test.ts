import { describe, expect, test } from "bun:test";
import type { FileFault, TreeDocument } from "../../src/document/tree.ts";
import {
  DOCUMENT_STAGES,
  fieldChanges,
  type RowState,
  STAGE_OF,
  type StoredRow,
  type Write,
} from "../../src/sync/document-row.ts";
import { type PlanInput, planSync } from "../../src/sync/plan.ts";
import { planRollback, treesOf } from "../../src/sync/rollback.ts";
import { bodyOf } from "../support/ledger.ts";

const A = "/defs/a";
const B = "/defs/b";
const NOW = new Date("2026-06-01T00:00:00Z");

function document(name: string, { key = name, file = `${name}.yaml`, ...rest }: Record<string, unknown> = {}) {
  const body = bodyOf(name, rest);
  return { kind: "activity", key: String(key), source: `file:${file}`, line: 1, body } as const satisfies TreeDocument;
}

function eventType(name: string, { key = name, ...rest }: Record<string, unknown> = {}): TreeDocument {
  const body = { name, schema: { type: "object" }, enforce: false, ...rest };
  return { kind: "event_type", key: String(key), source: "file:types.yaml", line: 1, body };
}

function hook(name: string, { key = name, ...rest }: Record<string, unknown> = {}): TreeDocument {
  const body = { name, enabled: true, verify: "github" as const, secrets: ["HOOK"], ...rest };
  return { kind: "hook", key: String(key), source: "file:hooks.yaml", line: 1, body };
}

/** The row that a document of a tree has made. */
function rowOf({ kind, key, source, body }: TreeDocument, tree: string | null = A, rest: Partial<StoredRow> = {}) {
  const stage = STAGE_OF[kind];
  const tree_key = tree === null ? null : key;
  const row = { stage, id: crypto.randomUUID(), version: 1, body, source, tree, tree_key, retired: false, ...rest };
  return row satisfies StoredRow;
}

const restRow = (name: string): StoredRow => rowOf(document(name), null, { source: "rest" });

function read(tree: string, documents: TreeDocument[], faults: FileFault[] = []) {
  return { tree, documents, faults };
}

function plan(trees: PlanInput["trees"], stored: StoredRow[], rest: Partial<PlanInput> = {}) {
  return planSync({ trees, stored, stages: DOCUMENT_STAGES, held: [], force: false, now: NOW, ...rest });
}

const told = ({ writes }: { writes: Write[] }) => writes.map(({ action, after }) => `${action} ${after.body.name}`);
const many = (count: number) => Array.from({ length: count }, (_, index) => document(`d${index}`));

describe("a document", () => {
  test("that nothing is stored of makes a row of its tree", () => {
    const { writes } = plan([read(A, [document("x", { key: "the-x" })])], []);
    expect(writes).toMatchObject([
      { action: "create", version: null, before: null, after: { tree: A, tree_key: "the-x", source: "file:x.yaml" } },
    ]);
  });

  test("that is stored as it is changes nothing, whatever the order of its keys", () => {
    const x = document("x");
    const stored = { ...rowOf(x), body: Object.fromEntries(Object.entries(x.body).reverse()) as typeof x.body };
    const planned = plan([read(A, [x])], [stored]);
    expect(planned).toMatchObject({ writes: [], errors: [], unchanged: { definitions: 1, event_types: 0, hooks: 0 } });
  });

  test("that was edited updates its row, field by field", () => {
    const row = rowOf(document("x", { task_templates: [{ key: "a", type: "log", params: { message: "one" } }] }));
    const edited = document("x", {
      enabled: false,
      task_templates: [{ key: "a", type: "log", params: { message: "two", level: "warn" } }],
    });
    const { writes } = plan([read(A, [edited])], [row]);
    expect(writes).toMatchObject([{ action: "update", id: row.id, version: 1 }]);
    expect(fieldChanges(writes[0] as Write)).toEqual([
      { path: "/enabled", before: true, after: false },
      { path: "/task_templates/0/params/message", before: "one", after: "two" },
      { path: "/task_templates/0/params/level", before: null, after: "warn" },
    ]);
  });

  test("that gets a field with the name of what every object inherits says that there was nothing", () => {
    const withFilters = (filters: object) =>
      document("x", { trigger_config: { trigger_type: "event", event_type: "e", filters } });
    const edited = withFilters(JSON.parse('{"constructor": 1, "__proto__": {"a": 2}}'));
    const { writes } = plan([read(A, [edited])], [rowOf(withFilters({}))]);
    const path = "/trigger_config/filters";
    expect(fieldChanges(writes[0] as Write)).toEqual([
      { path: `${path}/constructor`, before: null, after: 1 },
      { path: `${path}/__proto__`, before: null, after: { a: 2 } },
    ]);
  });

  test("whose file was moved says so and nothing else", () => {
    const { writes } = plan([read(A, [document("x", { file: "new/x.yaml" })])], [rowOf(document("x"))]);
    expect(fieldChanges(writes[0] as Write)).toEqual([
      { path: "/source", before: "file:x.yaml", after: "file:new/x.yaml" },
    ]);
  });

  test("with an id is the same under another name; without one it is another", () => {
    const withId = rowOf(document("hourly", { key: "report" }));
    expect(told(plan([read(A, [document("daily", { key: "report" })])], [withId]))).toEqual(["update daily"]);
    const without = rowOf(document("hourly"));
    expect(told(plan([read(A, [document("daily")])], [without]))).toEqual(["retire hourly", "create daily"]);
  });

  test("that gets an id, or loses it, keeps its row by its name", () => {
    const row = rowOf(document("x"));
    const { writes } = plan([read(A, [document("x", { key: "the-x" })])], [row]);
    expect(writes).toMatchObject([{ action: "adopt", id: row.id, after: { tree_key: "the-x" } }]);
    expect(told(plan([read(A, [document("x")])], [rowOf(document("x", { key: "the-x" }))]))).toEqual(["adopt x"]);
  });

  test("may have the name that another one gives up, and two may swap theirs", () => {
    const [x, y] = [rowOf(document("x", { key: "1" })), rowOf(document("y", { key: "2" }))];
    const swapped = [document("y", { key: "1" }), document("x", { key: "2" })];
    expect(plan([read(A, swapped)], [x, y])).toMatchObject({ errors: [], writes: [{ id: x.id }, { id: y.id }] });
  });
});

describe("a document that is gone", () => {
  test("retires its row once", () => {
    const row = rowOf(document("x"));
    const { writes } = plan([read(A, [])], [row]);
    expect(writes).toMatchObject([{ action: "retire", id: row.id, after: { retired: true, body: row.body } }]);
    expect(told(plan([read(A, [])], [{ ...row, retired: true }]))).toEqual([]);
  });

  test("and returns revives the row, edited or not", () => {
    const row = rowOf(document("x"), A, { retired: true });
    for (const returning of [document("x"), document("x", { enabled: false })])
      expect(plan([read(A, [returning])], [row]).writes).toMatchObject([
        { action: "revive", id: row.id, after: { retired: false, body: returning.body } },
      ]);
  });

  test("with its whole directory, because that cannot be read, retires nothing", () => {
    const fault = { source: "file:", subject: A, message: "cannot be read" };
    const planned = plan([read(A, [], [fault]), read(B, [])], [rowOf(document("x")), rowOf(document("y"), B)]);
    expect(told(planned)).toEqual(["retire y"]);
    expect(planned.errors).toEqual([{ stage: "definitions", subject: A, message: "cannot be read" }]);
  });

  test("in a file, or below a directory, that cannot be read is not gone", () => {
    const rows = ["broken.yaml", "dir/deep.yaml", "whole.yaml"].map((file) => rowOf(document(file, { file })));
    const faults = ["file:broken.yaml", "file:dir/"].map((source) => ({ source, subject: source, message: "no" }));
    expect(told(plan([read(A, [], faults)], rows))).toEqual(["retire whole.yaml"]);
  });

  test("because it moved to another file and has a fault there is not gone", () => {
    const fault = { source: "file:new.yaml", subject: "new.yaml:1", message: "no" };
    const hides = [{ kind: "activity", key: "x" }] as const;
    const trees = [read(A, [], [{ ...fault, hides }])];
    expect(told(plan(trees, [rowOf(document("x")), rowOf(document("y"))]))).toEqual(["retire y"]);
    // Into another tree, and whatever id it has there or had here.
    const rows = [rowOf(document("x", { key: "1" })), rowOf(document("y"))];
    expect(told(plan([read(A, []), read(B, [], [{ ...fault, hides }])], rows))).toEqual(["retire y"]);
  });

  test("because it moved into a tree that is held is not gone", () => {
    const trees = [read(A, []), read(B, [document("x")])];
    expect(told(plan(trees, [rowOf(document("x")), rowOf(document("y"))], { held: [B] }))).toEqual(["retire y"]);
  });

  test("with a directory that is no longer configured is not gone while the one in its place cannot be read", () => {
    const rows = [rowOf(document("x")), rowOf(document("y"))];
    const faultOf = (source: string) => ({ source, subject: B, message: "cannot be read" });
    expect(told(plan([read(B, [], [faultOf("file:")])], rows))).toEqual([]);
    expect(told(plan([read(B, [], [faultOf("file:x.yaml")])], rows))).toEqual(["retire y"]);
    expect(told(plan([read(B, [document("x")])], rows, { held: [B] }))).toEqual([]);
  });
});

describe("the guard", () => {
  test.each([
    [20, 4, false],
    [20, 5, true],
    [3, 3, false],
    [4, 4, true],
    [100, 21, true],
  ])("of a tree of %d lets %d go: %p that it refuses", (all, gone, isRefused) => {
    const documents = many(all);
    const rows = documents.map((each) => rowOf(each));
    const planned = plan([read(A, [...documents.slice(gone), document("new")])], rows);
    expect(planned.refused).toEqual(isRefused ? [A] : []);
    expect(planned.writes).toHaveLength(isRefused ? 0 : gone + 1);
    if (isRefused)
      expect(planned.errors).toMatchObject([
        { subject: A, message: expect.stringContaining(`retire ${gone} of its ${all}`) },
      ]);
    const forced = plan([read(A, documents.slice(gone))], rows, { force: true });
    expect([forced.refused, forced.writes.length]).toEqual([[], gone]);
  });

  test("refuses a tree as a whole, and no other", () => {
    const rows = many(10).map((each) => rowOf(each));
    const planned = plan([read(A, [document("d0", { enabled: false })]), read(B, [document("b")])], rows);
    expect([planned.refused, told(planned)]).toEqual([[A], ["create b"]]);
  });

  test("counts what is retired already neither as live nor as gone", () => {
    const documents = many(5);
    const rows = [
      ...documents.map((each) => rowOf(each)),
      ...many(50).map((each) =>
        rowOf({ ...each, key: `r-${each.key}`, body: bodyOf(`r-${each.key}`) }, A, { retired: true }),
      ),
    ];
    expect(plan([read(A, documents.slice(4))], rows).refused).toEqual([A]);
  });

  test("does not see a moved tree as gone", () => {
    const documents = many(30);
    const rows = documents.map((each) => rowOf(each));
    const planned = plan([read(B, documents)], rows);
    expect([planned.refused, planned.unconfigured]).toEqual([[], [A]]);
    expect(planned.writes.map(({ action, id, after }) => [action, id, after.tree])).toEqual(
      rows.map(({ id }) => ["adopt", id, B]),
    );
  });
});

describe("a tree that is no longer configured", () => {
  test("is gone with all its documents, under the guard", () => {
    const few = [rowOf(document("x")), rowOf(document("y"))];
    expect(told(plan([read(B, [])], few))).toEqual(["retire x", "retire y"]);
    expect(
      plan(
        [read(B, [])],
        many(4).map((each) => rowOf(each)),
      ).refused,
    ).toEqual([A]);
  });

  test("is left alone by a process that has no directory at all, forced or not, which says so", () => {
    const rows = [rowOf(document("x"))];
    const planned = plan([], rows, { force: true });
    expect([told(planned), planned.errors]).toEqual([
      [],
      [expect.objectContaining({ message: expect.stringContaining("no directory is configured") })],
    ]);
    expect(plan([], rows)).toEqual(planned);
    expect(plan([], [restRow("x")]).errors).toEqual([]);
  });
});

describe("rows of a release without trees", () => {
  test("are adopted by their names, and keep their ids", () => {
    const row = rowOf(document("x"), null);
    const planned = plan([read(A, [document("x", { file: "elsewhere.yaml" })])], [row]);
    expect(planned.writes).toMatchObject([{ action: "adopt", id: row.id, after: { tree: A, tree_key: "x" } }]);
  });

  test("whose document is gone are retired, but not while a directory cannot be read", () => {
    const row = rowOf(document("x"), null);
    expect(told(plan([read(A, [])], [row]))).toEqual(["retire x"]);
    const fault = { source: "file:", subject: A, message: "cannot be read" };
    expect(told(plan([read(A, [], [fault]), read(B, [])], [row]))).toEqual([]);
  });
});

describe("a name that is taken", () => {
  test("by REST refuses the document, and names both places", () => {
    const row = restRow("x");
    const planned = plan([read(A, [document("x"), document("y")])], [row]);
    expect(told(planned)).toEqual(["create y"]);
    expect(planned.errors).toEqual([
      { stage: "definitions", subject: `${A}/x.yaml:1`, message: expect.stringContaining(`${row.id} from rest`) },
    ]);
  });

  test("by another tree refuses the newcomer, whichever directory comes first", () => {
    const row = rowOf(document("x"), B);
    const planned = plan([read(A, [document("x", { enabled: false })]), read(B, [document("x")])], [row]);
    expect([told(planned), planned.unchanged.definitions]).toEqual([[], 1]);
    expect(planned.errors).toMatchObject([
      { subject: `${A}/x.yaml:1`, message: expect.stringContaining(`${B}/x.yaml`) },
    ]);
  });

  test("by nobody yet goes to the first directory", () => {
    const planned = plan([read(A, [document("x")]), read(B, [document("x")])], []);
    expect(planned.writes).toMatchObject([{ after: { tree: A } }]);
    expect(planned.errors).toMatchObject([
      { subject: `${B}/x.yaml:1`, message: expect.stringContaining(`${A}/x.yaml:1`) },
    ]);
  });

  test("by the same file, of a directory within the other, names both directories", () => {
    const inner = `${A}/inner`;
    const trees = [read(A, [document("x", { file: "inner/x.yaml" })]), read(inner, [document("x")])];
    const [row, subject] = [rowOf(document("x"), inner), `${A}/inner/x.yaml:1`];
    const [stored, fresh] = [[row], []].map((rows) => plan(trees, rows).errors);
    expect(stored).toEqual([
      {
        stage: "definitions",
        subject,
        message: `the name "x" is taken: definition ${row.id} from ${inner}/x.yaml has it, as a file of the directory ${inner}; here it is one of ${A}`,
      },
    ]);
    expect(fresh).toMatchObject([
      {
        subject,
        message: `the name "x" is taken: ${subject} has it, as a file of the directory ${A}; here it is one of ${inner}`,
      },
    ]);
  });

  test("is free again neither by a rename that is itself refused nor for who counted on it", () => {
    const [x, y] = [rowOf(document("x", { key: "1" })), rowOf(document("y", { key: "2" }))];
    const documents = [document("taken", { key: "1" }), document("x", { key: "2" })];
    const planned = plan([read(A, documents)], [x, y, restRow("taken")]);
    expect([told(planned), planned.errors.length]).toEqual([[], 2]);
  });

  test("by a retired definition stays taken for a document with another identity and name", () => {
    const [x, old] = [rowOf(document("x", { key: "1" })), rowOf(document("old"), A, { retired: true })];
    const planned = plan([read(A, [document("old", { key: "1" })])], [x, old]);
    expect(planned.errors.map(({ message }) => message)).toEqual([
      `the name "old" is taken: retired definition ${old.id} from ${A}/old.yaml has it; DELETE /activity-definitions/${old.id} frees it`,
    ]);
  });

  test("moves with its document from one tree to another", () => {
    const row = rowOf(document("x"));
    const planned = plan([read(A, []), read(B, [document("x")])], [row]);
    expect(planned).toMatchObject({ errors: [], writes: [{ action: "adopt", id: row.id, after: { tree: B } }] });
  });
});

describe("a one-shot", () => {
  const at = (run_at: string, rest = {}) =>
    document("once", { trigger_config: { trigger_type: "scheduled", run_at }, ...rest });
  const [past, future] = ["2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z"];

  test("in the past is not made, and no row gets such a time", () => {
    for (const stored of [[], [rowOf(at(future))]]) {
      const planned = plan([read(A, [at(past)])], stored);
      expect(told(planned)).toEqual([]);
      expect(planned.errors).toMatchObject([
        { subject: `${A}/once.yaml:1`, message: expect.stringContaining("is past") },
      ]);
    }
  });

  test("that is stored stays valid when its time has come, and may be edited otherwise", () => {
    expect(plan([read(A, [at(past)])], [rowOf(at(past))])).toMatchObject({ errors: [], writes: [] });
    expect(plan([read(A, [at(past, { enabled: false })])], [rowOf(at(past))])).toMatchObject({
      errors: [],
      writes: [{ action: "update" }],
    });
  });
});

describe("a one-shot in the past that is refused", () => {
  const trigger_config = { trigger_type: "scheduled", run_at: "2026-05-01T00:00:00Z" };

  test("keeps its row's name from whoever counted on it, and has none that it never got", () => {
    const [x, y] = [rowOf(document("x", { key: "1" })), rowOf(document("y", { key: "2" }))];
    const late = document("late", { key: "1", trigger_config });
    const planned = plan([read(A, [late, document("x", { key: "2" })]), read(B, [document("late")])], [x, y]);
    expect([told(planned), planned.errors.length]).toEqual([["create late"], 2]);
    expect(planned.writes).toMatchObject([{ after: { tree: B } }]);
  });
});

describe("event types", () => {
  test("are made, updated, retired and revived beside the activities of their tree", () => {
    const [kept, gone, back] = [
      rowOf(eventType("kept")),
      rowOf(eventType("gone")),
      rowOf(eventType("back"), A, { retired: true }),
    ];
    const documents = [eventType("kept", { enforce: true }), eventType("back"), eventType("new"), document("kept")];
    const planned = plan([read(A, documents)], [kept, gone, back]);
    expect(planned.errors).toEqual([]);
    expect(told(planned)).toEqual(["retire gone", "update kept", "revive back", "create new", "create kept"]);
  });

  test("give up their name when they retire", () => {
    const gone = rowOf(eventType("x", { key: "1" }), A, { retired: true });
    const planned = plan([read(A, [eventType("x", { key: "2" }), eventType("y", { key: "1" })])], [gone]);
    expect(planned.errors).toEqual([]);
    const two = plan(
      [read(A, [eventType("x")]), read(B, [eventType("x")])],
      [rowOf(eventType("x"), A, { retired: true }), rowOf(eventType("x"), B)],
    );
    expect(two.errors).toMatchObject([{ stage: "event_types", subject: `${A}/types.yaml:1` }]);
  });

  test("are not looked at when their stage is off", () => {
    const planned = plan([read(A, [eventType("new"), document("x")])], [], { stages: ["definitions"] });
    expect(told(planned)).toEqual(["create x"]);
  });
});

describe("hooks", () => {
  test("are made, updated and retired beside the activities and event types of their tree", () => {
    const rows = [rowOf(hook("kept")), rowOf(hook("gone")), rowOf(eventType("kept"))];
    const planned = plan([read(A, [hook("kept", { secrets: ["A", "B"] }), hook("new"), eventType("kept")])], rows);
    expect(planned.errors).toEqual([]);
    expect(told(planned)).toEqual(["retire gone", "update kept", "create new"]);
  });

  test("that REST made keep their name, and those that are retired do not", () => {
    const rest = rowOf(hook("x"), null, { source: "rest" });
    const planned = plan([read(A, [hook("x"), hook("y")])], [rest, rowOf(hook("y"), B, { retired: true })]);
    expect(planned.errors).toEqual([
      {
        stage: "hooks",
        subject: `${A}/hooks.yaml:1`,
        message: `the name "x" is taken: hook ${rest.id} from rest has it`,
      },
    ]);
    expect(planned.writes).toMatchObject([{ stage: "hooks", after: { tree: A, retired: false, body: { name: "y" } } }]);
  });
});

test("a held tree is left alone: nothing made, updated or retired, and the others go on", () => {
  const rows = [rowOf(document("x")), rowOf(document("gone"))];
  const trees = [
    read(A, [document("x", { enabled: false }), document("new")]),
    read(B, [document("b"), document("x")]),
  ];
  const planned = plan(trees, rows, { held: [A] });
  expect(told(planned)).toEqual(["create b"]);
  expect(planned.errors).toMatchObject([{ subject: `${B}/x.yaml:1` }]);
  expect(planned.withheld).toEqual([A]);
});

test.each<[difference: string, documents: TreeDocument[], withheld: string[]]>([
  ["nothing", [document("x"), document("y")], []],
  ["a document that is edited", [document("x", { enabled: false }), document("y")], [A]],
  ["a document that is new", [document("x"), document("y"), document("z")], [A]],
  ["a document that is gone", [document("x")], [A]],
])("a held tree whose files differ from what is stored by %s is told accordingly", (_, documents, withheld) => {
  const rows = [rowOf(document("x")), rowOf(document("y"))];
  expect(plan([read(A, documents), read(B, [document("b")])], rows, { held: [A, B] }).withheld).toEqual([
    ...withheld,
    B,
  ]);
  expect(plan([read(A, documents)], rows).withheld).toEqual([]);
});

describe("a rollback", () => {
  const after = (write: Write): StoredRow => ({ ...write.after, stage: write.stage, id: write.id, version: 7 });

  test("retires what was made, and puts back what was updated, retired, revived and adopted", () => {
    const rows = [
      rowOf(document("edited")),
      rowOf(document("gone")),
      rowOf(document("back"), A, { retired: true }),
      rowOf(document("moved"), B),
    ];
    const documents = [document("edited", { enabled: false }), document("back"), document("moved"), document("new")];
    const { writes } = plan([read(A, documents)], rows);
    const undone = planRollback(writes, writes.map(after));
    expect(treesOf(writes)).toEqual([A, B]);
    expect(undone.errors).toEqual([]);
    const states = new Map(undone.writes.map((write) => [write.after.body.name, write]));
    const stateOf = ({ body, source, tree, tree_key, retired }: StoredRow): RowState => ({
      body,
      source,
      tree,
      tree_key,
      retired,
    });
    for (const row of rows) expect(states.get(row.body.name)).toMatchObject({ version: 7, after: stateOf(row) });
    expect(states.get("new")).toMatchObject({ action: "retire", after: { retired: true } });
  });

  test("leaves alone what was deleted since, and says so", () => {
    const { writes } = plan([read(A, [document("x")])], []);
    expect(planRollback(writes, [])).toMatchObject({
      writes: [],
      errors: [{ message: expect.stringContaining("deleted") }],
    });
  });
});

describe("a file that may be cut", () => {
  const file = "many.yaml";
  const source = `file:${file}`;
  const [first, second] = [document("one", { file }), document("two", { file })];
  const rows = [rowOf(first), rowOf(second)];
  const edited = document("one", { file, enabled: false });

  test("is left alone when a document of it is gone, and the error says what to do", () => {
    const planned = plan([{ ...read(A, [edited]), unended: [source] }], rows);
    expect(planned.writes).toEqual([]);
    expect(planned.errors).toEqual([
      {
        stage: "definitions",
        subject: `${A}/${file}`,
        message:
          '"two" is not in it any more, and its last line is not ended: it may still be being written, and nothing of it is synced. If it is meant so, end the last line',
      },
    ]);
  });

  test("is synced when nothing is gone from it", () => {
    expect(told(plan([{ ...read(A, [edited, second]), unended: [source] }], rows))).toEqual(["update one"]);
  });

  test("is synced when the document stands in another file now, or was retired before", () => {
    const moved = document("two", { file: "other.yaml" });
    expect(plan([{ ...read(A, [first, moved]), unended: [source] }], rows).errors).toEqual([]);
    const retired = [rowOf(first), rowOf(second, A, { retired: true })];
    expect(told(plan([{ ...read(A, [edited]), unended: [source] }], retired))).toEqual(["update one"]);
  });

  test("retires what is gone once its last line is ended", () => {
    expect(told(plan([read(A, [edited])], rows)).sort()).toEqual(["retire two", "update one"]);
  });
});
