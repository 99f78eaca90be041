/** The parts of the engines that touch the operating system, without an engine. */
import { afterEach, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { unpackEngines } from "../../src/engines/archive.ts";
import { isDataDirectoryHeld, lockDataDirectory } from "../../src/engines/data-directory.ts";
import { openEngineLog } from "../../src/engines/engine-log.ts";
import { checkPorts } from "../../src/engines/ports.ts";
import { checkReachable } from "../../src/engines/unprivileged-user.ts";
import { InvalidInputError, TerminalError } from "../../src/kernel/errors.ts";
import { hasEnvironment, isAlive, listenerOf, startTimeOf } from "../../src/processes/process-table.ts";
import { ENGINES_TIMEOUT_MS, eventually } from "../support/engines.ts";

const canMount = process.platform === "linux" && process.getuid?.() === 0;
const made: string[] = [];
function makeDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "actcore-directory-"));
  made.push(path);
  return path;
}
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** Runs a program that holds the lock until it is killed; resolves when it has it. */
async function holdLock(path: string) {
  const program = `
    const { lockDataDirectory } = await import(${JSON.stringify(join(import.meta.dir, "../../src/engines/data-directory.ts"))});
    lockDataDirectory(${JSON.stringify(path)});
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}

describe("the lock of a data directory", () => {
  test("is refused to a second process, and freed by the kernel when the first is killed", async () => {
    const path = makeDirectory();
    const holder = await holdLock(path);
    try {
      expect(isDataDirectoryHeld(path)).toBe(true);
      expect(() => lockDataDirectory(path)).toThrow(expect.objectContaining({ code: "data_dir_locked" }));
    } finally {
      holder.kill("SIGKILL");
    }
    await eventually("the lock is free", () => !isDataDirectoryHeld(path));
    lockDataDirectory(path)();
  });

  test("is refused within one process too", () => {
    const path = makeDirectory();
    const release = lockDataDirectory(path);
    expect(() => lockDataDirectory(path)).toThrow(TerminalError);
    release();
    expect(isDataDirectoryHeld(path)).toBe(false);
  });

  test("is not taken for held where there is none", () => {
    expect(isDataDirectoryHeld("/nonexistent")).toBe(false);
  });
});

test(
  "what a killed unpack has left is removed by a later start, and what another is at work on stays",
  async () => {
    const cacheDir = makeDirectory();
    const drafts = ["engines-linux-x64-1.tmp-1-0a1b2c3d", "engines-linux-x64-1.tmp-1-1a1b2c3d"];
    const others = ["engines-linux-x64-1.tmp-1", "engines-linux-x64-0"];
    for (const name of [...drafts, ...others]) mkdirSync(join(cacheDir, name, "bin"), { recursive: true });
    const hourAgo = new Date(Date.now() - 3_600_000);
    for (const name of [drafts[0] ?? "", ...others]) utimesSync(join(cacheDir, name), hourAgo, hourAgo);
    const aborted = AbortSignal.abort(new Error("only the first step"));
    await unpackEngines(cacheDir, { onProgress: () => {}, signal: aborted }).catch(() => {});
    expect(readdirSync(cacheDir).toSorted()).toEqual([drafts[1] ?? "", ...others].toSorted());
  },
  ENGINES_TIMEOUT_MS,
);

test.if(canMount)(
  "engines that do not fit on the disk of the cache are said to want room, and leave nothing",
  async () => {
    const cacheDir = makeDirectory();
    const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", cacheDir]);
    if (status !== 0) throw new Error(String(stderr));
    try {
      const options = { onProgress: () => {}, signal: new AbortController().signal };
      const refusal = await unpackEngines(cacheDir, options).catch((error: unknown) => error);
      const hint = "Make room on its disk, or choose another one with ACTCORE_CACHE_DIR";
      expect(refusal).toMatchObject({ code: "engines_not_unpacked", hint });
      expect(readdirSync(cacheDir)).toEqual([]);
    } finally {
      spawnSync("umount", [cacheDir]);
    }
  },
  ENGINES_TIMEOUT_MS,
);

test(
  "two processes that unpack the engines at once end with one whole copy that everyone can read",
  async () => {
    const cacheDir = join(makeDirectory(), "cache");
    const options = { onProgress: () => {}, signal: new AbortController().signal };
    const [first, second] = await Promise.all([unpackEngines(cacheDir, options), unpackEngines(cacheDir, options)]);
    expect(first).toEqual(second);
    expect(readdirSync(cacheDir)).toEqual([basename(first.directory)]);
    expect(statSync(first.postgres).mode & 0o555).toBe(0o555);
    expect(statSync(first.directory).mode & 0o555).toBe(0o555);
  },
  ENGINES_TIMEOUT_MS,
);

describe("ports", () => {
  test("every occupied one is named at once, with its variable and its holder", async () => {
    const servers = [createServer(), createServer()];
    const ports = await Promise.all(
      servers.map(
        (server) =>
          new Promise<number>((resolve) => {
            server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
          }),
      ),
    );
    try {
      const needs = ports.map((port, index) => ({ port, use: `engine ${index}`, variable: `VARIABLE_${index}` }));
      const error = await checkPorts(needs).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(InvalidInputError);
      const { code, faults } = error as InvalidInputError;
      expect(code).toBe("port_in_use");
      expect(faults.map(({ path }) => path)).toEqual(["VARIABLE_0", "VARIABLE_1"]);
      expect(faults[0]?.message).toContain(`port ${ports[0]}, needed by engine 0, is in use`);
      if (process.platform === "linux") {
        expect(faults[0]?.message).toContain(`pid ${process.pid}`);
        expect(listenerOf(ports[1] ?? 0)).toContain(String(process.pid));
      }
    } finally {
      for (const server of servers) server.close();
    }
  });

  test("one that two engines ask for is a fault", async () => {
    const needs = ["first", "second"].map((use) => ({ port: 22_999, use, variable: use.toUpperCase() }));
    const error = await checkPorts(needs).catch((error: unknown) => error);
    expect((error as InvalidInputError).faults).toEqual([
      { path: "SECOND", message: "port 22999 is needed by first and by second" },
    ]);
  });

  test("one outside of the range is a fault", async () => {
    const error = await checkPorts([{ port: -67, use: "Temporal", variable: "X" }]).catch((error: unknown) => error);
    expect((error as InvalidInputError).faults[0]?.message).toContain("does not exist");
  });
});

test("a process is the same one only while pid and start time are both its own", async () => {
  const child = spawn("sleep", ["60"], { env: { MARK: "it" } });
  const identity = { pid: child.pid ?? 0, startedAt: startTimeOf(child.pid ?? 0) ?? "" };
  expect(isAlive(identity)).toBe(true);
  expect(isAlive({ ...identity, startedAt: "earlier" })).toBe(false);
  if (process.platform === "linux") {
    await eventually("the marker is seen", () => hasEnvironment(identity.pid, "MARK", "it"));
    expect(hasEnvironment(identity.pid, "MARK", "i")).toBe(false);
  }
  child.kill("SIGKILL");
  await eventually("it is gone", () => !isAlive(identity));
});

test("a directory that Postgres' user cannot pass is named, with the variable that moves it", () => {
  const outer = makeDirectory();
  mkdirSync(join(outer, "closed"), { mode: 0o700 });
  mkdirSync(join(outer, "closed", "inner"));
  const user = { name: "someone", uid: 12_345, gid: 12_345 };
  const check = () => checkReachable(user, join(outer, "closed", "inner", "data"), "ACTCORE_DATA_DIR");
  // mkdtemp's own directory is closed as well, but the one nearest to the data is named first.
  expect(check).toThrow(
    expect.objectContaining({
      code: "directory_unreachable",
      message: expect.stringContaining(join(outer, "closed")),
      hint: expect.stringContaining("ACTCORE_DATA_DIR"),
    }),
  );
});

describe("an engine's log", () => {
  test("is rotated by size, keeps two old files, and goes on in the same descriptor", async () => {
    const path = join(makeDirectory(), "engine.log");
    const log = openEngineLog(path, 1000, 10);
    try {
      for (const round of [1, 2, 3, 4]) {
        appendFileSync(path, `round ${round} ${"x".repeat(1500)}\n`);
        await eventually("the file was rotated", () => statSync(path).size < 1000);
      }
      expect(existsSync(`${path}.1`)).toBe(true);
      expect(existsSync(`${path}.2`)).toBe(true);
      expect(existsSync(`${path}.3`)).toBe(false);
      writeSync(log.fd, "after\n");
      expect(log.tail(5)).toBe("after");
    } finally {
      log.close();
    }
  });

  test("tells the last lines since its mark, the long ones cut", () => {
    const path = join(makeDirectory(), "engine.log");
    writeFileSync(path, "of an earlier run\n");
    const log = openEngineLog(path);
    try {
      log.mark();
      writeSync(log.fd, `first\nsecond\n${"y".repeat(5000)}\n`);
      const lines = log.tail(2).split("\n");
      expect(lines[0]).toBe("second");
      expect(lines[1]?.length).toBeLessThan(500);
      expect(log.tail(10)).not.toContain("earlier");
    } finally {
      log.close();
    }
  });
});
