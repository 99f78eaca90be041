/**
 * How the process lives and ends. Place in the flow: above the roles, below the commands.
 *
 *   L1. What was acquired last is released first; every releaser runs; the first error is kept and thrown.
 *   L2. The first SIGINT, SIGTERM or SIGHUP begins a drain; a second SIGINT or SIGTERM cuts it short. Nothing else listens
 *       for signals.
 *   L3. Nothing here exits the process: `main.ts` does, with the code that the command returned.
 */
import { readFileSync } from "node:fs";
import { isatty } from "node:tty";

/** `cut`: something in flight did not come to its end. */
export type DrainOutcome = "drained" | "cut";

/** A running part of the server. */
export interface Role {
  readonly name: string;
  /** Settles when the role has stopped; rejects when it failed for good. */
  readonly done: Promise<void>;
  /** Stops intake and finishes what is in flight; `cut` aborts the wait. Resolves when nothing is in flight. */
  drain(cut: AbortSignal): Promise<DrainOutcome>;
  /** Releases every handle. Call after `drain`. */
  close(): Promise<void>;
}

export type Releaser = () => unknown | Promise<unknown>;

/** A stack of releasers (L1). */
export interface Releasers {
  push(release: Releaser): void;
  /** Runs all, last in first out; throws the first error after the last releaser ran. A second call does nothing. */
  release(): Promise<void>;
}

export function createReleasers(): Releasers {
  const stack: Releaser[] = [];
  return {
    push: (release) => void stack.push(release),
    async release() {
      const errors: unknown[] = [];
      for (let release = stack.pop(); release !== undefined; release = stack.pop()) {
        try {
          await release();
        } catch (error) {
          errors.push(error);
        }
      }
      if (errors.length > 0) throw errors[0];
    },
  };
}

/** Runs `body`; when it throws, releases what it had acquired and rethrows the original error. */
export async function withReleasers<T>(body: (releasers: Releasers) => Promise<T>): Promise<T> {
  const releasers = createReleasers();
  try {
    return await body(releasers);
  } catch (error) {
    await releasers.release().catch(() => {});
    throw error;
  }
}

export interface Shutdown {
  /** Aborted by the first signal: stop taking work in, drain. */
  readonly stopping: AbortSignal;
  /** Aborted by the second signal or `cutAfterMs` after the first one: give up waiting. */
  readonly cut: AbortSignal;
  /** Aborted by the second signal only: somebody wants the process to be gone, and even the engines get no more time. */
  readonly insisted: AbortSignal;
  /** Begins the shutdown as the first signal does. */
  request(reason: string): void;
  /** Stops listening and clears the timer. */
  dispose(): void;
}

/** Listens for signals (L2). `cutAfterMs` is the drain deadline in milliseconds. */
export function listenForShutdown(cutAfterMs: number, onRequest: (reason: string) => void = () => {}): Shutdown {
  const stopping = new AbortController();
  const cut = new AbortController();
  const insisted = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function request(reason: string): void {
    if (stopping.signal.aborted) {
      insisted.abort(new Error(`cut short by ${reason}`));
      cut.abort(new Error(`cut short by ${reason}`));
      return;
    }
    onRequest(reason);
    timer = setTimeout(() => cut.abort(new Error(`drain deadline of ${cutAfterMs} ms passed`)), cutAfterMs);
    stopping.abort(new Error(reason));
  }
  const onInt = () => request("SIGINT");
  const onTerm = () => request("SIGTERM");
  // A terminal that is closed sends it twice: from the kernel, and from the shell. So the second one insists on nothing.
  const onHangup = () => stopping.signal.aborted || request("SIGHUP");
  process.on("SIGINT", onInt);
  process.on("SIGTERM", onTerm);
  if (!isHangupIgnored()) process.on("SIGHUP", onHangup);

  return {
    stopping: stopping.signal,
    cut: cut.signal,
    insisted: insisted.signal,
    request,
    dispose() {
      clearTimeout(timer);
      process.off("SIGINT", onInt);
      process.off("SIGTERM", onTerm);
      process.off("SIGHUP", onHangup);
    },
  };
}

/**
 * Whether the process was started to outlive its terminal, as by `nohup`, which has SIGHUP ignored: listening for it would
 * undo that. Linux tells. Elsewhere it is taken from what else nohup does: neither stdout nor stderr is a terminal.
 */
function isHangupIgnored(): boolean {
  if (process.platform !== "linux") return !isatty(1) && !isatty(2);
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${ignored}`) & 1n) === 1n; // signal 1 is the lowest bit
}
