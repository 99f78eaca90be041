/**
 * Keeps one engine alive: starts it, waits until it answers, starts it again when it dies.
 *
 * A dead engine is started again, and one that lives is restarted only for a failure that the engine itself says nothing
 * else cures. Any other engine that lives and does not answer is named in its status and left alone: it may be recovering, or
 * stopped by someone who looks at it.
 */
import { describeError, describeWithHint, RetryableError } from "../kernel/errors.ts";
import type { Log } from "../kernel/log.ts";
import { once } from "../kernel/once.ts";
import { createBackoff, sleep } from "../kernel/wait.ts";
import { type Child, type ChildContext, type Command, endChild, startChild } from "./child-process.ts";
import type { EngineName, EngineStatus } from "./engine-status.ts";
import { findSilence } from "./probes.ts";

export interface EngineSpec {
  readonly name: EngineName;
  readonly version: string;
  readonly port: number;
  readonly command: Command;
  /** The signals of a stop, in order, and how long each may take in milliseconds; SIGKILL follows. */
  readonly stop: readonly { signal: NodeJS.Signals; graceMs: number }[];
  /** Resolves when the engine answers; rejects when it does not, at the latest when `signal` aborts. */
  probe(signal: AbortSignal): Promise<void>;
  /** Whether a restart, and nothing else, cures this failure of `probe`. Absent: none of them. */
  curedByRestart?(failure: unknown): boolean;
  /** Rejects, with the reason, while such a restart would not help yet. */
  restartHelps?(): Promise<void>;
  /**
   * Resolves when what this engine needs answers. It is only started then: Temporal, started while Postgres is away,
   * neither ends nor ever answers.
   */
  requires?(signal: AbortSignal): Promise<void>;
  /** Deadline of every start; one that misses it is ended. */
  readonly readyWithinMs: number;
  /** Frees what `probe` keeps. */
  dispose?(): Promise<void>;
}

export interface Supervisor {
  /**
   * Resolves when the engine answers for the first time; from then on it is kept alive.
   * @throws RetryableError `engine_failed` with the last lines of its log; the reason of `signal`
   */
  start(signal: AbortSignal): Promise<void>;
  status(): EngineStatus;
  /** Ends the engine and waits until it is gone. May be called at any time, and again. */
  stop(): Promise<void>;
}

const PROBE_TIMEOUT_MS = 2000;
const PROBE_STARTING_EVERY_MS = 40;
const PROBE_RUNNING_EVERY_MS = 3000;
/** Uptime after which an engine counts as healthy again, and its next death as the first. */
const GOOD_UPTIME_MS = 60_000;
const LOG_LINES = 12;
const LOG_LINES_OF_A_DEATH = 4;

export function createSupervisor(
  spec: EngineSpec,
  context: ChildContext,
  deps: { log: Log; onChange(): void; insisted?: AbortSignal | undefined },
): Supervisor {
  const log = deps.log.child({ engine: spec.name });
  const stopping = new AbortController();
  const backoff = createBackoff(250, 15_000);
  const status: EngineStatus = {
    name: spec.name,
    state: "stopped",
    port: spec.port,
    version: spec.version,
    restarts: 0,
    since: new Date().toISOString(),
  };
  let child: Child | undefined;
  /** Why the current child was ended here, to be started again. */
  let endedFor: string | undefined;
  let keeping: Promise<void> | undefined;

  function change(state: EngineStatus["state"], error?: string): void {
    if (state !== status.state) status.since = new Date().toISOString();
    status.state = state;
    if (error === undefined) delete status.error;
    else status.error = error;
    if (child === undefined || child.gone.aborted) delete status.pid;
    else status.pid = child.pid;
    deps.onChange();
  }

  function launch(): Child {
    context.log.mark();
    child = startChild(spec.name, spec.command, context);
    return child;
  }

  /** Probes until the child is gone; `onAnswer` hears of the first answer. */
  async function watch(current: Child, onAnswer: () => void): Promise<void> {
    const deadline = Date.now() + spec.readyWithinMs;
    while (!current.gone.aborted) {
      const failure = await askOnce(spec.probe, current.gone);
      if (current.gone.aborted || stopping.signal.aborted) break;
      if (status.state === "restarting" && failure !== undefined && Date.now() > deadline) {
        log.error({ reason: describeError(failure) }, "engine does not answer after its restart, ending it");
        current.signal("SIGKILL");
        break;
      }
      if (failure === undefined && (status.state !== "running" || status.error !== undefined)) {
        if (status.state === "running") log.info("engine answers again");
        change("running");
        onAnswer();
      } else if (failure !== undefined && status.state === "running" && spec.curedByRestart?.(failure)) {
        await endWhereThatHelps(current, failure);
      } else if (failure !== undefined && status.state === "running" && status.error === undefined) {
        log.warn({ reason: describeError(failure) }, "engine does not answer");
        change("running", `does not answer: ${describeError(failure)}`);
      }
      await sleep(status.state === "running" ? PROBE_RUNNING_EVERY_MS : PROBE_STARTING_EVERY_MS, current.gone);
    }
    if (!current.gone.aborted) await sleep(2 ** 31 - 1, current.gone);
  }

  /** Ends an engine that only a restart cures, as soon as a restart helps; until then its status says what it waits for. */
  async function endWhereThatHelps(current: Child, failure: Error): Promise<void> {
    const reason = describeWithHint(failure);
    const hindrance = await askOnce(async () => spec.restartHelps?.(), current.gone);
    if (current.gone.aborted || stopping.signal.aborted) return;
    if (hindrance === undefined) {
      endedFor = describeError(failure);
      log.warn({ reason: endedFor }, "ending the engine: only a restart cures it");
      if (await endChild(current, spec.stop, deps.insisted)) log.warn("engine did not end in time and was killed");
      return;
    }
    if (status.error === reason) return;
    log.error({ reason, waits_for: describeError(hindrance) }, "engine needs a restart, which does not help yet");
    change("running", reason);
  }

  /** Why there was no answer; undefined when there was. */
  function askOnce(question: (signal: AbortSignal) => Promise<void>, gone: AbortSignal): Promise<Error | undefined> {
    return findSilence(question, PROBE_TIMEOUT_MS, `no answer in ${PROBE_TIMEOUT_MS} ms`, gone, stopping.signal);
  }

  async function keepAlive(first: Child, onAnswer: () => void): Promise<void> {
    let current: Child | undefined = first;
    while (!stopping.signal.aborted) {
      let reason = "could not be started again";
      if (current !== undefined) {
        const startedMs = Date.now();
        await watch(current, onAnswer);
        if (Date.now() - startedMs > GOOD_UPTIME_MS) backoff.reset();
        reason = endedFor ?? describeError(current.gone.reason);
      }
      // The first start is the caller's to repeat: it may have a reason that no restart cures.
      if (stopping.signal.aborted || (status.restarts === 0 && status.state === "starting")) return;
      const waitMs = backoff.next();
      if (endedFor === undefined)
        log.error(
          {
            reason,
            hint: current?.hint(),
            retry_in_ms: Math.round(waitMs),
            last_lines: context.log.tail(LOG_LINES_OF_A_DEATH),
          },
          "engine died, restarting it",
        );
      endedFor = undefined;
      change("restarting", reason);
      if (await sleep(waitMs, stopping.signal)) return;
      while (spec.requires !== undefined && (await askOnce(spec.requires, stopping.signal)) !== undefined) {
        if (await sleep(PROBE_STARTING_EVERY_MS * 5, stopping.signal)) return;
      }
      if (stopping.signal.aborted) return;
      status.restarts += 1;
      try {
        current = launch();
        change("restarting", reason);
      } catch (error) {
        current = undefined;
        log.error({ error }, "engine could not be started");
      }
    }
  }

  return {
    status: () => ({ ...status }),
    async start(signal) {
      signal.throwIfAborted();
      const startedMs = Date.now();
      const answered = new AbortController();
      const first = launch();
      change("starting");
      keeping = keepAlive(first, () => answered.abort());
      await sleep(spec.readyWithinMs, AbortSignal.any([answered.signal, first.gone, signal, stopping.signal]));
      signal.throwIfAborted();
      if (answered.signal.aborted) {
        log.debug({ took_ms: Date.now() - startedMs, pid: first.pid }, "engine answers");
        return;
      }
      const how = first.gone.aborted
        ? describeError(first.gone.reason)
        : `${spec.name} did not answer within ${spec.readyWithinMs} ms`;
      const lines = context.log.tail(LOG_LINES);
      throw new RetryableError("engine_failed", `${how} while it was being started\n${lines}`, {
        hint: [`See ${context.log.path}`, first.hint()].filter(Boolean).join(". "),
        details: { engine: spec.name },
      });
    },
    stop: once(async () => {
      stopping.abort(new Error(`${spec.name} is being stopped`));
      if (child !== undefined && !child.gone.aborted && (await endChild(child, spec.stop, deps.insisted)))
        log.warn("engine did not end in time and was killed");
      await keeping;
      await spec.dispose?.();
      change("stopped");
    }),
  };
}
