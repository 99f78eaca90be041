import { describe, expect, test } from "bun:test";
import { COMMANDS, type CommandName } from "../../src/cli/commands.ts";
import { commandHelp, overview } from "../../src/cli/help.ts";
import { parseCommandLine } from "../../src/cli/parse.ts";
import { SETTINGS } from "../../src/kernel/settings.ts";

function faultsOf(...argv: string[]) {
  const parsed = parseCommandLine(argv);
  if (parsed.help) throw new Error("it asks for help");
  return parsed.faults;
}

describe("a command line", () => {
  test("is a command and its flags, with their values behind = or a space", () => {
    expect(parseCommandLine(["serve", "--roles=api", "--log-level", "warn", "--skip-schedule-sync"])).toEqual({
      help: false,
      command: "serve",
      flags: { roles: "api", logLevel: "warn", skipScheduleSync: "true" },
      args: {},
      rest: [],
      json: false,
      faults: [],
    });
  });

  test("has as many directories to validate as stand in it, but one at least", () => {
    expect(parseCommandLine(["validate", "a", "--json", "b"])).toMatchObject({
      rest: ["a", "b"],
      json: true,
      faults: [],
    });
    expect(faultsOf("validate")).toEqual([{ path: "PATH", message: "is required after validate" }]);
  });

  test("may switch a switch off", () => {
    expect(parseCommandLine(["serve", "--insecure-no-auth=false"])).toMatchObject({
      flags: { insecureNoAuth: "false" },
    });
  });

  test("may switch what a command has of its own, without a value or with one", () => {
    expect(parseCommandLine(["sync", "--dry-run", "--force=false"])).toMatchObject({
      args: { "dry-run": "true", force: "false" },
      faults: [],
    });
    expect(commandHelp("sync")).toMatch(/^ {2}--dry-run +tell what/m);
  });

  test("may ask for JSON where the command has it", () => {
    expect(parseCommandLine(["version", "--json"])).toMatchObject({ json: true, faults: [] });
    expect(faultsOf("migrate", "--json")).toHaveLength(1);
  });

  test("reports every fault at once, each with the nearest name", () => {
    const faults = faultsOf("serve", "--role=api", "--nonsense", "extra", "--db-url");
    expect(faults.map(({ path }) => path)).toEqual(["--role", "--nonsense", "extra", "--db-url"]);
    expect(faults[0]?.message).toEndWith("Did you mean --roles?");
    expect(faults[1]?.message).not.toContain("Did you mean");
    expect(faults[3]?.message).toContain("needs a value: --db-url=URL");
  });

  test("does not take the next flag for a missing value", () => {
    expect(faultsOf("serve", "--db-url", "--log-level=warn").map(({ path }) => path)).toEqual(["--db-url"]);
  });

  test("names the nearest command", () => {
    expect(() => parseCommandLine(["serv"])).toThrow(
      expect.objectContaining({
        code: "usage",
        hint: "Try: actcore help",
        faults: [{ path: "serv", message: "is no command. Did you mean serve?" }],
      }),
    );
  });

  test.each(["constructor", "toString", "__proto__"])("does not take %s for a command", (name) => {
    expect(() => parseCommandLine([name])).toThrow(expect.objectContaining({ code: "usage" }));
  });
});

describe("help", () => {
  test.each([[[]], [["--help"]], [["-h"]], [["help"]]])("is the overview for %j", (argv) => {
    expect(parseCommandLine(argv)).toEqual({ help: true });
  });

  test.each([[["help", "serve"]], [["serve", "--help"]], [["serve", "--nonsense", "-h"]]])(
    "is of serve for %j",
    (argv) => {
      expect(parseCommandLine(argv)).toEqual({ help: true, command: "serve" });
    },
  );

  test("of everything names every command", () => {
    for (const name of Object.keys(COMMANDS)) expect(overview()).toContain(`  ${name} `);
  });

  test.each(Object.keys(COMMANDS) as CommandName[])("of %s names each of its flags with its variable", (name) => {
    const help = commandHelp(name);
    for (const setting of COMMANDS[name].settings) {
      expect(help).toContain(`--${SETTINGS[setting].flag}`);
      expect(help).toContain(SETTINGS[setting].env);
    }
  });
});
