/** Keeps the record of a data directory's engines up to date while they run. */
import { describeError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { identify, type ProcessIdentity } from "../processes/process-table.ts";
import { type DataDirectory, writeRecord } from "./data-directory.ts";
import type { EngineEndpoints, EngineStatus } from "./engine-status.ts";

/** Writes `engines.json` at each change: whoever attaches, asks for the status or clears up after us reads it. */
export function keepRecord(
  directory: DataDirectory,
  endpoints: Partial<EngineEndpoints>,
  status: () => EngineStatus[],
  log: Log,
) {
  const holder = identify(process.pid);
  const startedAt = new Date().toISOString();
  const children = new Map<string, ProcessIdentity>();
  function write(): void {
    const list = [...children].map(([name, identity]) => ({ name, ...identity }));
    try {
      writeRecord(directory.path, { holder, startedAt, endpoints, engines: status(), children: list });
    } catch (error) {
      // A full disk must not end the server. The next change writes the record again, and a later start also finds the
      // children by their marker variable.
      log.error({ reason: describeError(error) }, "engines.json not written");
    }
  }
  return {
    write,
    child(name: string, child: ProcessIdentity | undefined): void {
      if (child === undefined) children.delete(name);
      else children.set(name, { pid: child.pid, startedAt: child.startedAt });
      write();
    },
  };
}
