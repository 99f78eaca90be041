/** The sync role: the definition files into the store, every so often. The worker does it once at its start. */
import type { Config } from "../config.ts";
import { syncDefinitions } from "../definition/sync.ts";
import { describeError } from "../errors.ts";
import { type Role, sleep } from "../lifecycle.ts";
import type { Log } from "../log.ts";
import type { Database } from "../postgres/client.ts";
import { createDefinitionStore } from "../postgres/definitions.ts";
import { createRole, type RoleDeps } from "./role.ts";

/** Without an interval of its own, a sync role looks this often. */
const DEFAULT_INTERVAL_MS = 60_000;

export function startSync({ config, connections, readiness, log: parent }: RoleDeps): Role {
  const log = parent.child({ role: "sync" });
  return createRole("sync", { readiness, log }, async (signal, running) => {
    const postgres = await connections.postgres();
    running();
    const interval = config.syncIntervalMs || DEFAULT_INTERVAL_MS;
    do await syncOnce(config, postgres.db, log);
    while (!(await sleep(interval * (0.9 + 0.2 * Math.random()), signal)));
  });
}

/** Best effort: what fails is logged, and does not keep anything from starting. */
export async function syncOnce({ definitionsDirs }: Config, db: Database, log: Log): Promise<void> {
  if (definitionsDirs.length === 0) return;
  try {
    const { definitions, errors } = await syncDefinitions(createDefinitionStore(db), definitionsDirs);
    for (const error of errors) log.warn(error, "definition not synced");
    const changed = definitions.created + definitions.updated > 0;
    log[changed ? "info" : "debug"]({ ...definitions, errors: errors.length }, "definition files synced");
  } catch (error) {
    log.warn({ reason: describeError(error) }, "definition files not synced");
  }
}
