import { describe, expect, test } from "bun:test";
import { parseEventType } from "../../src/event/event-type.ts";
import { compileCheck, type JsonSchema } from "../../src/json/json-schema.ts";
import { parseJson } from "../../src/json/parse.ts";
import { InvalidInputError } from "../../src/kernel/errors.ts";
import { startProcessorTime } from "../support/processor-time.ts";

/** The faults of an enforced event type with this schema, as `path message`. */
function faultsOf(schema: unknown, rest: object = { enforce: true }): string[] {
  try {
    parseEventType({ name: "t", schema, ...rest });
    return [];
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.faults.map(({ path, message }) => `${path} ${message}`);
  }
}

describe("an event type", () => {
  test("is its name and schema, and describes only unless it says that it is enforced", () => {
    const schema = { type: "object" };
    expect(parseEventType({ name: "t", schema })).toEqual({ name: "t", schema, enforce: false });
    expect(parseEventType({ name: "t", description: "d", schema, enforce: true })).toEqual({
      name: "t",
      description: "d",
      schema,
      enforce: true,
    });
  });

  test.each([
    ["a name with a control character", { name: "a\nb", schema: {} }, "/name expected"],
    ["a name with a C1 control character", { name: "a\u009bb", schema: {} }, "/name expected"],
    ["no schema", { name: "t" }, "/schema is required"],
    ["a schema that is true", { name: "t", schema: true }, "/schema expected a JSON Schema, as an object"],
    ["an unknown field", { name: "t", schema: {}, colour: 1 }, "/colour unknown field"],
    ["what cannot be stored", { name: "\ud800", schema: {} }, "/name has half of a surrogate pair"],
    ["a word for enforce", { name: "t", schema: {}, enforce: "yes" }, "/enforce expected true or false"],
  ] as [string, Record<string, unknown>, string][])("with %s is refused", (_, { schema, ...rest }, start) => {
    expect(faultsOf(schema, rest)).toEqual([expect.stringMatching(new RegExp(`^${start}`))]);
  });
});

describe("a schema", () => {
  test.each<[string, JsonSchema, string]>([
    [
      "a type that there is none of",
      { properties: { a: { type: "text" } } },
      "/schema/properties/a/type must be equal to one of",
    ],
    ["a limit that is no number", { minimum: "5" }, '/schema/minimum must be number, received "5"'],
    [
      "a pattern that is none",
      { properties: { a: { pattern: "(" } } },
      '/schema/properties/a/pattern "(" is no regular expression',
    ],
    [
      "a reference to elsewhere",
      { $ref: "https://x.invalid/y" },
      "/schema refers to https://x.invalid/y, which is not in it",
    ],
    [
      "a reference to a file",
      { $ref: "file:///etc/passwd" },
      "/schema refers to file:///etc/passwd, which is not in it",
    ],
    ["a reference to nothing", { $ref: "#/$defs/none" }, "/schema refers to #/$defs/none, which is not in it"],
    ["itself for what it is", { $ref: "#" }, "/schema refers to itself without end"],
    [
      "a circle of references",
      { $ref: "#/$defs/a", $defs: { a: { allOf: [{ $ref: "#/$defs/b" }] }, b: { allOf: [{ $ref: "#/$defs/a" }] } } },
      "/schema refers to itself without end",
    ],
    [
      "another draft",
      { $schema: "http://json-schema.org/draft-07/schema#" },
      "/schema/$schema expected https://json-schema.org/draft/2020-12/schema",
    ],
    ["an answer that comes later", { $async: true }, "/schema/$async is no keyword of JSON Schema"],
    [
      "a format that nobody knows",
      { properties: { a: { format: "colour" } } },
      '/schema/properties/a "colour" is no known format',
    ],
    ["more than 64 KB", { description: "x".repeat(70_000) }, "/schema has 70018 characters as JSON, more than 65536"],
  ])("with %s is refused", (_, schema, start) => {
    const faults = faultsOf(schema);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toStartWith(start);
  });

  test("that is nested without end is refused", () => {
    let schema: JsonSchema = {};
    for (let depth = 0; depth < 200; depth++) schema = { not: schema };
    expect(faultsOf(schema)[0]).toContain("is nested deeper than 100 levels");
  });

  describe("whose references double with each of them is refused at once, however they are written", () => {
    const COUNT = 27;
    const twice = ($ref: string) => ({ allOf: [{ $ref }, { $ref }] });
    const inProperty = ($ref: string) => ({ properties: { a: twice($ref) } });
    test.each<[string, (n: number) => string, (n: number) => object, typeof twice | typeof inProperty]>([
      ["by place", (n) => `#/$defs/d${n}`, () => ({}), twice],
      ["by place, escaped", (n) => `#/%24defs/d${n}`, () => ({}), twice],
      ["by anchor", (n) => `#a${n}`, (n) => ({ $anchor: `a${n}` }), twice],
      ["by $id", (n) => `d${n}`, (n) => ({ $id: `d${n}` }), twice],
      ["through properties", (n) => `#/$defs/d${n}`, () => ({}), inProperty],
    ])("%s", (_, refer, name, follow) => {
      const defs = Array.from({ length: COUNT }, (_, n) => [
        `d${n}`,
        { ...name(n), ...(n === COUNT - 1 ? { type: "string" } : follow(refer(n + 1))) },
      ]);
      const schema = { $ref: refer(0), $defs: Object.fromEntries(defs) };
      for (const rest of [{}, { enforce: true }]) {
        const worked = startProcessorTime();
        expect(faultsOf(schema, rest)).toEqual([
          expect.stringMatching(/^\/schema\/\$defs\/d1[0-9]\S* its references lead on to more than 10000 others/),
        ]);
        expect(worked()).toBeLessThan(500);
      }
    });

    test("but not one that refers often, each time for another part of a value", () => {
      const parts = Array.from({ length: 12 }, (_, n) => [
        `d${n}`,
        { properties: Object.fromEntries(["a", "b", "c"].map((key) => [key, { $ref: `#/$defs/d${n + 1}` }])) },
      ]);
      expect(
        faultsOf({ $ref: "#/$defs/d0", $defs: { ...Object.fromEntries(parts), d12: { type: "string" } } }),
      ).toEqual([]);
      const words = Array.from({ length: 1_000 }, () => ({ $ref: "#/$defs/word" }));
      expect(faultsOf({ anyOf: words, $defs: { word: { type: "string" } } })).toEqual([]);
    });
  });

  test("has every fault named at once", () => {
    expect(faultsOf({ minimum: "5", properties: { a: { type: 5 } } })).toHaveLength(2);
  });

  test("that only describes may name formats that nobody knows", () => {
    expect(faultsOf({ format: "colour" }, {})).toEqual([]);
  });

  test("may name its draft, refer to its own parts, and have the $id of another", () => {
    const schema = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      $id: "https://x.invalid/tree",
      $ref: "#/$defs/tree",
      $defs: { tree: { type: "object", properties: { children: { type: "array", items: { $ref: "#/$defs/tree" } } } } },
    };
    for (let n = 0; n < 2; n++) {
      expect(faultsOf(schema)).toEqual([]);
      expect(compileCheck({ ...schema })({ children: [{ children: [5] }] })).toMatchObject([
        { path: "/children/0/children/0" },
      ]);
    }
  });
});

describe("a payload", () => {
  const check = compileCheck({
    type: "object",
    required: ["id", "seats"],
    additionalProperties: false,
    properties: {
      id: { type: "string", format: "uuid" },
      seats: { type: "integer", minimum: 1 },
      tier: { enum: ["free", "pro"] },
      "a/b": { type: "null" },
    },
  });
  const good = { id: "3f0c1f6e-6f0a-4a51-9d0a-1b1b6c1f0c11", seats: 3, tier: "pro" };

  test("that matches has no fault", () => {
    expect(check(good)).toEqual([]);
  });

  test("has every fault named at its path, with what was received", () => {
    expect(check({ id: "x", seats: 0, tier: "gold", colour: 1, "a/b": 1 })).toEqual([
      { path: "/colour", message: "unknown field" },
      { path: "/id", message: 'must match format "uuid", received "x"' },
      { path: "/seats", message: "must be >= 1, received 0" },
      { path: "/tier", message: 'must be equal to one of the allowed values: ["free","pro"], received "gold"' },
      { path: "/a~1b", message: "must be null, received 1" },
    ]);
    expect(check({ id: good.id })).toEqual([{ path: "/seats", message: "is required" }]);
    expect(check([1])).toEqual([{ path: "/", message: "must be object, received a list of 1" }]);
    expect(check(undefined)).toMatchObject([{ path: "/" }]);
  });

  test("has what every object inherits only when it brings it itself", () => {
    const inherited = compileCheck({ required: ["constructor", "toString"] });
    expect(inherited({}).map(({ path }) => path)).toEqual(["/constructor", "/toString"]);
    expect(inherited(JSON.parse('{"constructor": 1, "toString": 1, "__proto__": 1}'))).toEqual([]);
    expect(compileCheck({ required: ["__proto__"] })({})).toMatchObject([{ path: "/__proto__" }]);
  });

  test("has its equal items found in no time, however many there are", () => {
    const unique = compileCheck({ uniqueItems: true });
    const many = Array.from({ length: 100_000 }, (_, n) => ({ n, same: [n] }));
    const worked = startProcessorTime();
    expect(unique(many)).toEqual([]);
    expect(unique([...many, { same: [7], n: 7 }])).toEqual([
      { path: "/", message: "must not have two equal items, received a list of 100001" },
    ]);
    expect(worked()).toBeLessThan(2_000);
    expect(unique([1, "1", true, null, [], {}, [1], "null"])).toEqual([]);
    expect(
      unique([
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ]),
    ).toHaveLength(1);
  });

  test("has a fault where the schema cannot be used, and breaks nothing", () => {
    const check = compileCheck({ $ref: "#/none" });
    const faults = [{ path: "/", message: expect.stringContaining("cannot be checked: refers to #/none") }];
    expect([check({}), check({})]).toEqual([faults, faults]);
  });

  test("has multiples found as they are written, whatever binary fractions make of them", () => {
    const cents = compileCheck({ items: { multipleOf: 0.01 } });
    expect(cents([0.07, 19.99, 1.1, 999_999.99, 123_456_789.01, -0.29, 0, 5, 1e15])).toEqual([]);
    expect(cents([0.075, 19.999, 999_999.991]).map(({ path }) => path)).toEqual(["/0", "/1", "/2"]);
    const sevens = compileCheck({ multipleOf: 7 });
    expect([sevens(7_000_000_000_000), sevens(21)]).toEqual([[], []]);
    expect(sevens(7_000_000_000_000_001)).toEqual([
      { path: "/", message: "must be multiple of 7, received 7000000000000001" },
    ]);
  });

  test("has the format of its texts found in no time, however long they are", () => {
    const worked = startProcessorTime();
    for (const format of ["uri", "uri-reference", "email"]) {
      const formatted = compileCheck({ items: { format } });
      expect(formatted(Array(4).fill(`a:${"a.".repeat(100_000)}`))).toHaveLength(4);
    }
    expect(worked()).toBeLessThan(1_000);
    expect(compileCheck({ format: "uri" })(`data:,${"A".repeat(40_000)}`)).toEqual([]);
    expect(compileCheck({ format: "byte" })("A".repeat(400_000))).toEqual([]);
  });

  test("of very many values has its first fault named, a smaller one no more than fifty", () => {
    const numbers = compileCheck({ items: { type: "number" } });
    expect(numbers(Array(200_000).fill("x"))).toEqual([{ path: "/0", message: 'must be number, received "x"' }]);
    expect(numbers(Array(5_000).fill("x"))).toHaveLength(50);
  });

  test("of a schema that contains itself is checked to its depths", () => {
    const tree = compileCheck({ type: "object", properties: { left: { $ref: "#" }, right: { $ref: "#" } } });
    expect(tree({ left: { right: { left: {} } } })).toEqual([]);
    expect(tree({ left: { right: { left: 5 } } })).toMatchObject([{ path: "/left/right/left" }]);
    const dynamic = compileCheck({ $dynamicAnchor: "n", type: "object", properties: { c: { $dynamicRef: "#n" } } });
    expect(dynamic({ c: { c: 5 } })).toMatchObject([{ path: "/c/c" }]);
  });

  test("that runs the check out of its depth has a fault and breaks nothing", () => {
    const tree = compileCheck({ $ref: "#/$defs/t", $defs: { t: { items: { $ref: "#/$defs/t" } } } });
    let deep: unknown = [];
    for (let depth = 0; depth < 90; depth++) deep = [deep];
    expect(tree(deep)).toEqual([]);
  });
});

describe("of exact numbers", () => {
  const check = (schema: string, value: string) => compileCheck(parseJson(schema) as JsonSchema)(parseJson(value));
  test.each<[schema: string, valid: string[], wrong: string[]]>([
    ['{"type":"integer"}', ["9007199254740993", "1e400", "-1e400"], ["9007199254740993.5", "1e-400", "[1e400]"]],
    ['{"type":"number"}', ["9007199254740993.5", "1e400"], ['"1e400"', "{}"]],
    ['{"type":["object","string"]}', ["{}"], ["9007199254740993"]],
    ['{"minimum":9007199254740993}', ["9007199254740993", "1e400"], ["9007199254740992", "9007199254740992.9", "0"]],
    ['{"exclusiveMinimum":9007199254740992}', ["9007199254740993"], ["9007199254740992", "-9007199254740993"]],
    ['{"maximum":9007199254740993}', ["9007199254740993", "-1e400", "5"], ["9007199254740993.1", "1e400"]],
    ['{"exclusiveMaximum":1e400}', ["9007199254740993", "5"], ["1e400", "1e401"]],
    ['{"multipleOf":3}', ["9007199254740993"], ["9007199254740994", "9007199254740995"]],
    ['{"multipleOf":9007199254740993}', ["18014398509481986", "0"], ["9007199254740992", "9007199254740994"]],
    ['{"const":175928847299117063}', ["175928847299117063"], ["175928847299117064", '"175928847299117063"']],
    ['{"const":{"a":[1e400]}}', ['{"a":[1e400]}'], ['{"a":[1e401]}', '{"a":[{"text":"1e+400"}]}']],
    ['{"enum":[1,9007199254740993]}', ["1", "9007199254740993"], ["9007199254740992", "9007199254740995"]],
    ['{"uniqueItems":true}', ["[9007199254740993,9007199254740995]"], ["[9007199254740993,9007199254740993]"]],
    ['{"minProperties":1}', ["9007199254740993"], ["{}"]],
    [
      '{"items":{"$ref":"#/$defs/id"},"$defs":{"id":{"maximum":9007199254740993}}}',
      ["[9007199254740993]"],
      ["[1e400]"],
    ],
    ['{"propertyNames":{"const":"id"}}', ['{"id":9007199254740993}'], ['{"no":9007199254740993}']],
  ])("%s", (schema, valid, wrong) => {
    expect(faultsOf(parseJson(schema) as JsonSchema)).toEqual([]);
    for (const value of valid) expect([value, check(schema, value)]).toEqual([value, []]);
    for (const value of wrong) expect([value, check(schema, value)]).toEqual([value, [expect.anything()]]);
  });

  test("a fault says the number that was sent", () => {
    expect(check('{"properties":{"id":{"maximum":9007199254740993}}}', '{"id":9007199254740994.5}')).toEqual([
      { path: "/id", message: "must be <= 9007199254740993, received 9007199254740994.5" },
    ]);
    expect(check('{"enum":[175928847299117063]}', "175928847299117064")).toEqual([
      {
        path: "/",
        message: "must be equal to one of the allowed values: [175928847299117063], received 175928847299117064",
      },
    ]);
    expect(check('{"items":{"type":"string"}}', "[175928847299117063]")).toEqual([
      { path: "/0", message: "must be string, received 175928847299117063" },
    ]);
  });

  test("a schema whose sizes are such numbers is refused", () => {
    expect(faultsOf(parseJson('{"maxLength":9007199254740993}') as JsonSchema)).toEqual([
      expect.stringContaining("maxLength"),
    ]);
    expect(faultsOf(parseJson('{"minimum":[1e400],"multipleOf":-1e400}') as JsonSchema)).toEqual([
      "/schema/multipleOf must be > 0, received -1e+400",
      "/schema/minimum must be number, received a list of 1",
    ]);
  });
});
