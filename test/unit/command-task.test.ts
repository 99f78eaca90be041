/** The rules of command tasks: what a definition may say, where it may come from, and what is kept of an output. */
import { describe, expect, test } from "bun:test";
import { parseNewDefinition } from "../../src/definition/rest-change.ts";
import { parseDefinition } from "../../src/definition/validate.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";
import { findTaskRules } from "../../src/roles/own-engines.ts";
import { createOutputTail } from "../../src/task/command/output.ts";
import { showParams } from "../../src/task/task-type.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { TASK_RULES } from "../support/own-engines.ts";

const definition = (params: unknown) => ({
  name: "nightly",
  trigger_config: { trigger_type: "event", event_type: "night" },
  task_templates: [{ key: "run", type: "command", params }],
});
function faultsOf(parse: () => unknown): string[] {
  try {
    parse();
    return [];
  } catch (error) {
    return (error as InvalidInputError).faults.map(({ path, message }) => `${path} ${message}`);
  }
}
const faultsOfParams = (params: unknown) => faultsOf(() => parseDefinition(definition(params), TASK_RULES));

describe("the params of a command", () => {
  test.each<[unknown]>([
    [{ argv: ["/opt/report", "--for", "{{ event.payload.day }}"] }],
    [{ shell: 'pg_dump "$DB" | gzip', env: { DB: "{{ event.payload.db }}", PASSWORD: "{{ secret.PG }}" } }],
    [{ shell: 'tar -C "${DIR:-/srv}" -cz . > "/backup/${USER}.tgz"' }],
    [{ shell: `docker ps --format '{{ "{{" }}.Names}}'` }],
    [{ argv: ["/bin/bash", "-c", 'echo "${PATH%%:*}"'] }],
    [{ argv: ["cat"], stdin: { token: "{{ secret.T }}" }, cwd: "/srv", user: "www-data", kill_after: 0.5 }],
    [{ argv: ["cat"], stdin: null, success_codes: [0, 24], retry_codes: [75] }],
    [{ argv: ["sh", "-c", 'echo "$1"', "sh", "{{ event.payload.name }}"] }],
    [{ argv: ["python3", "-u", "/opt/x.py", "-e", "{{ event.payload.name }}"] }],
    [{ argv: ["nice", "-n", "5", "/opt/report", "{{ event.payload.name }}"] }],
    [{ shell: "tar -C ${SOURCE:-/srv} -c . > ${HOME}/x.tar" }],
    [{ argv: ["bash", "-ec", "echo ${HOME}"] }],
    [{ argv: ["kubectl", "drain", "node", "{{ event.payload.node }}"] }],
  ])("%j are taken", (params) => {
    expect(faultsOfParams(params)).toEqual([]);
  });

  test.each<[unknown, string, string]>([
    [{}, "", "has neither argv nor shell"],
    [{ argv: ["a"], shell: "a" }, "", "has both argv and shell"],
    [{ argv: [] }, "/argv", "the program and its arguments"],
    [{ argv: "ls -l" }, "/argv", "the program and its arguments"],
    [{ argv: [""] }, "/argv/0", "is empty"],
    [{ argv: ["{{ event.payload.program }}"] }, "/argv/0", "is written"],
    [{ argv: "{{ event.payload.argv }}" }, "/argv", "is written"],
    [{ argv: ["sh", "-c", "rm {{ event.payload.file }}"] }, "/argv/2", "is written"],
    [{ argv: ["/bin/bash", "-o", "pipefail", "-ec", "{{ event.payload.x }}"] }, "/argv/4", "is written"],
    [{ argv: ["env", "A=1", "python3.11", "{{ event.payload.script }}"] }, "/argv/3", "is written"],
    [{ argv: ["timeout", "5", "{{ event.payload.program }}"] }, "/argv/2", "is written"],
    [{ argv: ["sudo", "nice", "-n", "5", "sh", "-c", "{{ event.payload.x }}"] }, "/argv/6", "is written"],
    [{ shell: "echo {{ event.payload.name }}" }, "/shell", 'read it as "$NAME"'],
    [{ argv: ["curl", "-H", "Bearer {{ secret.TOKEN }}"] }, "/argv/2", "given to a command by env or stdin"],
    [{ argv: ["curl", "${URL}"] }, "/argv/1", "would be sent as it is written"],
    [{ shell: "a", env: { A: "${HOME}/x" } }, "/env/A", "would be sent as it is written"],
    [{ shell: "a", cwd: "jobs" }, "/cwd", "an absolute path"],
    [{ shell: "a", cwd: "/srv/{{ event.payload.x }}" }, "/cwd", "is written"],
    [{ shell: "a", user: "{{ event.payload.user }}" }, "/user", "is written"],
    [{ shell: "a", user: "-root" }, "/user", "the name of a user"],
    [{ shell: "a", env: { PATH: "{{ event.payload.path }}" } }, "/env/PATH", "is written"],
    [{ shell: "a", env: { LD_PRELOAD: "{{ event.payload.path }}" } }, "/env/LD_PRELOAD", "is written"],
    [{ shell: "a", env: { "A-B": "" } }, "/env/A-B", "is no name of a variable"],
    [{ shell: "a", env: { ACTCORE_RUN_ID: "" } }, "/env/ACTCORE_RUN_ID", "is set by actcore"],
    [{ shell: "a", env: "{{ event.payload.env }}" }, "/env", "is written"],
    [{ shell: "a", success_codes: [256] }, "/success_codes/0", "256"],
    [{ shell: "a", retry_codes: [] }, "/retry_codes", "a list of exit codes"],
    [{ shell: "a", kill_after: 301 }, "/kill_after", "from 0 to 300"],
  ])("%j have a fault at %s", (params, path, message) => {
    const [fault, ...others] = faultsOfParams(params);
    expect(others).toEqual([]);
    expect(fault).toStartWith(`/task_templates/0/params${path} `);
    expect(fault).toContain(message);
  });

  test("are shown to somebody who may not read definitions without arguments, values, and what is read", () => {
    const params = { argv: ["/opt/x", "a"], env: { A: "b" }, stdin: "c", cwd: "/", kill_after: 1 };
    expect(showParams(TASK_TYPES, "command", params)).toEqual({
      ...{ argv: ["/opt/x", "***"], env: { A: "***" }, stdin: "***", cwd: "/", kill_after: 1 },
    });
    expect(showParams(TASK_TYPES, "command", { shell: "a" })).toEqual({ shell: "***" });
  });
});

describe("ACTCORE_COMMANDS", () => {
  const input = definition({ argv: ["true"] });
  test.each([
    ["files", true, false],
    ["all", true, true],
    ["off", false, false],
  ])("%s: from a file taken is %s, over REST %s", (rule, fromFile, overRest) => {
    const rules = findTaskRules(TASK_TYPES, loadConfig({}, { ACTCORE_COMMANDS: rule }));
    const faults = [
      faultsOf(() => parseDefinition(input, rules)),
      faultsOf(() => parseNewDefinition(input, new Date(), rules)),
    ];
    expect(faults.map(({ length }) => length === 0)).toEqual([fromFile, overRest]);
    for (const fault of faults.flat()) expect(fault).toMatch(/^\/task_templates\/0\/type .*ACTCORE_COMMANDS/);
  });
});

describe("the end of an output", () => {
  const read = (chunks: readonly (string | Uint8Array)[], mask = (text: string) => text, isOpen = false) => {
    const tail = createOutputTail();
    for (const chunk of chunks) tail.add(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk);
    return tail.read(mask, isOpen, isOpen);
  };
  const hide = (text: string) => text.replaceAll("s3cret-token", "***");

  test("is its last 64 KB, whichever the parts in which it came", () => {
    const text = Array.from({ length: 300_000 }, (_, at) => String.fromCharCode(97 + (at % 26))).join("");
    for (const size of [1, 7, 4096, 65_536, 300_000]) {
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
        text.slice(at * size, (at + 1) * size),
      );
      expect(read(chunks)).toEqual({ text: text.slice(-65_536), bytes: 300_000, truncated: true });
    }
  });

  test("begins with a whole character", () => {
    const { text } = read([`${"é".repeat(40_000)}x`]);
    expect(text).toBe(`${"é".repeat(32_767)}x`);
  });

  test("has no part of a secret that was cut, and none where masks make it shorter", () => {
    for (let shift = 0; shift < 14; shift++) {
      const { text } = read(["x".repeat(10 + shift), "s3cret-token\n".repeat(6_000)], hide);
      expect(text).toMatch(/^(\n|x|\*)*$/);
      expect(text.length).toBeGreaterThan(8_000);
    }
  });

  test("waits for the rest of its line while more may come, and for no more than 8 KB", () => {
    expect(read(["done\nBearer s3cret-"], hide, true).text).toBe("done\n");
    expect(read(["10%\r20%"], hide, true).text).toBe("10%\r");
    expect(read(["x".repeat(20_000)], hide, true).text).toHaveLength(20_000 - 8_192);
  });
});
