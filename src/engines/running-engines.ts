/** The engines that another process runs on a data directory: how to attach to them. */
import { type EnginesRecord, readHolder } from "./data-directory.ts";
import type { EngineEndpoints } from "./engine-status.ts";

export interface RunningEngines {
  readonly endpoints: Partial<EngineEndpoints>;
  /** The process that holds the data directory. */
  readonly pid: number;
  /** ISO 8601. */
  readonly startedAt: string;
}

/**
 * Endpoints of the engines that `actcore engines` or a whole `serve` runs on this directory; undefined when none
 * holds it. They may still be starting: the endpoints are known before the engines answer, and hold from then on.
 * @throws TerminalError `data_dir_unusable` when another user's record cannot be read
 */
export async function findRunningEngines(dataDir: string): Promise<RunningEngines | undefined> {
  const record: EnginesRecord | undefined = await readHolder(dataDir);
  return record && { endpoints: record.endpoints, pid: record.holder.pid, startedAt: record.startedAt };
}
