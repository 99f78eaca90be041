/** The metrics of Temporal's SDK, in which names that others chose add a bounded number of lines. */
import { RUN_ACTIVITY_WORKFLOW, type RunSteps, type TaskSteps } from "../run/run.ts";

const STEPS: Readonly<Record<keyof RunSteps | keyof TaskSteps, true>> = {
  claimRun: true,
  decideRun: true,
  failTasks: true,
  closeRun: true,
  resolveContext: true,
  executeTask: true,
};
const OURS: Readonly<Record<string, ReadonlySet<string>>> = {
  workflow_type: new Set([RUN_ACTIVITY_WORKFLOW]),
  activity_type: new Set(Object.keys(STEPS)),
};
/** A label with its value, in which quotes and backslashes stand escaped. */
const NAMED = /\b(workflow_type|activity_type)="((?:[^"\\]|\\.)*)"/g;

/**
 * Anybody may start a workflow of any type on our task queues, and the SDK counts each by its name. Series with names of
 * others become one with the name `other`, where the first of them stood, with the sum of their values.
 *
 * @param text Prometheus' text format, without timestamps
 */
export function foldForeignNames(text: string): string {
  const lines: string[] = [];
  const folded = new Map<string, { line: number; value: number }>();
  for (const line of text.split("\n")) {
    let isForeign = false;
    const sample = line.replace(NAMED, (label, name: string, value: string) => {
      if (OURS[name]?.has(value)) return label;
      isForeign = true;
      return `${name}="other"`;
    });
    if (!isForeign) {
      lines.push(line);
      continue;
    }
    const end = sample.lastIndexOf(" ");
    const series = sample.slice(0, end);
    const sum = folded.get(series) ?? { line: lines.length, value: 0 };
    sum.value += Number(sample.slice(end + 1));
    folded.set(series, sum);
    lines[sum.line] = `${series} ${sum.value}`;
  }
  return lines.join("\n");
}
