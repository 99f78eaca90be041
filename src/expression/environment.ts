/** The functions and types that expressions have, and the values of a run as CEL takes them. */
import { type CelEnv, type CelInput, celEnv } from "@bufbuild/cel";
import { once } from "../kernel/once.ts";
import { patternFunctions } from "./functions/patterns.ts";
import { textFunctions } from "./functions/texts.ts";
import { timeFunctions } from "./functions/times.ts";
import { valueFunctions } from "./functions/values.ts";
import { loopFunctions, meterFunctions } from "./metered.ts";
import type { Reads, Values } from "./scope.ts";
import { numberRegistry, toCelInput, toTimestamp } from "./values.ts";

/** Made when an expression is first used: a process that has none loads no tables. */
export const environment = once((): CelEnv => {
  const env = celEnv({
    registry: numberRegistry,
    funcs: [...textFunctions, ...patternFunctions, ...timeFunctions, ...valueFunctions, ...loopFunctions],
  });
  return Object.create(env, { funcs: { value: meterFunctions(env.funcs) } }) as CelEnv;
});

/** Keys of roots whose values are times, and become timestamps. */
const TIMESTAMPS: Readonly<Record<string, ReadonlySet<string>>> = { trigger: new Set(["scheduled_for", "fired_at"]) };

/** The roots that are read, as CEL takes them; one that is absent is null. */
export function toActivation(reads: Reads, values: Values): Record<string, CelInput> {
  const activation: Record<string, CelInput> = Object.create(null);
  for (const root of reads.roots) {
    const value = Object.hasOwn(values, root) ? values[root] : null;
    activation[root] = root === "now" ? toTimestamp(value) : toCelInput(value, TIMESTAMPS[root]);
  }
  return activation;
}
