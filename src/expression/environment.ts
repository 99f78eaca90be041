/** The functions and types that expressions have, and the values of a run as CEL takes them. */
import { type CelEnv, type CelInput, celEnv } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { once } from "../kernel/once.ts";
import { functions } from "./functions.ts";
import type { Reads, Values } from "./scope.ts";
import { numberRegistry, toCelInput, toTimestamp } from "./values.ts";

export const environment = once(
  (): CelEnv => celEnv({ registry: numberRegistry, funcs: [...strings, ...functions] }) as CelEnv,
);

/** Times that the values have as texts. */
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
