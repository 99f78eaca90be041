import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TerminalError } from "../../src/kernel/errors.ts";
import { writeWhole } from "../../src/kernel/line-writer.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createSecrets } from "../../src/secret/secrets.ts";

const directory = mkdtempSync(join(tmpdir(), "actcore-log-"));
const opened = new Set<number>();
afterEach(() => {
  for (const fd of opened) closeSync(fd);
  opened.clear();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function open(path: string, flags: number | string): number {
  const fd = openSync(path, flags);
  opened.add(fd);
  return fd;
}

/** A pipe whose reader reads when it is told to. */
function openPipe() {
  const path = join(directory, crypto.randomUUID());
  spawnSync("mkfifo", [path]);
  const reader = open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = open(path, constants.O_WRONLY);
  return {
    writer,
    read(): string {
      const buffer = Buffer.alloc(1024 ** 2);
      return buffer.toString("utf8", 0, readSync(reader, buffer, 0, buffer.length, null));
    },
    leave(): void {
      opened.delete(reader);
      closeSync(reader);
    },
  };
}

describe.if(process.platform === "linux")("a log that cannot be written costs only its lines", () => {
  test.each([true, false])("on a full disk (readable: %p)", (readable) => {
    const log = createLog("info", { destination: open("/dev/full", "w"), readable });
    expect(() => log.error({ error: new Error("x") }, "lost")).not.toThrow();
  });

  test("when its reader has gone", () => {
    const pipe = openPipe();
    const log = createLog("info", { destination: pipe.writer, readable: false });
    pipe.leave();
    expect(() => log.info("lost")).not.toThrow();
  });

  test("when its reader does not read: nothing waits for it, and the next line that fits says how many are lost", () => {
    const pipe = openPipe();
    const log = createLog("info", { destination: pipe.writer, readable: false });
    const start = performance.now();
    for (let index = 0; index < 2000; index++) log.info({ index }, "x".repeat(100));
    expect(performance.now() - start).toBeLessThan(2000);

    const lines = pipe.read().trimEnd().split("\n").length;
    log.info("again");
    const [loss, again] = pipe.read().split("\n");
    expect(JSON.parse(loss ?? "")).toMatchObject({ level: "warn", lost_lines: 2000 - lines });
    expect(JSON.parse(again ?? "")).toMatchObject({ level: "info", msg: "again" });
  });

  test("when it stops in the middle of a line: the next one begins on a line of its own", () => {
    const pipe = openPipe();
    const log = createLog("info", { destination: pipe.writer, readable: false });
    log.info("x".repeat(200_000));
    expect(pipe.read()).not.toEndWith("\n");
    log.info("again");
    expect(pipe.read().split("\n").slice(2)).toEqual([expect.stringContaining('"msg":"again"'), ""]);
  });
});

test.if(process.platform === "linux")("what a command prints is not lost in silence", () => {
  const write = () => writeWhole(open("/dev/full", "w"), "a key\n");
  expect(write).toThrow("ENOSPC");
  // A command tells it in one line, and not with a stack.
  expect(write).toThrow(TerminalError);
});

describe("what was logged cannot pass for another line, or command the terminal", () => {
  const forged = "a\n[12:00:00.000] INFO: forged\u001b[2J\u009b2J\u007f";
  function logged(readable: boolean): string {
    const path = join(directory, crypto.randomUUID());
    const log = createLog("info", { destination: open(path, "w"), readable });
    log.info({ activity_name: forged, name: forged, error: new Error(forged) }, forged);
    return readFileSync(path, "utf8");
  }
  // Our own colours, where the readable form has any.
  const withoutColours = (text: string) => Bun.stripANSI(text);

  test("in the readable form", () => {
    const lines = withoutColours(logged(true)).trimEnd().split("\n");
    expect(lines[0]).toContain("a\\n[12:00:00.000] INFO: forged\\u001b[2J\\u009b2J\\u007f");
    expect(lines.slice(1).filter((line) => !line.startsWith("    "))).toEqual([]);
    expect(lines.join("")).not.toMatch(/\p{Cc}/u);
  });

  test("in JSON, which is the same JSON as without it", () => {
    const text = logged(false);
    expect(text.trimEnd()).not.toMatch(/\p{Cc}/u);
    expect(JSON.parse(text)).toMatchObject({ msg: forged, activity_name: forged, error: { message: forged } });
  });
});

describe("a line with a secret in it is masked, and stays a line", () => {
  const secrets = createSecrets({ values: { TOKEN: 'hunter2","level":"error' } });
  secrets.read("TOKEN");
  secrets.register("4711471147");

  test.each([true, false])("wherever it stands (readable: %p)", (readable) => {
    const path = join(directory, crypto.randomUUID());
    const log = createLog("info", { destination: open(path, "w"), readable, masking: secrets });
    const value = secrets.read("TOKEN");
    const error = new TerminalError("failed", `with ${value}`, { details: { value }, cause: new Error(value) });
    log.child({ activity_name: value }).info({ error, [value]: [value], number: 4711471147 }, `said ${value}`);
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain("hunter2");
    if (readable) return;
    expect(JSON.parse(text)).toMatchObject({
      level: "info",
      msg: "said ***",
      activity_name: "***",
      "***": ["***"],
      error: { message: expect.stringContaining("with ***"), stack: expect.stringContaining("with ***") },
      number: 4711471147,
    });
  });
});
