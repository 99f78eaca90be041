/**
 * The context of a run: what its sources answer, read once, side by side, and stored with the run.
 *
 *   C1. A source ends within its timeout, all its tries together, whatever it does.
 *   C2. What may succeed when it is tried again is; what cannot, is not.
 *   C3. The values of a run take at most MAX_SNAPSHOT_BYTES as JSON.
 *   C4. No secret is in a value or in an error (I10).
 *   C5. A source that fails is null where it is optional. Any other one fails the context, with its name; the others are
 *       read to their end all the same, so that every failure is told at once.
 */
import type { Values } from "../expression/scope.ts";
import { isWithinDepth, MAX_DEPTH } from "../json/depth.ts";
import { ActcoreError, describeWithHint, TerminalError } from "../kernel/errors.ts";
import type { Snapshot, SourceReport } from "./snapshot.ts";
import type { ContextSource } from "./source.ts";
import type { Reader, ReaderDeps, RunFacts, SourceType } from "./source-type.ts";
import { SOURCE_TYPES } from "./sources.ts";
import { type Ended, tryWithin } from "./tries.ts";

/** The largest context of a run, in bytes: all its values together, as JSON. */
const MAX_SNAPSHOT_BYTES = 262_144;

export interface ContextResolver {
  /**
   * @param values what the sources' templates and expressions may read, without `secret`
   * @throws TerminalError `context_failed`, whose details are `{sources: SourceReport[]}`; the reason of `signal`
   */
  resolve(sources: readonly ContextSource[], values: Values, run: RunFacts, signal: AbortSignal): Promise<Snapshot>;
}

export function createContextResolver(deps: ReaderDeps): ContextResolver {
  const { secrets } = deps;
  const types = new Map(
    Object.entries<SourceType>(SOURCE_TYPES).map(([name, type]) => {
      return [name, { read: type.createReader(deps), main: type.main }];
    }),
  );

  /** The source's value, after one try. */
  async function readValue(source: ContextSource, values: Values, run: RunFacts, leftMs: number, signal: AbortSignal) {
    const { fields, select, wants } = source;
    const { read, main } = types.get(source.type) as { read: Reader; main: string | undefined };
    const answer = await read(fields, { values, run, wants, leftMs, signal });
    requireDepth(answer, "its answer");
    const value = select === undefined ? (main === undefined ? answer : answer[main]) : select.evaluate(answer);
    requireDepth(value, "its value");
    return secrets.maskJson(value ?? null);
  }

  return {
    async resolve(sources, values, run, signal) {
      const outcomes = await Promise.all(
        sources.map((source) =>
          tryWithin(source, signal, (leftMs, ending) => readValue(source, values, run, leftMs, ending)),
        ),
      );
      const reports: SourceReport[] = [];
      const kept: [name: string, value: unknown][] = [];
      const failures: string[] = [];
      let total = 0;
      for (const [index, { name, type, optional }] of sources.entries()) {
        const { duration_ms, attempts, ...outcome } = outcomes[index] as Ended<unknown>;
        const common = { name, type, duration_ms, attempts };
        const bytes = "value" in outcome ? Buffer.byteLength(JSON.stringify(outcome.value)) : 0;
        const error = "error" in outcome ? outcome.error : findTooLarge(bytes, total);
        if (error === undefined && "value" in outcome) {
          total += bytes;
          kept.push([name, outcome.value]);
          reports.push({ ...common, status: "ok", bytes });
          continue;
        }
        const message = secrets.mask(describeWithHint(error));
        const code = error instanceof ActcoreError ? error.code : "source_failed";
        kept.push([name, null]);
        reports.push({ ...common, status: "failed", bytes: 0, error: message, code });
        if (!optional) failures.push(`context source ${name}: ${message}`);
      }
      if (failures.length > 0)
        throw new TerminalError("context_failed", failures.join("; "), { details: { sources: reports } });
      return { values: Object.fromEntries(kept), sources: reports };
    },
  };
}

/** The values count in the order of the definition: the one that has no room any more is too large. */
function findTooLarge(bytes: number, before: number): TerminalError | undefined {
  if (before + bytes <= MAX_SNAPSHOT_BYTES) return undefined;
  const others = before === 0 ? "" : `, and the values before it ${before}`;
  const message = `its value has ${bytes} bytes as JSON${others}: the context of a run has at most ${MAX_SNAPSHOT_BYTES}`;
  return new TerminalError("source_too_large", message, { hint: "Keep only what is needed, with select" });
}

function requireDepth(value: unknown, what: string): void {
  if (isWithinDepth(value)) return;
  throw new TerminalError("source_too_deep", `${what} is nested deeper than ${MAX_DEPTH} levels`);
}
