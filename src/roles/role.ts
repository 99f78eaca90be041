/** What every role is made from, and which engines each asks for (I7). */
import { describeError } from "../kernel/errors.ts";
import type { DrainOutcome, Role } from "../kernel/lifecycle.ts";
import type { Engine } from "../kernel/readiness.ts";
import type { RoleName } from "../kernel/setting-values.ts";
import { aborted } from "../kernel/wait.ts";
import type { Secrets } from "../secret/secrets.ts";
import type { TaskTypes } from "../task/task-type.ts";
import type { Connections, ConnectionsDeps } from "./connections.ts";

export const ROLE_NEEDS: Readonly<Record<RoleName, readonly Engine[]>> = {
  worker: ["postgres", "temporal"],
  router: ["postgres", "nats", "temporal"],
  api: ["postgres", "nats", "temporal"],
  sync: ["postgres", "temporal"],
};

export interface RoleDeps extends Omit<ConnectionsDeps, "signal"> {
  connections: Connections;
  /** Which tasks the definitions of this process may have. */
  taskTypes: TaskTypes;
  secrets: Secrets;
}

/**
 * A role that does `run` until its signal aborts. `run` first waits for its engines, then calls `running` and works;
 * it ends when the signal aborts and what was in flight is done; `onCut` is told of what the stop cut.
 */
export function createRole(
  name: RoleName,
  { readiness, log }: Pick<RoleDeps, "readiness" | "log">,
  run: (signal: AbortSignal, running: () => void, onCut: () => void) => Promise<void>,
): Role {
  const stopping = new AbortController();
  let outcome: DrainOutcome = "drained";
  const done = (async () => {
    try {
      await run(
        stopping.signal,
        () => {
          readiness.role(name, "running");
          log.info("role is running");
        },
        () => {
          if (stopping.signal.aborted) outcome = "cut";
        },
      );
    } catch (error) {
      if (stopping.signal.aborted) return;
      readiness.role(name, "failed", describeError(error));
      throw error;
    }
  })();
  done.catch(() => {}); // whoever waits for `done` hears of it; nobody may wait yet
  return {
    name,
    done,
    async drain(cut) {
      readiness.role(name, "draining");
      stopping.abort(new Error("the server is stopping"));
      const drained = done.catch(() => {}).then(() => outcome);
      return Promise.race([drained, aborted(cut).then((): DrainOutcome => "cut")]);
    },
    close: async () => {},
  };
}
