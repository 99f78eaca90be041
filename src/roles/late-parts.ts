/** Parts of a role that are made when an engine is reached, while the role already answers. */
import { RetryableError } from "../kernel/errors.ts";
import type { Engine, Readiness } from "../kernel/readiness.ts";

/**
 * `parts` has each part under its name, of the engine that `engines` says. To read one that is not `reach`ed yet throws
 * RetryableError `{engine}_unavailable`, which tells why that engine is not there.
 */
export function createLateParts<Parts extends object>(
  engines: Readonly<Record<keyof Parts, Engine>>,
  readiness: Pick<Readiness, "report">,
): { parts: Readonly<Parts>; reach(reached: Partial<Parts>): void } {
  const parts = {} as Parts;
  for (const [name, engine] of Object.entries<Engine>(engines))
    Object.defineProperty(parts, name, {
      configurable: true,
      get() {
        const why = readiness.report().engines[engine]?.error ?? "not reached yet";
        throw new RetryableError(`${engine}_unavailable`, `${engine} is not there: ${why}`);
      },
    });
  return {
    parts,
    reach(reached) {
      for (const [name, value] of Object.entries(reached)) Object.defineProperty(parts, name, { value });
    },
  };
}
