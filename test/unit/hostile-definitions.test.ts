/**
 * Definitions made to break what reads them: each is refused with a place, or accepted and then decided, and nothing holds the event
 * loop for long. Seeded, so that a failure can be repeated.
 */
import { expect, test } from "bun:test";
import { compileActivity } from "../../src/definition/activity.ts";
import type { DefinitionBody } from "../../src/definition/schema.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import { InvalidInputError, TerminalError } from "../../src/kernel/errors.ts";
import { createPause } from "../../src/kernel/wait.ts";
import { decideRound } from "../../src/run/decide.ts";
import { createParamsCheck } from "../../src/task/params-check.ts";
import { TASK_RULES } from "../support/own-engines.ts";
import { watchStalls } from "../support/processor-time.ts";

const COUNT = 2_000;
/** What the issue of hostile input allows an evaluation; validation and compilation are held to it as well. */
const MAX_STALL_MS = 250;
const SEED = 20_261_128;

function createRandom(seed: number) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return {
    chance: (p: number) => next() < p,
    pick: <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)] as T,
  };
}

const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
const nested = (open: string, close: string, levels: number) => open.repeat(levels) + "1" + close.repeat(levels);
const list = (length: number) => `[${Array.from({ length }, (_, n) => n).join(",")}]`;

const TEXTS = [
  ...[
    "",
    " ",
    "\u0000",
    "\ud800",
    "{{",
    "}}",
    "{{ }}",
    "{{ {{ }} }}",
    "${HOME}",
    "{{ event.payload.x",
    "'",
    '"',
    "`",
    "//",
    "/*",
  ],
  ...["x".repeat(10_001), "x".repeat(100_000), `{{ ${"event.payload.x + ".repeat(500)}1 }}`, "{{ 1 }}".repeat(2_000)],
];
const EXPRESSIONS = [
  ...[
    "event.payload.n > 1",
    "true",
    "1",
    "null",
    "",
    "nothing",
    "event.payload.__proto__",
    "event.payload.constructor.name",
  ],
  ...[
    "unknownFunction(1)",
    "size()",
    "size(1, 2)",
    "event.payload.n.foo()",
    "secret.A",
    "secret",
    "secret[event.payload.n]",
    "tasks",
    "item",
  ],
  ...[
    "tasks.a.status",
    "tasks[event.payload.n]",
    "context.nothing",
    "has(event.payload)",
    "has(1)",
    "1 +",
    "(((",
    "a b c",
    "1 ? 2",
    "[1,2",
    "{'a':",
  ],
  ...[
    nested("(", ")", 5_000),
    nested("[", "]", 5_000),
    nested("{'a':", "}", 500),
    `${"-".repeat(5_000)}1`,
    `${"!".repeat(5_000)}true`,
  ],
  ...[
    "event.payload.list.map(x, event.payload.list.map(y, x + y))",
    "event.payload.list.all(x, event.payload.list.all(y, event.payload.list.all(z, x + y + z >= 0)))",
  ],
  ...[
    "event.payload.text.matches('(a+)+$')",
    "event.payload.text.matches('(((((a{1,100}){1,100}){1,100}))')",
    "event.payload.text.matches('[')",
  ],
  ...[
    `${"event.payload.text + ".repeat(400)}''`,
    `${list(3_000)}.map(x, ${list(3_000)}.size())`,
    "9223372036854775807 + 1",
    "1 / 0",
    "1.0 / 0.0",
  ],
  ...[
    "timestamp('not a time')",
    "now.getHours('No/Zone')",
    "strftime(now, '%Q', 'UTC')",
    "duration('1y')",
    "bytes('x') + b'\\xff'",
    "json(event)",
  ],
];
const GOOD = [
  "event.payload.n > 1",
  "event.payload.list",
  "event.payload.text",
  "size(event.payload.list)",
  "now",
  "event.payload.n",
];
const NAMES = [
  "a",
  "b",
  "__proto__",
  "constructor",
  "toString",
  "a.b",
  "-",
  "A".repeat(101),
  "a b",
  "é",
  7,
  null,
  {},
  [],
];
const VALUES = [
  null,
  true,
  -1,
  0,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 2,
  [],
  {},
  [[]],
  deep(40),
  deep(2_000),
  "2h",
  "-1s",
  "99999d",
];

const LARGE_LIST = Array.from({ length: 2_000 }, (_, n) => n);
const DECIDED_BY = {
  event: {
    type: "x",
    payload: { n: 3, list: LARGE_LIST, text: `${"a".repeat(100_000)}!`, ["__proto__"]: { polluted: true } },
  },
  trigger: { type: "event", scheduled_for: null, fired_at: "2026-11-28T10:00:00.000Z", late_by: null, compressed: 0 },
  run: { run_id: "r" },
  context: { account: { list: LARGE_LIST } },
  now: "2026-11-28T10:00:00.000Z",
};

function createGenerator({ chance, pick }: ReturnType<typeof createRandom>) {
  const part = () => (chance(0.6) ? pick(GOOD) : pick(EXPRESSIONS));
  const expression = () => (chance(0.97) ? part() : pick([...TEXTS, ...VALUES]));
  const text = () => (chance(0.5) ? `got {{ ${part()} }}` : chance(0.85) ? `{{ ${part()} }}` : pick(TEXTS));
  const maybe = (p: number, field: object) => (chance(p) ? field : {});
  const template = (key: unknown) => ({
    key: chance(0.97) ? key : pick(NAMES),
    ...(chance(0.5)
      ? { type: chance(0.97) ? "log" : pick(NAMES), params: { message: text() } }
      : {
          type: "http",
          params: {
            url: chance(0.5) ? "http://127.0.0.1:1/" : text(),
            headers: { a: text() },
            body: { [chance(0.95) ? "k" : (text() as string)]: text(), n: pick(VALUES) },
          },
        }),
    ...maybe(0.4, { when: expression() }),
    ...maybe(0.4, { for_each: expression() }),
    ...maybe(0.15, {
      depends_on: chance(0.7) ? [pick(NAMES), pick(NAMES)].slice(0, chance(0.5) ? 1 : 2) : pick(VALUES),
    }),
    ...maybe(0.05, { run_when: pick(["all_done", "any_failed", "all_succeeded", "sometimes"]) }),
    ...maybe(0.05, { allow_failure: pick([true, "yes"]) }),
    ...maybe(0.05, { max_parallel: pick(VALUES) }),
    ...maybe(0.03, { [String(pick(NAMES))]: pick(VALUES) }),
  });
  const source = () => ({
    name: pick(["account", ...NAMES]),
    type: pick(["static", "http", "sql", "nats_kv", "previous_run", "events", "__proto__"]),
    ...maybe(0.5, { value: chance(0.5) ? text() : pick(VALUES) }),
    ...maybe(0.3, { url: text() }),
    ...maybe(0.3, { connection: "shop", query: text(), args: [expression()] }),
    ...maybe(0.3, { select: expression() }),
    ...maybe(0.2, { timeout: pick(VALUES) }),
  });
  return () => ({
    name: chance(0.95) ? "hostile" : pick(NAMES),
    trigger_config: {
      trigger_type: "event",
      event_type: pick(["x", "x.*", "**", "x.**.y"]),
      ...maybe(0.3, { when: expression() }),
    },
    ...maybe(0.3, { when: expression() }),
    ...maybe(0.05, { timeout: pick(VALUES) }),
    ...maybe(0.1, { context_sources: chance(0.9) ? [source()] : pick(VALUES) }),
    task_templates: chance(0.95) ? [template("a"), ...(chance(0.6) ? [template("b")] : [])] : pick(VALUES),
  });
}

test(`${COUNT} hostile definitions are refused with a place, or decided, and nothing stalls`, async () => {
  const generate = createGenerator(createRandom(SEED));
  const options = { checkParams: createParamsCheck(TASK_RULES), breathe: createPause() };
  const seen = { refused: 0, decided: 0, failed: 0 };
  const stalls = watchStalls();
  for (let n = 0; n < COUNT; n++) {
    const input = generate();
    await Bun.sleep(1);
    let body: DefinitionBody;
    try {
      body = parseDefinition(input, TASK_RULES);
    } catch (error) {
      if (!(error instanceof InvalidInputError)) throw new Error(`definition ${n} of seed ${SEED}`, { cause: error });
      for (const { path, message } of error.faults) {
        expect(path).toStartWith("/");
        expect(message.length).toBeGreaterThan(3);
      }
      seen.refused++;
      continue;
    }
    const row = { id: "i", version: 1, enabled: true, deleted: false, since: new Date(), name: body.name, body };
    const activity = compileActivity(row);
    const run = { run_id: crypto.randomUUID(), kind: "event", key: String(n) };
    try {
      await decideRound(run, activity, { decided: undefined, tasks: [], values: DECIDED_BY }, options);
      seen.decided++;
    } catch (error) {
      if (!(error instanceof TerminalError)) throw new Error(`definition ${n} of seed ${SEED}`, { cause: error });
      expect(error.message).toMatch(/^\/|^its expressions|^the params/);
      seen.failed++;
    }
  }
  const longestMs = stalls.end();
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  console.log(
    `  refused ${seen.refused}, decided ${seen.decided}, failed ${seen.failed}; longest stall ${Math.round(longestMs)} ms`,
  );
  expect(longestMs).toBeLessThan(MAX_STALL_MS);
  expect(Math.min(seen.refused, seen.decided, seen.failed)).toBeGreaterThan(10);
}, 120_000);
