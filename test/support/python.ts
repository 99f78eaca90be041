/** Clients in Python (test/clients/python), in a virtual environment that is made once per machine. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

const CLIENTS = resolve(import.meta.dir, "../clients/python");
const REQUIREMENTS = join(CLIENTS, "requirements.txt");

/** What a hook that makes the environment needs: it may have to download. */
export const PYTHON_TIMEOUT_MS = 180_000;

/** Why there is no Python for the tests; undefined when there is. */
export function findPythonFault(): string | undefined {
  if (Bun.which("python3") === null) return "python3 is not installed";
  const { exitCode } = Bun.spawnSync(["python3", "-c", "import venv, ensurepip"]);
  return exitCode === 0 ? undefined : "python3 has no venv with pip (Debian: python3-venv)";
}

/**
 * The interpreter of an environment with the clients' requirements.
 * @throws Error with pip's words
 */
export async function preparePython(): Promise<string> {
  const cache = process.env.ACTCORE_BUILD_CACHE || join(process.env.HOME || homedir(), ".cache", "actcore");
  const key = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  const finished = join(cache, `python-clients-${key}`);
  const python = (directory: string) => join(directory, "bin", "python");
  if (existsSync(python(finished))) return python(finished);

  mkdirSync(cache, { recursive: true });
  const unfinished = `${finished}.${process.pid}`;
  try {
    await call(["python3", "-m", "venv", unfinished]);
    await call([python(unfinished), "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]);
    // Moved, only its scripts would miss their interpreter; we call that one by its path.
    renameSync(unfinished, finished);
  } catch (error) {
    if (!existsSync(python(finished))) throw error; // another process may have been faster
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return python(finished);
}

/** Runs a client and answers what it printed. */
export async function callClient(python: string, script: string, ...args: string[]): Promise<string> {
  return call([python, join(CLIENTS, script), ...args]);
}

/** Starts a program that prints a line when it is ready, and goes on until it is killed. */
export async function startWorkerProgram(command: string[], env: Record<string, string> = {}): Promise<Bun.Subprocess> {
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const words = new Response(child.stderr).text();
  const { done } = await child.stdout.getReader().read();
  if (done) throw new Error(`${command.join(" ")} ended with ${await child.exited}: ${await words}`);
  return child;
}

async function call(command: string[]): Promise<string> {
  const child = Bun.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${stderr || stdout}`);
  return stdout.trim();
}
