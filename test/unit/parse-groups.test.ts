import { describe, expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { commandHelp, overview } from "../../src/cli/help.ts";
import { parseCommandLine } from "../../src/cli/parse.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";

function faultsOf(...argv: string[]) {
  try {
    const parsed = parseCommandLine(argv);
    if (parsed.help) throw new Error("it asks for help");
    return parsed.faults;
  } catch (error) {
    const { faults } = error as InvalidInputError;
    if (faults === undefined) throw error;
    return faults;
  }
}

describe("a command of two words", () => {
  test("has settings, flags of its own and what stands behind it", () => {
    expect(parseCommandLine(["keys", "create", "--name=ci", "--scopes", "trigger", "--db-url=x", "--json"])).toEqual({
      help: false,
      command: "keys create",
      flags: { dbUrl: "x" },
      args: { name: "ci", scopes: "trigger" },
      rest: [],
      json: true,
      faults: [],
    });
    expect(parseCommandLine(["keys", "revoke", "--db-url=x", "id"])).toMatchObject({ args: { KEY_ID: "id" } });
  });

  test("misses what it needs, and refuses what it does not know, all at once", () => {
    expect(faultsOf("keys", "create", "--nam=x", "--scopes", "extra", "more")).toEqual([
      { path: "--nam", message: "is no flag of keys create. Did you mean --name?" },
      { path: "more", message: "is not expected after keys create" },
      { path: "--name", message: "is required: --name=NAME" },
    ]);
    expect(faultsOf("keys", "revoke")).toEqual([{ path: "KEY_ID", message: "is required after keys revoke" }]);
    expect(faultsOf("keys", "revoke", "a", "b")).toEqual([{ path: "b", message: "is not expected after keys revoke" }]);
  });

  test("says once that a value is missing", () => {
    expect(faultsOf("keys", "create", "--name", "--scopes=x")).toEqual([
      { path: "--name", message: "needs a value: --name=NAME" },
    ]);
  });

  test.each([
    [["keys"], "keys", "needs one of create, list, revoke"],
    [["keys", "--json"], "keys", "needs one of create, list, revoke"],
    [["keys", "creat"], "keys creat", "is no command. Did you mean keys create?"],
    [["key", "create"], "key create", "is no command. Did you mean keys create?"],
    [["kyes"], "kyes", "is no command. Did you mean keys?"],
    [["keys", "frobnicate"], "keys frobnicate", "is no command"],
    [["serv", "create"], "serv", "is no command. Did you mean serve?"],
  ])("is named where it was nearly typed: %j", (argv, path, message) => {
    expect(faultsOf(...argv)).toEqual([{ path, message }]);
  });
});

describe("help", () => {
  test.each([[["help", "keys"]], [["keys", "--help"]], [["keys", "-h"]]])("is of the group for %j", (argv) => {
    expect(parseCommandLine(argv)).toEqual({ help: true, group: "keys" });
  });

  test.each([[["help", "keys", "create"]], [["keys", "create", "--help"]]])("is of the command for %j", (argv) => {
    expect(parseCommandLine(argv)).toEqual({ help: true, command: "keys create" });
  });

  test("of a group names its commands alone", () => {
    for (const name of Object.keys(COMMANDS)) expect(overview("keys").includes(`  ${name} `)).toBe(/^keys /.test(name));
  });

  test("of a command names its own flags and what stands behind it", () => {
    expect(commandHelp("keys revoke")).toStartWith("actcore keys revoke KEY_ID: ");
    for (const text of ["--name=NAME", "--scopes=LIST", "--expires-in=DURATION", "definitions:read"])
      expect(commandHelp("keys create")).toContain(text);
  });
});
