/** Figures of a bench: what is made of many, and the line that shows one. */

export function print(what: string, figures: string): void {
  console.log(`${what.padEnd(26)} ${figures}`);
}

/** Zero where there are none. */
export function quantile(values: readonly number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? 0;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
