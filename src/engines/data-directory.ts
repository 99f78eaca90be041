/**
 * The data directory: who holds it, and what stands in it.
 *
 *   D1. One holder at a time. The lock is a file lock of the kernel (SQLite's, through bun:sqlite), so it ends with
 *       the process that took it, whatever ended it. Nobody but SQLite opens the lock file: closing any other
 *       descriptor of it would drop the lock.
 *   D2. `engines.json` is written whole or not at all, and synchronously: a child is on record before the next line
 *       of code runs. It holds the database password: mode 0600.
 */
import { Database } from "bun:sqlite";
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { describeError, TerminalError } from "../kernel/errors.ts";
import { sleep } from "../kernel/wait.ts";
import { isAlive, type ProcessIdentity } from "../processes/process-table.ts";
import type { EngineEndpoints, EngineStatus } from "./engine-status.ts";

/** What `engines.json` says about the holder. */
export interface EnginesRecord {
  readonly holder: ProcessIdentity;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endpoints: Partial<EngineEndpoints>;
  readonly engines: readonly EngineStatus[];
  /** Every child that may be alive, one-time commands (initdb …) included. */
  readonly children: readonly (ProcessIdentity & { readonly name: string })[];
}

const IDENTITY = Type.Object({ pid: Type.Integer({ minimum: 1 }), startedAt: Type.String() });
/** A record that is not so is damaged and counts as none, because its pids are signalled. */
const READABLE_RECORD = Type.Object({
  holder: IDENTITY,
  endpoints: Type.Object({}),
  engines: Type.Array(Type.Unknown()),
  children: Type.Array(IDENTITY),
});

export type DataDirectory = Readonly<ReturnType<typeof openDataDirectory>>;

/** Kept here so that none is collected as garbage, which would close it and drop its lock, when nobody keeps the release. */
const heldLocks = new Set<Database>();

const LOCK_FILE = "actcore.lock";
const RECORD_FILE = "engines.json";
/** A reader's look at the lock lasts microseconds; a server starting in that moment waits for it. */
const LOCK_WAIT_MS = 500;

/**
 * Makes the directory and what belongs in it.
 * @throws TerminalError `data_dir_unusable`
 */
export function openDataDirectory(path: string) {
  try {
    // Others may pass through (Postgres runs as another user below root) but not look around; secrets are 0600.
    mkdirSync(path, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const real = realpathSync(path);
    const directory = {
      /** Real path. */
      path: real,
      logs: join(real, "logs"),
      /** Configuration files written for the engines at each start. */
      config: join(real, "config"),
      postgres: join(real, "postgres"),
      nats: join(real, "nats"),
    };
    for (const part of [directory.logs, directory.config, directory.nats])
      mkdirSync(part, { recursive: true, mode: 0o700 });
    mkdirSync(directory.postgres, { recursive: true, mode: 0o711 });
    return directory;
  } catch (error) {
    throw new TerminalError("data_dir_unusable", `the data directory ${path} cannot be used: ${describeError(error)}`, {
      hint: "Make it writable for the user that runs actcore, or choose another one with ACTCORE_DATA_DIR",
      cause: error,
    });
  }
}

/**
 * Takes the lock (D1) and answers its release.
 * @throws TerminalError `data_dir_locked`, naming directory and holder
 */
export function lockDataDirectory(path: string): () => void {
  let database: Database | undefined;
  try {
    database = new Database(join(path, LOCK_FILE), { create: true, readwrite: true });
    // Whoever can read it can hold a lock on it.
    chmodSync(join(path, LOCK_FILE), 0o600);
    database.run(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`);
    database.run("BEGIN EXCLUSIVE");
    const held = database;
    heldLocks.add(held);
    return () => {
      heldLocks.delete(held);
      held.close();
    };
  } catch (error) {
    database?.close();
    if (!isBusy(error)) {
      throw new TerminalError(
        "data_dir_unusable",
        `${join(path, LOCK_FILE)} cannot be locked: ${describeError(error)}`,
        { hint: "If it is damaged and no actcore runs on the directory, remove it", cause: error },
      );
    }
    const pid = readRecord(path)?.holder.pid;
    throw new TerminalError(
      "data_dir_locked",
      `the data directory ${path} is in use by another actcore${pid === undefined ? "" : ` (pid ${pid})`}`,
      {
        hint:
          "Attach to its engines with `actcore serve --roles=…` on the same directory, " +
          "or choose another directory (and other ports) with ACTCORE_DATA_DIR",
        details: { dataDir: path, pid },
      },
    );
  }
}

/** Whether some process holds the lock. Never waits and never takes it. */
export function isDataDirectoryHeld(path: string): boolean {
  let database: Database | undefined;
  try {
    database = new Database(join(path, LOCK_FILE), { readonly: true });
    database.query("SELECT count(*) FROM sqlite_master").get();
    return false;
  } catch (error) {
    return isBusy(error);
  } finally {
    database?.close();
  }
}

export function readRecord(path: string): EnginesRecord | undefined {
  try {
    const record: unknown = JSON.parse(readFileSync(join(path, RECORD_FILE), "utf8"));
    return Value.Check(READABLE_RECORD, record) ? (record as unknown as EnginesRecord) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw new TerminalError("data_dir_unusable", `${join(path, RECORD_FILE)} cannot be read: ${describeError(error)}`, {
      hint: "Run as the user that runs the engines",
      cause: error,
    });
  }
}

/** Replaces the record (D2). */
export function writeRecord(path: string, record: EnginesRecord): void {
  const temporary = join(path, `${RECORD_FILE}.new`);
  writeFileSync(temporary, `${JSON.stringify(record, undefined, 1)}\n`, { mode: 0o600 });
  renameSync(temporary, join(path, RECORD_FILE));
}

export function removeRecord(path: string): void {
  rmSync(join(path, RECORD_FILE), { force: true });
}

/**
 * The record of the engines that `actcore engines` or a whole `serve` runs on this directory; undefined when none holds it.
 * They may still be starting: the endpoints are known before the engines answer, and hold from then on. Waits at most
 * `withinMs` for a holder that has just taken the lock.
 * @throws TerminalError `data_dir_unusable` when another user's record cannot be read
 */
export async function findRunningEngines(path: string, withinMs = 1000): Promise<EnginesRecord | undefined> {
  const deadline = Date.now() + withinMs;
  while (isDataDirectoryHeld(path)) {
    const record = readRecord(path);
    if (record !== undefined && isAlive(record.holder)) return record;
    if (Date.now() > deadline) return undefined;
    await sleep(25);
  }
  return undefined;
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_BUSY/.test(String((error as { code?: unknown }).code));
}
