/** `actcore validate PATH…`: what a sync would say of these directories and files, without a server or a database. For a repository's CI. */
import { checkTrees, type Finding, type Findings } from "../document/check-trees.ts";
import { inOneLine } from "../kernel/printable.ts";
import { findTaskRules } from "../roles/own-engines.ts";
import { TASK_TYPES } from "../task/types.ts";
import type { CommandContext } from "./command.ts";

/** Exit code when there are faults. */
export const FAULTY = 1;

/** Prints every fault of the files, as `path:line: message`. @returns 0 when there is none, else 1 */
export async function runValidate({
  config,
  print,
  json,
  rest,
}: Pick<CommandContext, "config" | "print" | "json" | "rest">): Promise<number> {
  const findings = await checkTrees(rest, new Date(), findTaskRules(TASK_TYPES, config));
  if (json) print(JSON.stringify(findings));
  else for (const line of toLines(findings)) print(line);
  return findings.errors.length > 0 ? FAULTY : 0;
}

function toLines({ errors, warnings, activities, event_types, hooks, files }: Findings): string[] {
  const faults = errors.length === 0 ? [] : [count(errors.length, "fault")];
  const doubts = warnings.length === 0 ? [] : [count(warnings.length, "warning")];
  const kinds = `${count(activities, "activity", "activities")}, ${count(event_types, "event type")} and ${count(hooks, "hook")}`;
  const valid = `${kinds} in ${count(files, "file")}`;
  return [
    ...errors.map((error) => describeFinding(error)),
    ...warnings.map((warning) => describeFinding(warning, "warning: ")),
    [valid, ...faults, ...doubts].join(", "),
  ];
}

/** `file:line: message`, in one line whatever the file's name holds. */
export function describeFinding({ file, line, message }: Finding, level = ""): string {
  return inOneLine(`${file}${line === null ? "" : `:${line}`}: ${level}${message}`);
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
