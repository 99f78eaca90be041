/** What is to be executed, and where: looked at before, so that what is not there has a name of its own. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { describeError, TerminalError } from "../kernel/errors.ts";

/** @throws TerminalError `command_cwd_missing` */
export async function requireDirectory(path: string): Promise<void> {
  const why = await stat(path).then(
    async (found) => {
      if (!found.isDirectory()) return "is no directory";
      return access(path, constants.X_OK).then(() => undefined, describeError);
    },
    (error) => (isAbsent(error) ? "does not exist" : describeError(error)),
  );
  if (why !== undefined)
    throw new TerminalError("command_cwd_missing", `the directory ${path} of the command cannot be used: ${why}`, {
      hint: "Make it on the host of the worker, or name another one by `cwd`",
    });
}

/**
 * The path of a program: as it is where it has a slash, relative to `cwd`; otherwise the first of `searched` that has it.
 * @throws TerminalError `command_not_found`, `command_not_executable`
 */
export async function findProgram(name: string, cwd: string, searched: string): Promise<string> {
  const paths = name.includes("/")
    ? [resolve(cwd, name)]
    : searched.split(":").map((directory) => resolve(cwd, directory, name));
  let refused: TerminalError | undefined;
  for (const path of paths) {
    const why = await whyNotExecutable(path);
    if (why === undefined) return path;
    if (why !== "absent") refused ??= new TerminalError("command_not_executable", `${path} cannot be executed: ${why}`);
  }
  if (refused !== undefined) throw refused;
  const where = name.includes("/") ? `${paths[0]} does not exist` : `there is no program ${name} in ${searched}`;
  throw new TerminalError("command_not_found", where, {
    hint: "Install it on the host of the worker, or write its path",
  });
}

async function whyNotExecutable(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return "it is no file";
    await access(path, constants.X_OK);
    return undefined;
  } catch (error) {
    if (isAbsent(error)) return "absent";
    return (error as NodeJS.ErrnoException).code === "EACCES"
      ? "this user may not execute it (chmod +x)"
      : describeError(error);
  }
}

function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}
