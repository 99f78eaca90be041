/** YAML that means something else than it looks, because a text is not in quotes. */
import { describe, expect, test } from "bun:test";
import { isFault, readDocuments } from "../../src/document/document.ts";
import { TASK_RULES } from "../support/own-engines.ts";

function faultsOf(text: string, path = "f.yaml"): string[] {
  return [...readDocuments(text, path, TASK_RULES)].filter(isFault).map(({ line, message }) => `${line}: ${message}`);
}
const block = (value: string) => `name: a\ntrigger_config:\n  cron_expression: ${value}\n  timezone: UTC\n`;
const flow = (value: string) => `name: a\ntrigger_config: {cron_expression: ${value}, timezone: UTC}\n`;

describe("a crontab in place of a definition is known by its first line:", () => {
  test.each([
    ["30 2 * * * /opt/backup.sh --full\n", 1, "30 2 * * *", "/opt/backup.sh --full"],
    ["*/5 * * * * /opt/poll.sh\n", 1, "*/5 * * * *", "/opt/poll.sh"],
    ["* * * * * /opt/poll.sh\n", 1, "* * * * *", "/opt/poll.sh"],
    ["@daily /opt/report.sh\n", 1, "@daily", "/opt/report.sh"],
    ["# the shop\nMAILTO=me\n30 2 * * * /opt/backup.sh\n*/5 * * * * /opt/poll.sh\n", 3, "30 2 * * *", "/opt/backup.sh"],
    ["0 9 * * 1 root /opt/report.sh\r\n", 1, "0 9 * * 1", "root /opt/report.sh"],
  ])("%j", (text, line, time, command) => {
    expect(faultsOf(text)).toEqual([
      `${line}: is a line of a crontab, and no definition: \`actcore import crontab FILE\` makes definitions of one; by hand, write ` +
        `\`name\`, \`trigger_config: {trigger_type: cron, cron_expression: "${time}"}\`, and a command task for "${command}"`,
    ]);
  });
});

describe("a value without quotes is named with its line and with what to write:", () => {
  test.each([
    ["*/5 * * * *", '"*/5 * * * *"'],
    ["* * * * *", '"* * * * *"'],
    ["*/5", '"*/5"'],
    ["*/5,10 * * * *", '"*/5,10 * * * *"'],
    ["@daily", '"@daily"'],
    ["@daily # each night", '"@daily"'],
    ["`x`", '"`x`"'],
    ["%d", '"%d"'],
    ["{{ event.id }}", '"{{ event.id }}"'],
    ["{{ event.id }}/x", '"{{ event.id }}/x"'],
    ['*/5 * * * * say "hi" it\'s', "'*/5 * * * * say \"hi\" it''s'"],
  ])("%s", (value, quoted) => {
    const message = `cron_expression wants quotes: ${quoted} (as it stands, YAML says: `;
    expect(faultsOf(block(value))).toEqual([expect.stringContaining(`3: ${message}`)]);
    if (!value.includes("#")) expect(faultsOf(flow(value))).toEqual([expect.stringContaining(`2: ${message}`)]);
  });

  test("a colon within it", () => {
    const message = "Nested mappings are not allowed in compact mappings";
    expect(faultsOf("name: a\ndescription: done: all of it\n")).toEqual([
      `2: description wants quotes: "done: all of it" (as it stands, YAML says: ${message})`,
    ]);
  });

  test.each([
    '{message: "{{ size(events) }} files: {{ names.join("; ") }}"}',
    '{message: "{{ names.join("; ") }}"}',
    '{other: "{{ json(a) }}", message: "{{ json(b["c"]) }}"}',
    '\n  message: "{{ names.join("; ") }}"',
  ])("double quotes within double quotes: %s", (params) => {
    const [fault] = faultsOf(`name: a\nparams: ${params}\n`);
    expect(fault).toContain(
      ": message is in double quotes and ends at the first one within its {{ … }}: write those within as '…' (",
    );
  });

  test.each([
    '{other: "{{ a }}", message: "{{ b }}", x: @daily}',
    '{other: "{{ a }} {{ b }}", x: @daily}',
    `{other: '{{ a["b"] }}', x: @daily}`,
  ])("which is not said of placeholders that have none: %s", (params) => {
    expect(faultsOf(`name: a\nparams: ${params}\n`)).toEqual([expect.stringContaining('x wants quotes: "@daily" (')]);
  });

  test("an item of a list", () => {
    expect(faultsOf("- a\n- @b\n")).toEqual([expect.stringContaining('2: a value wants quotes: "@b" (')]);
  });
});

describe("what is wrong otherwise keeps the words of YAML:", () => {
  test.each([
    ["name: [a\nb: c\n", "Flow sequence in block collection must be sufficiently indented and end with a ]"],
    ['name: "a" b\n', "Unexpected scalar at node end"],
    ["name: *base\n", "the alias *base has no anchor before it"],
    ["name: !secret a\n", "Unresolved tag: !secret"],
  ])("%j", (text, message) => {
    expect(faultsOf(text).map((fault) => fault.slice(3))).toEqual([message]);
  });

  test("JSON has no texts without quotes", () => {
    expect(faultsOf('{"a": */5}', "f.json")).toEqual(['1: is no JSON: expected a value, received "*"']);
  });
});
