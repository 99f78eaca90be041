/** Commands as real processes: what they get, how they end, and what is left of them. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ActcoreError } from "../../src/kernel/errors.ts";
import { ownAccount } from "../../src/processes/account.ts";
import { openPipe } from "../../src/processes/descriptors.ts";
import { createPipeReader } from "../../src/processes/pipe-reader.ts";
import { isAlive, startTimeOf } from "../../src/processes/process-table.ts";
import { STOP } from "../../src/task/stop.ts";
import { type Execution, execute, processes, shell } from "../support/command-attempt.ts";
import { eventually } from "../support/engines.ts";

const directory = mkdtempSync(join(tmpdir(), "commands-"));
afterAll(() => {
  processes.close();
  rmSync(directory, { recursive: true });
});

const isRoot = process.getuid?.() === 0;
const timeout = (ms: number): Execution => ({ signal: AbortSignal.timeout(ms), attempt: { timeout_ms: ms } });
const failure = (running: Promise<unknown>): Promise<ActcoreError> =>
  running.then(
    () => expect.unreachable("it succeeded"),
    (error) => error,
  );
const openDescriptors = () => readdirSync("/proc/self/fd").length;

describe("a command gets", () => {
  test("its arguments as they are, without a shell", async () => {
    const { result } = await execute({ argv: ["printf", "%s|", "a b", "$HOME", "*", "'"] });
    expect(result).toEqual({ exit_code: 0, output: "a b|$HOME|*|'|", output_bytes: 14, output_truncated: false });
  });

  test("a small environment, in which nothing of the worker's own is, and what it is about", async () => {
    process.env.ACTCORE_SECRET_CANARY = "canary";
    const { result, task } = await shell("env", { env: { GREETING: "hello", LANG: "de_DE.UTF-8" } });
    delete process.env.ACTCORE_SECRET_CANARY;
    const env = Object.fromEntries(
      result.output
        .trim()
        .split("\n")
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    );
    const { name, home } = await ownAccount();
    expect(env).toMatchObject({
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      ...{ HOME: home, USER: name, LOGNAME: name, SHELL: "/bin/sh", LANG: "de_DE.UTF-8", GREETING: "hello" },
      ...{ ACTCORE_RUN_ID: task.input.run.run_id, ACTCORE_TASK_ID: task.task_id, ACTCORE_TASK_KEY: "backup" },
      ...{ ACTCORE_ATTEMPT: "1", ACTCORE_IDEMPOTENCY_KEY: task.idempotency_key, ACTCORE_EVENT_ID: "" },
      ...{ ACTCORE_SCHEDULED_FOR: "2026-03-01T02:00:00.000Z", ACTCORE_ACTIVITY_NAME: "nightly" },
    });
    expect(Object.keys(env).filter((name) => /SECRET|DB_URL|BUN|NODE/.test(name))).toEqual([]);
  });

  test("the task's input as JSON on stdin, or what the definition says; nothing where that is null", async () => {
    const { result, task } = await execute({ argv: ["cat"] });
    expect(JSON.parse(result.output)).toEqual(task.input);
    expect((await execute({ argv: ["cat", "/dev/stdin"], stdin: "as it is" })).result.output).toBe("as it is");
    expect((await execute({ argv: ["cat"], stdin: { a: [1] } })).result.output).toBe('{"a":[1]}\n');
    expect((await execute({ argv: ["cat"], stdin: null })).result.output).toBe("");
  });

  test("its directory; its user's home where none is named", async () => {
    expect((await execute({ argv: ["pwd"], cwd: directory })).result.output.trim()).toBe(directory);
    expect((await execute({ argv: ["pwd"] })).result.output.trim()).toBe((await ownAccount()).home);
  });

  test("no terminal, and can write to /dev/stderr by its name", async () => {
    const { result } = await shell("tty; cat </dev/tty; echo named >/dev/stderr");
    expect(result.output).toMatch(/not a tty\n.*\/dev\/tty.*\nnamed\n/s);
  });

  test.if(isRoot)("another user, with that user's home and groups", async () => {
    const { result } = await shell('id -un; echo "$USER $HOME"; cat; exit 0', { user: "nobody", stdin: "in" });
    expect(result.output).toMatch(/^nobody\nnobody \S+\nin$/);
  });
});

describe("a command ends", () => {
  test("as its exit code says, with its last line in the error", async () => {
    const error = await failure(shell("echo one; echo two >&2; exit 3"));
    expect(error).toMatchObject({
      code: "command_failed",
      message: "the shell line exited with code 3; it wrote last: two",
      details: { exit_code: 3, output: "one\ntwo\n", output_bytes: 8, output_truncated: false },
    });
  });

  test.each([
    [{}, 7, "RetryableError"],
    [{ retry_codes: [75] }, 7, "TerminalError"],
    [{ retry_codes: [75] }, 75, "RetryableError"],
  ])("with %j and code %i for a %s", async (params, code, name) => {
    expect(await failure(shell(`exit ${code}`, params))).toMatchObject({ name, code: "command_failed" });
  });

  test("well with any of its success codes", async () => {
    expect((await shell("exit 24", { success_codes: [0, 24] })).result).toMatchObject({ exit_code: 24 });
    expect(await failure(shell("exit 0", { success_codes: [24] }))).toMatchObject({ code: "command_failed" });
  });

  test("by a signal of somebody else, which counts as 128 and its number", async () => {
    const error = await failure(shell("kill -KILL $$"));
    expect(error).toMatchObject({ code: "command_killed", details: { signal: "SIGKILL" } });
    expect((await shell("kill -USR1 $$", { success_codes: [138] })).result).toMatchObject({ exit_code: 138 });
  });

  test("at its timeout, by SIGTERM", async () => {
    const error = await failure(shell("echo begun; sleep 60", {}, timeout(150)));
    expect(error).toMatchObject({ code: "task_timeout", details: { signal: "SIGTERM", output: "begun\n" } });
    expect(error.message).toContain("it was ended by SIGTERM");
  });

  test("at its timeout by SIGKILL where it ignores SIGTERM, its children too", async () => {
    const line = "trap '' TERM; (trap '' TERM; echo $$; exec sleep 61) & while :; do sleep 0.1; done";
    const error = await failure(shell(line, { kill_after: 0.2 }, timeout(200)));
    expect(error).toMatchObject({ code: "task_timeout", details: { signal: "SIGKILL" } });
    expect(error.message).toContain("it ignored SIGTERM, and was ended by SIGKILL");
  });

  test("although it was stopped with all its group", async () => {
    const error = await failure(shell("kill -STOP 0; echo went on", {}, timeout(200)));
    expect(error).toMatchObject({ code: "task_timeout" });
  });

  test("when its worker stops, and says that it was cut", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error(STOP)), 150);
    const error = await failure(shell("trap 'echo bye; exit 0' TERM; sleep 60 & wait", {}, { signal: stop.signal }));
    expect(error).toMatchObject({ name: "RetryableError", code: "worker_stopped", details: { output: "bye\n" } });
    expect(error.message).toContain("cut by a stop of the worker");
  });

  test("when it is cancelled, with the reason of that", async () => {
    const cancel = new AbortController();
    const reason = new Error("cancelled");
    setTimeout(() => cancel.abort(reason), 150);
    expect(await failure(shell("sleep 60", {}, { signal: cancel.signal }))).toBe(reason as ActcoreError);
  });
});

describe("a command that leaves processes behind", () => {
  test("in its group: they are ended, and named", async () => {
    const { result } = await shell("sleep 62 & echo forked");
    expect(result).toMatchObject({ output: "forked\n", ended_processes: [{ name: "sleep" }] });
    expect(startTimeOf(result.ended_processes?.[0]?.pid as number)).toBeUndefined();
  });

  test("in a session of its own: it is named and lives on, and its hold of the output keeps nobody waiting", async () => {
    const startedMs = Date.now();
    const { result } = await shell("setsid sleep 63 & echo forked");
    expect(Date.now() - startedMs).toBeLessThan(5_000);
    const [left] = result.left_processes ?? [];
    expect(result).toMatchObject({ output: "forked\n", left_processes: [{ name: "sleep" }] });
    expect(startTimeOf(left?.pid as number)).toBeDefined();
    process.kill(left?.pid as number, "SIGKILL");
  });
});

describe("the output of a command", () => {
  test("of 1 GB is counted, its end is kept, and memory stays as it is", async () => {
    const before = process.memoryUsage.rss();
    let lateMs = 0;
    let last = performance.now();
    const ticking = setInterval(() => {
      const now = performance.now();
      lateMs = Math.max(lateMs, now - last - 10);
      last = now;
    }, 10);
    const { result } = await shell("head -c 1000000000 /dev/zero; echo end");
    clearInterval(ticking);
    expect(result).toMatchObject({ output_bytes: 1_000_000_004, output_truncated: true });
    expect(result.output).toHaveLength(65_536);
    expect(result.output).toEndWith("␀␀end\n");
    expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000);
    expect(lateMs).toBeLessThan(500);
  }, 60_000);

  test("in one line of 1 MB, with NULs and what is not UTF-8, is text", async () => {
    const line = await shell("head -c 1000000 /dev/zero | tr '\\0' x");
    expect(line.result.output).toBe("x".repeat(65_536));
    const { result } = await shell("printf 'a\\000b\\377c\\303\\n'");
    expect(result.output).toBe("a␀b\ufffdc\ufffd\n");
  });

  test("is kept while it runs", async () => {
    const { kept } = await shell("echo first; sleep 2.5; echo second");
    expect(kept.map(({ text }) => text)).toEqual(["first\n", "first\nsecond\n"]);
  }, 20_000);

  test("has no secret in it, also where it comes in two parts", async () => {
    const sources = { "/env/TOKEN": { text: "{{ secret.TOKEN }}", values: {} } };
    const { kept, result } = await shell(
      "printf 'token: s3cr'; sleep 2.5; echo et",
      {},
      { attempt: { sources }, deps: { mask: (text) => text.replaceAll("s3cret", "***") } },
    );
    expect(kept.map(({ text }) => text)).toEqual(["", "token: ***\n"]);
    expect(result.output).toBe("token: ***\n");
  }, 20_000);
});

describe("a command is not begun", () => {
  const script = (name: string, text: string, mode: number) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };

  test.each<[string, Parameters<typeof execute>[0]]>([
    ["command_not_found", { argv: ["no-such-program-here"] }],
    ["command_not_found", { argv: ["/no/such/program"] }],
    ["command_not_found", { argv: [script("no-interpreter", "#!/no/such/interpreter\n", 0o755)] }],
    ["command_not_executable", { argv: [script("plain", "text", 0o644)] }],
    ["command_not_executable", { argv: [directory] }],
    ["command_cwd_missing", { argv: ["true"], cwd: "/no/such/directory" }],
    ["command_cwd_missing", { argv: ["true"], cwd: script("file", "", 0o644) }],
    ["command_too_large", { argv: ["true"], env: { LARGE: "x".repeat(200_000) } }],
    [isRoot ? "command_user_unknown" : "command_user_refused", { argv: ["true"], user: "no_such_user" }],
  ])("%s: %j", async (code, params) => {
    const before = openDescriptors();
    expect(await failure(execute(params))).toMatchObject({ name: "TerminalError", code });
    expect(openDescriptors()).toBeLessThanOrEqual(before + 2);
  });

  test("where the worker takes none, or none of its definition's source", async () => {
    const params = { argv: ["touch", join(directory, "touched")] };
    for (const deps of [{ rule: "off" as const }, { rule: "files" as const, isFromFile: async () => false }])
      expect(await failure(execute(params, { deps }))).toMatchObject({ code: "command_refused" });
    expect(readdirSync(directory)).not.toContain("touched");
    await execute(params, { deps: { rule: "all", isFromFile: async () => false } });
    expect(readdirSync(directory)).toContain("touched");
  });
});

test("a worker that is killed leaves no command behind, not even one that ignores SIGTERM or is stopped", async () => {
  mkdirSync(join(directory, "pids"));
  const lines = ["sleep 64", "trap '' TERM; sleep 65; sleep 65", "kill -STOP $$", "setsid true; sleep 66 & wait"];
  const program = `
    import { shell } from ${JSON.stringify(join(import.meta.dir, "../support/command-attempt.ts"))};
    for (const line of ${JSON.stringify(lines)}) void shell("echo $$ >>pids/all; " + line, { cwd: ${JSON.stringify(directory)} }).catch(() => {});`;
  const worker = Bun.spawn([process.execPath, "-e", program], { stdio: ["ignore", "ignore", "inherit"] });
  const pids = () =>
    Bun.file(join(directory, "pids/all"))
      .text()
      .then((text) => text.trim().split("\n").map(Number))
      .catch(() => []);
  await eventually("all have begun", async () => (await pids()).length === lines.length);
  const begun = (await pids()).map((pid) => ({ pid, startedAt: startTimeOf(pid) ?? "" }));
  expect(begun.every(isAlive)).toBe(true);
  worker.kill("SIGKILL");
  await worker.exited;
  await eventually("none is left", async () => !begun.some(isAlive), 10_000);
}, 30_000);

test("a pipe that has ended is closed once, and not the next one under its number", async () => {
  const pipes = createPipeReader();
  const text = () => {
    const parts: string[] = [];
    return { add: (bytes: Uint8Array) => void parts.push(new TextDecoder().decode(bytes)), read: () => parts.join("") };
  };
  const [first, second] = [openPipe(), text()];
  const followed = pipes.follow(first.read, () => {});
  closeSync(first.write);
  await followed.ended;
  const next = openPipe();
  expect(next.read).toBe(first.read);
  const following = pipes.follow(next.read, second.add);
  followed.close();
  writeSync(next.write, "second");
  closeSync(next.write);
  await following.ended;
  expect(second.read()).toBe("second");
});

test("fifty commands at once leave no descriptor open and no zombie", async () => {
  await shell("true");
  const before = openDescriptors();
  const results = await Promise.all(Array.from({ length: 50 }, (_, at) => shell(`echo ${at}; sleep 0.2`)));
  expect(results.map(({ result }) => result.output)).toEqual(Array.from({ length: 50 }, (_, at) => `${at}\n`));
  expect(openDescriptors()).toBeLessThanOrEqual(before);
  const own = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && statOf(pid)?.startsWith(`Z ${process.pid} `));
  expect(own).toEqual([]);
});

function statOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "");
  } catch {
    return undefined;
  }
}
