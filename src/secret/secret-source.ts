/**
 * Where secrets come from: a file for each in one directory, as systemd (LoadCredential), Docker and Kubernetes give them to a
 * process, and variables of the environment. A file is read at each use, so that a new value counts at once, and it wins
 * over a variable of the same name, which stays what it was when the process began.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import { suggestNearest } from "../kernel/nearest-name.ts";
import { SECRET_VARIABLE, SETTINGS } from "../kernel/settings.ts";

/** The longest value that is taken, in bytes. */
const MAX_BYTES = 65_536;
/** As files are named. A name with `.` or `-` is written `secret["mail-token"]` in an expression. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/;

export interface SecretSource {
  /**
   * Undefined where there is none of this name.
   * @throws TerminalError `secret_unreadable` where it is there and cannot be one; RetryableError with the same code where it
   * cannot be read now, or is empty, as a file is while it is being written
   */
  find(name: string): string | undefined;
  /** An error `secret_missing`: says where the secret was looked for, and which name may have been meant. */
  missing(name: string): TerminalError;
}

export function createSecretSource(
  directory: string | undefined,
  values: Readonly<Record<string, string>>,
): SecretSource {
  /** The file's real path, of which no part is a link. Undefined where there is none. */
  function locate(name: string): string | undefined {
    if (directory === undefined || !NAME.test(name)) return undefined;
    const path = join(directory, name);
    const [root, real] = [realPathOf(name, directory), realPathOf(name, path)];
    if (root === undefined || real === undefined) return undefined;
    // Kubernetes mounts each file as a link into a directory beside it, which a link `..data` names.
    if (real.startsWith(root.endsWith(sep) ? root : root + sep)) return real;
    throw new TerminalError("secret_unreadable", `secret ${name}: ${path} leads out of its directory, to ${real}`);
  }

  function names(): string[] {
    let files: string[] = [];
    try {
      if (directory !== undefined) files = readdirSync(directory).filter((name) => NAME.test(name));
    } catch {
      // A directory that is not there has no names to suggest.
    }
    return [...files, ...Object.keys(values)];
  }

  return {
    find(name) {
      const path = locate(name);
      if (path !== undefined) return readValue(name, path);
      return Object.hasOwn(values, name) ? values[name] : undefined;
    },
    missing(name) {
      const places = [
        directory === undefined ? undefined : `the file ${join(directory, JSON.stringify(name).slice(1, -1))}`,
        `the variable ${SECRET_VARIABLE}${JSON.stringify(name).slice(1, -1)}`,
      ].filter((place) => place !== undefined);
      const where = `looked for ${places.join(" and ")}`;
      return new TerminalError(
        "secret_missing",
        `there is no secret ${JSON.stringify(name)}: ${where}${suggestNearest(name, names())}`,
        {
          hint:
            directory === undefined
              ? `Name the directory of the secrets' files by ${SETTINGS.secretsDir.env}, or set the variable`
              : "Put the value into the file: it counts at once",
        },
      );
    },
  };
}

function realPathOf(name: string, path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw unreadable(name, path, error);
  }
}

function readValue(name: string, path: string): string {
  const bytes = readBytes(name, path);
  if (bytes.length > MAX_BYTES) throw unusable(name, path, `is longer than ${MAX_BYTES / 1024} KB`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw unusable(name, path, "is no text in UTF-8");
  }
  const value = text.replace(/\r?\n$/, "");
  if (value === "") throw new RetryableError("secret_unreadable", `secret ${name}: ${path} is empty`);
  return value;
}

/** At most one byte more than a secret may have. */
function readBytes(name: string, path: string): Buffer {
  let fd: number | undefined;
  try {
    // Opening a pipe would wait for its writer; it is no file, and that is said below.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    if (!fstatSync(fd).isFile()) throw unusable(name, path, "is no file");
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(fd, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } catch (error) {
    throw error instanceof TerminalError ? error : unreadable(name, path, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}

function unusable(name: string, path: string, what: string): TerminalError {
  return new TerminalError("secret_unreadable", `secret ${name}: ${path} ${what}`);
}

function unreadable(name: string, path: string, error: unknown): RetryableError {
  return new RetryableError("secret_unreadable", `secret ${name}: ${path} cannot be read: ${describeError(error)}`, {
    hint: `Let the user of this process read it (uid ${process.getuid?.()})`,
  });
}
