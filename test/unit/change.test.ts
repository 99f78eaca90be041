/** What a REST change makes of a definition. */
import { describe, expect, test } from "bun:test";
import { applyChange, parseNewDefinition } from "../../src/definition/rest-change.ts";
import type { Definition, DefinitionBody } from "../../src/definition/schema.ts";
import type { StoredDefinition } from "../../src/definition/store.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const TRIGGER = { trigger_type: "event", event_type: "x", filters: { tier: "pro" } } as const;
const CRON = { trigger_type: "cron", cron_expression: "0 9 * * *" } as const;
const ONCE = { trigger_type: "scheduled", run_at: "2026-06-01T00:00:00Z" } as const;
const NOW = new Date("2026-06-01T12:00:00Z");
const TASK = { key: "a", type: "log", params: { message: "m" } } as const;
const body: DefinitionBody = parseDefinition(
  { name: "mail", trigger_config: TRIGGER, task_templates: [TASK] },
  TASK_RULES,
);

function stored(source: string, enabled_override: boolean | null = null): StoredDefinition {
  const kept = {
    version: 3,
    source,
    retired_at: null,
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-02T00:00:00.000Z",
  };
  const id = "0b0b0b0b-0000-7000-8000-000000000000";
  const definition = { id, ...body, enabled: enabled_override ?? body.enabled, enabled_override, ...kept };
  return { definition, body };
}
const rest = stored("rest");
const file = stored("file:mail.yaml");

/** As a client gets it. */
const asRead = ({ definition }: StoredDefinition): Definition => JSON.parse(JSON.stringify(definition));

/** The paths of the faults for which the change is refused. */
function faultsOf(before: StoredDefinition, input: unknown): string[] {
  try {
    applyChange(before, input, NOW, TASK_RULES);
  } catch (error) {
    expect(error).toMatchObject({ code: "invalid_definition" });
    return (error as InvalidInputError).faults.map(({ path }) => path);
  }
  throw new Error("the change was accepted");
}

test("a retired definition cannot be enabled; its document has to be put back", () => {
  const retired: StoredDefinition = {
    body,
    definition: { ...file.definition, enabled: false, retired_at: "2026-01-03T00:00:00.000Z" },
  };
  expect(() => applyChange(retired, { enabled: true }, NOW, TASK_RULES)).toThrow(
    expect.objectContaining({ code: "definition_retired", hint: "put its document back and sync, which revives it" }),
  );
  for (const input of [{ enabled: false }, { enabled: null }, asRead(retired)])
    expect(() => applyChange(retired, input, NOW, TASK_RULES)).not.toThrow();
});

describe("a change of what REST made", () => {
  test.each<[input: object, changed: Partial<DefinitionBody>]>([
    [{}, {}],
    [{ enabled: false }, { enabled: false }],
    [{ name: "post" }, { name: "post" }],
    [{ task_templates: [] }, { task_templates: [] }],
    [
      { trigger_config: { trigger_type: "event", event_type: "y" } },
      { trigger_config: { trigger_type: "event", event_type: "y" } },
    ],
    [{ trigger_config: CRON }, { trigger_type: "cron", trigger_config: CRON }],
    [
      { trigger_type: "cron", trigger_config: CRON, enabled: false },
      { trigger_type: "cron", trigger_config: CRON, enabled: false },
    ],
    [{ trigger_type: "event" }, {}],
  ])("by %j replaces these keys whole and keeps the others", (input, changed) => {
    expect(applyChange(rest, input, NOW, TASK_RULES)).toEqual({
      body: { ...body, ...changed } as DefinitionBody,
      enabled_override: null,
    });
  });

  test("by the whole object as it was read changes nothing, and one changed key in it is that change", () => {
    expect(applyChange(rest, asRead(rest), NOW, TASK_RULES)).toEqual({ body, enabled_override: null });
    expect(applyChange(rest, { ...asRead(rest), name: "post" }, NOW, TASK_RULES).body).toEqual({
      ...body,
      name: "post",
    });
  });

  test.each<[input: object, faults: string[]]>([
    [{ colour: 1 }, ["/colour"]],
    [{ colour: 1, enabled: "yes", name: "" }, ["/colour", "/enabled", "/name"]],
    [{ enabled: null }, ["/enabled"]],
    [{ trigger_type: "cron" }, ["/trigger_type"]],
    [{ trigger_config: { event_type: "y" } }, ["/trigger_config/trigger_type"]],
    [{ trigger_config: { ...TRIGGER, colour: 1 } }, ["/trigger_config/colour"]],
    [{ task_templates: [{ ...TASK, type: "magic" }] }, ["/task_templates/0/type"]],
    [{ id: crypto.randomUUID() }, ["/id"]],
    [{ version: 4, source: "mine", created_at: null }, ["/created_at", "/source", "/version"]],
    [{ enabled_override: false }, ["/enabled_override"]],
    [{ updated_at: "2027-01-01T00:00:00.000Z", enabled: false }, ["/updated_at"]],
  ])("by %j is refused, with every fault", (input, faults) => {
    expect(faultsOf(rest, input).sort()).toEqual(faults);
  });

  test.each([[null], [[]], ["x"], [5], [true]])("by %j, which is no object, is refused", (input) => {
    expect(faultsOf(rest, input)).toEqual(["/"]);
  });

  test("says of a read-only key what it is", () => {
    expect(() => applyChange(rest, { version: 4 }, NOW, TASK_RULES)).toThrow(
      expect.objectContaining({ faults: [{ path: "/version", message: "is 3 and cannot be changed" }] }),
    );
  });

  test("does not take keys from a prototype", () => {
    expect(faultsOf(rest, JSON.parse('{"__proto__": {"enabled": false}}'))).toEqual(["/__proto__"]);
  });
});

describe("a change of what a file made", () => {
  test.each<[override: boolean | null, input: object, after: boolean | null]>([
    [null, {}, null],
    [null, { enabled: false }, false],
    [null, { enabled: true }, true],
    [false, { enabled: true }, true],
    [false, { enabled: null }, null],
    [null, { enabled: null }, null],
    [false, {}, false],
    [false, { name: "mail", version: 3, trigger_config: TRIGGER }, false],
  ])("whose override is %p by %j makes the override %p, and keeps the file's word", (override, input, after) => {
    expect(applyChange(stored("file:mail.yaml", override), input, NOW, TASK_RULES)).toEqual({
      body,
      enabled_override: after,
    });
  });

  test.each([null, true, false])("by the whole object as it was read keeps the override %p", (override) => {
    const before = stored("file:mail.yaml", override);
    expect(applyChange(before, asRead(before), NOW, TASK_RULES)).toEqual({ body, enabled_override: override });
    const other = !before.definition.enabled;
    expect(applyChange(before, { ...asRead(before), enabled: other }, NOW, TASK_RULES).enabled_override).toBe(other);
  });

  test.each<[input: object, named: string]>([
    [{ name: "post" }, "name"],
    [{ enabled: false, trigger_config: CRON }, "trigger_config"],
    [{ task_templates: [], colour: 1 }, "task_templates, colour"],
  ])("by %j is refused: it is the file's", (input, named) => {
    expect(() => applyChange(file, input, NOW, TASK_RULES)).toThrow(
      expect.objectContaining({
        code: "definition_from_file",
        message: expect.stringContaining(`: ${named} can only`),
      }),
    );
  });

  test.each([[{ enabled: "no" }], [{ enabled: 0 }]])("by %j is refused", (input) => {
    expect(faultsOf(file, input)).toEqual(["/enabled"]);
  });
});

describe("the time of a one-shot", () => {
  const fired: StoredDefinition = (() => {
    const body = parseDefinition({ name: "once", trigger_config: ONCE }, TASK_RULES);
    return { definition: { ...rest.definition, ...body }, body };
  })();
  const at = (run_at: string) => ({ trigger_config: { trigger_type: "scheduled", run_at } });

  test("is refused when it is new and past", () => {
    expect(faultsOf(fired, at("2026-05-31T00:00:00Z"))).toEqual(["/trigger_config/run_at"]);
    expect(faultsOf(rest, { trigger_config: ONCE })).toEqual(["/trigger_config/run_at"]);
    expect(() => parseNewDefinition({ name: "once", trigger_config: ONCE }, NOW, TASK_RULES)).toThrow(
      "the definition is not valid",
    );
  });

  test("may be past when only something else is changed, and when it is only written in another way", () => {
    expect(applyChange(fired, { name: "done", enabled: false }, NOW, TASK_RULES).body.name).toBe("done");
    expect(applyChange(fired, asRead(fired), NOW, TASK_RULES).body).toEqual(fired.body);
    expect(applyChange(fired, at("2026-06-01T02:00:00+02:00"), NOW, TASK_RULES).body.trigger_config).toMatchObject({
      run_at: "2026-06-01T02:00:00+02:00",
    });
  });

  test("may be new when it is to come", () => {
    expect(applyChange(fired, at("2026-06-01T12:00:01Z"), NOW, TASK_RULES).body.trigger_type).toBe("scheduled");
    expect(parseNewDefinition({ name: "once", ...at("2026-06-01T12:00:01Z") }, NOW, TASK_RULES).trigger_type).toBe(
      "scheduled",
    );
  });
});

describe("what was accepted before a rule became stricter", () => {
  const task = { key: "a", type: "log", params: { message: "hello {{ name }}" } } as const;
  const old: StoredDefinition = {
    definition: { ...rest.definition, task_templates: [task] },
    body: { ...body, task_templates: [task] },
  };

  test("stays as it is while something else is changed", () => {
    expect(applyChange(old, { enabled: false }, NOW, TASK_RULES).body).toEqual({ ...old.body, enabled: false });
    expect(applyChange(old, { ...asRead(old), name: "post" }, NOW, TASK_RULES).body.name).toBe("post");
  });

  test("is refused when it is changed itself", () => {
    expect(faultsOf(old, { task_templates: [{ ...task, key: "b" }] })).toEqual(["/task_templates/0/params/message"]);
  });

  test("does not excuse what is changed beside it", () => {
    expect(faultsOf(old, { trigger_config: { ...CRON, cron_expression: "?" } })).toEqual([
      "/trigger_config/cron_expression",
    ]);
  });
});
