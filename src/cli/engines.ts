/** `actcore engines`: the engines alone, for roles that run in processes of their own. */

import { type EngineSet, startEngines } from "../engines/engine-set.ts";
import { hideSecret } from "../kernel/address.ts";
import type { Config } from "../kernel/config.ts";
import { TerminalError } from "../kernel/errors.ts";
import { aborted } from "../kernel/wait.ts";
import type { CommandContext } from "./command.ts";

/**
 * Runs the engines that have no URL configured until the first signal, and prints where they are.
 * @returns 0 after a clean stop
 * @throws what `startEngines` throws; TerminalError `nothing_to_run` when every engine has a URL
 */
export async function runEngines(
  config: Config,
  { log, tell, shutdown }: Pick<CommandContext, "log" | "tell" | "shutdown">,
): Promise<number> {
  let set: EngineSet;
  try {
    set = await startEngines(config, {
      log,
      onProgress: (message) => tell(`${message} …`),
      signal: shutdown.stopping,
      insisted: shutdown.insisted,
    });
  } catch (error) {
    if (shutdown.stopping.aborted && error === shutdown.stopping.reason) return 0;
    throw error;
  }
  const { dbUrl, natsUrl, natsMonitorUrl, temporalHost, temporalUiUrl } = set.endpoints;
  if (set.status().length === 0) {
    throw new TerminalError("nothing_to_run", "every engine has a URL configured, so there is none to run", {
      hint: "Unset ACTCORE_DB_URL, NATS_URL or TEMPORAL_HOST for each engine that actcore shall run",
    });
  }
  tell("engines are running", {
    Postgres: dbUrl && hideSecret(dbUrl),
    NATS: natsUrl,
    "NATS monitoring": natsMonitorUrl,
    Temporal: temporalHost,
    "Temporal Web UI": temporalUiUrl,
    "Attach with": `actcore serve --roles=worker,router,api --data-dir=${config.dataDir}`,
  });

  await aborted(shutdown.stopping);
  tell("stopping the engines …");
  await set.close();
  return 0;
}
