import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { loadConfig } from "../../src/kernel/config.ts";
import { type ActcoreError, RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { maskError } from "../../src/secret/mask-error.ts";
import { createSecrets } from "../../src/secret/secrets.ts";

const root = mkdtempSync(join(tmpdir(), "actcore-secrets-"));
let directory = root;
beforeEach(() => {
  directory = mkdtempSync(join(root, "d-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const put = (name: string, content: string | Uint8Array) => writeFileSync(join(directory, name), content);
const fromFiles = (values: Readonly<Record<string, string>> = {}) => createSecrets({ directory, values });

/** What reading it is refused with. */
function refusal(read: () => unknown): { code: string; message: string; isFinal: boolean } {
  try {
    read();
  } catch (error) {
    const { code, message } = error as ActcoreError;
    return { code, message, isFinal: error instanceof TerminalError };
  }
  throw new Error("it was read");
}

describe("a secret is read from its file", () => {
  test("with its name as it is, without the newline at the end, and anew each time", () => {
    put("MAIL_TOKEN", "one\n");
    put("mail-token.v2", "  two\r\n\r\n");
    const secrets = fromFiles();
    expect([secrets.read("MAIL_TOKEN"), secrets.read("mail-token.v2")]).toEqual(["one", "  two\r\n"]);
    expect(secrets.has("MAIL_TOKEN")).toBe(true);
    put("new", "three");
    renameSync(join(directory, "new"), join(directory, "MAIL_TOKEN"));
    expect(secrets.read("MAIL_TOKEN")).toBe("three");
    rmSync(join(directory, "MAIL_TOKEN"));
    expect(secrets.has("MAIL_TOKEN")).toBe(false);
  });

  test("rather than from a variable of the same name, which it leaves to be read when it is gone", () => {
    const secrets = fromFiles({ TOKEN: "of the environment" });
    expect(secrets.read("TOKEN")).toBe("of the environment");
    put("TOKEN", "of the file");
    expect(secrets.read("TOKEN")).toBe("of the file");
  });

  test("through the links of a Kubernetes mount, also when they are changed to new values", () => {
    for (const version of ["..1", "..2"]) {
      mkdirSync(join(directory, version));
      put(`${version}/TOKEN`, `value ${version}`);
    }
    symlinkSync("..1", join(directory, "..data"));
    symlinkSync("..data/TOKEN", join(directory, "TOKEN"));
    const secrets = fromFiles();
    expect(secrets.read("TOKEN")).toBe("value ..1");
    symlinkSync("..2", join(directory, "..tmp"));
    renameSync(join(directory, "..tmp"), join(directory, "..data"));
    expect(secrets.read("TOKEN")).toBe("value ..2");
  });

  test("and never from outside of the directory", () => {
    writeFileSync(join(root, "outside"), "secret of others");
    symlinkSync("../outside", join(directory, "LINK"));
    mkdirSync(join(directory, "sub"));
    put("sub/inner", "value");
    const secrets = fromFiles();
    expect(refusal(() => secrets.read("LINK"))).toMatchObject({ code: "secret_unreadable", isFinal: true });
    for (const name of ["../outside", "..", ".", "", "sub/inner", "/etc/passwd", "a\0b", "x".repeat(300), "__proto__"])
      expect(refusal(() => secrets.read(name))).toMatchObject({ code: "secret_missing", isFinal: true });
  });

  test.each<[string, () => void, string, boolean]>([
    ["too long", () => put("S", "x".repeat(65_537)), "is longer than 64 KB", true],
    ["no text", () => put("S", new Uint8Array([0xff, 0xfe, 0x61])), "is no text in UTF-8", true],
    ["a directory", () => mkdirSync(join(directory, "S")), "is no file", true],
    ["a pipe", () => void spawnSync("mkfifo", [join(directory, "S")]), "is no file", true],
    ["empty, as while it is being written", () => put("S", "\n"), "is empty", false],
  ])("unless it is %s", (_, make, words, isFinal) => {
    make();
    expect(refusal(() => fromFiles().read("S"))).toEqual({
      code: "secret_unreadable",
      message: `secret S: ${join(directory, "S")} ${words}`,
      isFinal,
    });
    expect(fromFiles().has("S")).toBe(true);
  });

  test("as long as 64 KB", () => {
    put("S", "x".repeat(65_536));
    expect(fromFiles().read("S")).toHaveLength(65_536);
  });
});

describe("a secret that is not there is named", () => {
  test("with where it was looked for, and the name that may have been meant", () => {
    put("MAIL_TOKEN", "value");
    expect(refusal(() => fromFiles({ OTHER: "value" }).read("MAIL_TOKN"))).toEqual({
      code: "secret_missing",
      message: `there is no secret "MAIL_TOKN": looked for the file ${directory}/MAIL_TOKN and the variable ACTCORE_SECRET_MAIL_TOKN. Did you mean MAIL_TOKEN?`,
      isFinal: true,
    });
    expect(refusal(() => createSecrets({ values: {} }).read("X")).message).toBe(
      'there is no secret "X": looked for the variable ACTCORE_SECRET_X',
    );
  });

  test("before it is used, where somebody asks whether it is there", () => {
    put("A", "value");
    const secrets = fromFiles({ B: "value" });
    expect(["A", "B", "C"].map((name) => secrets.has(name))).toEqual([true, true, false]);
    expect(secrets.missing("C")).toMatchObject({
      code: "secret_missing",
      message: expect.stringContaining('no secret "C"'),
    });
  });
});

test("what was read or registered is masked, and what was not is not", () => {
  const secrets = createSecrets({ values: { TOKEN: "hunter2-value", UNUSED: "never-read" } });
  expect(secrets.mask("hunter2-value")).toBe("hunter2-value");
  secrets.read("TOKEN");
  secrets.register("pass-of-shop");
  expect(secrets.mask("hunter2-value, pass-of-shop, never-read")).toBe("***, ***, never-read");
});

describe("an error is masked", () => {
  const secrets = createSecrets({ values: { TOKEN: "hunter2-value" } });
  secrets.read("TOKEN");

  test("with its stack, hint, details and causes, and keeps its class", () => {
    const cause = new AggregateError([new Error("first: hunter2-value")], "all: hunter2-value");
    const error = new RetryableError("http_status", "answered hunter2-value", {
      hint: "try hunter2-value",
      details: { response: { body: ["hunter2-value"] } },
      cause,
      retryAfterMs: 7,
    });
    const masked = maskError(error, secrets) as RetryableError;
    expect(masked).toBe(error);
    expect(masked).toMatchObject({ code: "http_status", message: "answered ***", retryAfterMs: 7 });
    expect(inspect(masked, { depth: 20 })).not.toContain("hunter2");
    expect(JSON.stringify(masked.details)).toBe('{"response":{"body":["***"]}}');
  });

  test("when it cannot be changed, when it is no error, and when its causes make a circle", () => {
    expect(inspect(maskError(Object.freeze(new Error("hunter2-value")), secrets))).not.toContain("hunter2");
    expect(maskError("hunter2-value", secrets)).toBe("***");
    const circle = new Error("hunter2-value");
    circle.cause = circle;
    expect((maskError(circle, secrets) as Error).message).toBe("***");
    const reason = AbortSignal.abort().reason;
    expect(maskError(reason, secrets)).toBe(reason);
  });
});

describe("the configuration", () => {
  test("takes the variables of secrets, and shows their values to nobody who prints it", () => {
    const env = {
      ACTCORE_SECRET_MAIL_TOKEN: "hunter2-value",
      ACTCORE_SECRET_EMPTY: "",
      ACTCORE_SECRET_: "x",
      OTHER: "y",
    };
    const config = loadConfig({}, env);
    expect(config.secretValues()).toEqual({ MAIL_TOKEN: "hunter2-value" });
    expect(inspect(config, { depth: 9, showHidden: true }) + JSON.stringify(config)).not.toContain("hunter2");
  });

  test("has the directory of the setting, else systemd's, else none", () => {
    const env = { CREDENTIALS_DIRECTORY: "/run/credentials/actcore.service" };
    expect(loadConfig({}, env).secretsDir).toBe("/run/credentials/actcore.service");
    expect(loadConfig({}, { ...env, ACTCORE_SECRETS_DIR: "/run/secrets" }).secretsDir).toBe("/run/secrets");
    expect(loadConfig({}, { CREDENTIALS_DIRECTORY: "" }).secretsDir).toBeUndefined();
  });
});
