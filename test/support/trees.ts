/** Directories of definition files for tests, and the sync of them over a test's database. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readTree } from "../../src/document/tree.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createSyncStore } from "../../src/postgres/sync/sync-store.ts";
import type { ScheduleSyncReport } from "../../src/schedule/schedule-sync.ts";
import type { SyncReport } from "../../src/sync/report.ts";
import { createSyncService, type SyncDeps, type SyncRequest } from "../../src/sync/service.ts";
import type { TestDatabase } from "./database.ts";
import { TASK_RULES } from "./own-engines.ts";

export interface Tree {
  readonly path: string;
  /** The file's documents, or its text. */
  write(file: string, content: string | object | readonly object[]): Promise<void>;
  remove(file: string): void;
}

/** A new directory; remove it with `remove(".")`. */
export function createTree(): Tree {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "actcore-tree-")));
  return {
    path,
    async write(file, content) {
      const documents = Array.isArray(content) ? content : [content];
      const text =
        typeof content === "string"
          ? content
          : documents
              .map((one) => JSON.stringify(one))
              .join("\n---\n")
              .concat("\n");
      mkdirSync(dirname(join(path, file)), { recursive: true });
      await Bun.write(join(path, file), text);
    },
    remove: (file) => rmSync(join(path, file), { recursive: true, force: true }),
  };
}

/** An activity's document, for events of a type of its name. */
export function activity(name: string, rest: object = {}) {
  return { name, trigger_config: { trigger_type: "event", event_type: name }, ...rest };
}

export const NO_SCHEDULES: ScheduleSyncReport = {
  upserted: 0,
  unchanged: 0,
  paused: 0,
  orphans_deleted: 0,
  removed: 0,
  drift: [],
  errors: [],
};

/** The sync of these trees; without an engine, unless one is given. */
export function createTestSync(database: TestDatabase, trees: readonly Tree[], deps: Partial<SyncDeps> = {}) {
  const service = createSyncService({
    directories: trees.map(({ path }) => path),
    readTree: (directory) => readTree(directory, TASK_RULES, 0),
    store: createSyncStore(database),
    schedules: async () => NO_SCHEDULES,
    onEnd: () => {},
    log: createLog("silent"),
    ...deps,
  });
  const never = new AbortController().signal;
  return {
    ...service,
    syncUntil: service.sync,
    sync: (request: Partial<SyncRequest> = {}): Promise<SyncReport> =>
      service.sync({ ...EVERYTHING, ...request }, never),
    rollback: (syncId: string) => service.rollback(syncId, "test", never),
    release: (syncId: string) => service.release(syncId, "test"),
  };
}

const EVERYTHING: SyncRequest = {
  definitions: true,
  event_types: true,
  hooks: true,
  schedules: true,
  dryRun: false,
  force: false,
  actor: "test",
};
