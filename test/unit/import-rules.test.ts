/** Imports point one way; the rules themselves are in support/import-rules.ts. */
import { describe, expect, test } from "bun:test";
import { Glob } from "bun";
import { findCircles, findViolations, ROOMS } from "../support/import-rules.ts";

const SOURCE = `${import.meta.dir}/../../src/`;

const paths = [...new Glob("**/*.{ts,tsx,js,mjs,cjs}").scanSync(SOURCE)].filter(
  (path) => !path.startsWith("generated/"), // built, not written
);
const sources = new Map(
  await Promise.all(paths.map(async (path) => [path, await Bun.file(SOURCE + path).text()] as const)),
);

test("the source keeps the import rules", () => {
  expect(paths).toContain("main.ts");
  expect([...sources].flatMap(([path, text]) => findViolations(path, text))).toEqual([]);
});

test("no files of the source import each other in a circle", () => {
  expect(findCircles(sources)).toEqual([]);
});

test("a circle between two files of one room is found", () => {
  const planted = new Map([
    ...sources,
    ["run/one.ts", 'import type { Two } from "./two.ts";'],
    ["run/two.ts", 'import { one } from "./one.ts";'],
  ]);
  expect(findCircles(planted)).toEqual([["run/one.ts", "run/two.ts"]]);
});

test("every file that a rule names is there", () => {
  for (const allowed of Object.values(ROOMS).flat())
    if (allowed.endsWith(".ts")) expect(paths).toContain(allowed);
    else expect(paths.some((path) => path.startsWith(`${allowed}/`)) || allowed === "generated").toBe(true);
});

test("the table of rooms has no circle", () => {
  const reach = (room: string, seen: readonly string[] = []): void => {
    expect(seen).not.toContain(room);
    for (const next of ROOMS[room] ?? []) reach(next.split("/")[0] as string, [...seen, room]);
  };
  for (const room of Object.keys(ROOMS)) reach(room);
});

describe("a planted violation is seen:", () => {
  const planted: [what: string, path: string, text: string][] = [
    ["an adapter imports another", "nats/intake.ts", 'import { x } from "../postgres/client.ts";'],
    ["an adapter imports a role", "http/app.ts", 'import { x } from "../roles/api.ts";'],
    ["the engines import the core", "engines/nats.ts", 'import { x } from "../run/run.ts";'],
    ["the core imports an adapter", "occurrence/control.ts", 'import { x } from "../nats/stream.ts";'],
    ["a type import counts", "run/decide.ts", 'import type { X } from "../event/match.ts";'],
    ["an import over several lines counts", "run/run.ts", 'import {\n  a,\n  type B,\n} from "../event/match.ts";'],
    ["a re-export counts", "task/task.ts", 'export * from "../run/run.ts";'],
    ["an import for its effect counts", "task/task.ts", 'import "../run/run.ts";'],
    ["a dynamic import counts", "task/task.ts", 'const x = await import("../activities/translate.ts");'],
    ["an import in a type counts", "task/task.ts", 'let x: import("../temporal/workers.ts").Workers;'],
    ["a require counts", "task/task.ts", 'const x = require("../run/run.ts");'],
    ["a computed import hides its path", "roles/api.ts", "await import(name);"],
    ["the definition imports an event", "definition/validate.ts", 'import { x } from "../event/envelope.ts";'],
    ["a task imports a run", "task/task.ts", 'import { x } from "../run/decide.ts";'],
    ["workflows import more of run/ than its types", "workflows/a.ts", 'import { x } from "../run/decide.ts";'],
    ["workflows import the kernel", "workflows/a.ts", 'import { x } from "../kernel/errors.ts";'],
    ["workflows import a package", "workflows/a.ts", 'import { x } from "node:crypto";'],
    ["a kernel file imports a room", "kernel/log.ts", 'import { x } from "../run/run.ts";'],
    ["main goes past the commands", "main.ts", 'import { x } from "./roles/api.ts";'],
    ["the core talks to an engine", "event/envelope.ts", 'import { connect } from "nats";'],
    ["a route queries", "http/app.ts", 'import { eq } from "drizzle-orm/pg-core";'],
    ["an import leaves src", "http/app.ts", 'import { x } from "../../deploy/build/cache.ts";'],
    ["a room that is in no table", "utils/text.ts", ""],
    ["a file beside the rooms that is in no table", "helpers.ts", ""],
    ["the environment is read", "roles/api.ts", "const port = process.env.PORT;"],
    ["the environment is read by way of Bun", "engines/nats.ts", "const port = Bun.env.PORT;"],
    ["the process is ended", "cli/serve.ts", "process.exit(1);"],
    ["a duration is parsed after compilation", "occurrence/judge.ts", "const ms = parseDuration(trigger.every);"],
  ];
  test.each(planted)("%s", (_, path, text) => {
    expect(findViolations(path, `/** A file. */\n${text}\n`)).toHaveLength(1);
  });
});

describe("no violation is seen where", () => {
  const clean: [what: string, path: string, text: string][] = [
    ["a comment speaks of one", "cli/serve.ts", "// process.exit(1) is main's\n/** import {x} from '../main.ts' */"],
    ["a role imports adapters", "roles/api.ts", 'import { x } from "../http/app.ts";\nimport "../nats/stream.ts";'],
    ["the configuration reads the environment", "kernel/config.ts", "const env = process.env;"],
    ["main ends the process", "main.ts", 'import { x } from "./cli/parse.ts";\nprocess.exit(0);'],
    ["workflows import a run's types", "workflows/a.ts", 'import type { X } from "../run/run.ts";'],
  ];
  test.each(clean)("%s", (_, path, text) => {
    expect(findViolations(path, text)).toEqual([]);
  });
});
