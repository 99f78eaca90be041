/** `actcore next FILE`: when the activities of a file, or of a directory, would be due next, without a server. */

import type { DefinitionBody } from "../definition/schema.ts";
import { toFindings } from "../document/check-trees.ts";
import { readTreeOrFile } from "../document/tree.ts";
import { findTaskRules } from "../roles/own-engines.ts";
import { DEFAULT_PREVIEWED, MAX_PREVIEWED, type PreviewedDueTime, previewDueTimes } from "../schedule/preview.ts";
import { TASK_TYPES } from "../task/types.ts";
import { type CommandContext, usageError } from "./command.ts";
import { describeFinding, FAULTY } from "./validate.ts";

interface Preview {
  name: string;
  trigger_type: DefinitionBody["trigger_type"];
  enabled: boolean;
  next: PreviewedDueTime[];
}

/**
 * Prints the due times of each activity; one that waits for events has none.
 * @returns 0, or 1 when there are faults: they are printed as `actcore validate` prints them
 * @throws InvalidInputError `usage`
 */
export async function runNext({
  config,
  print,
  json,
  args,
}: Pick<CommandContext, "config" | "print" | "json" | "args">): Promise<number> {
  const count = readCount(args.count);
  const { documents, faults } = await readTreeOrFile(args.FILE ?? "", findTaskRules(TASK_TYPES, config));
  const errors = toFindings(faults);
  const now = new Date();
  const previews = documents.flatMap((document) =>
    document.kind === "activity" ? [previewOf(document.body, now, count)] : [],
  );
  if (previews.length === 0 && errors.length === 0)
    errors.push({ file: args.FILE ?? "", line: null, message: "has no activities" });
  if (json) print(JSON.stringify({ activities: previews, errors }));
  else for (const line of [...errors.map((error) => describeFinding(error)), ...previews.flatMap(toLines)]) print(line);
  return errors.length > 0 ? FAULTY : 0;
}

function previewOf(body: DefinitionBody, now: Date, count: number): Preview {
  const { name, trigger_type, enabled } = body;
  return { name, trigger_type, enabled, next: trigger_type === "event" ? [] : previewDueTimes(body, now, count) };
}

function readCount(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PREVIEWED;
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MAX_PREVIEWED) return count;
  const message = `expected a whole number from 1 to ${MAX_PREVIEWED}, received ${JSON.stringify(text)}`;
  throw usageError([{ path: "--count", message }], "help next");
}

function toLines({ name, trigger_type, enabled, next }: Preview): string[] {
  const head = `${name} (${trigger_type}${enabled ? "" : ", disabled"})`;
  if (trigger_type === "event") return [`${head}: waits for events`];
  if (next.length === 0) return [`${head}: is not due any more`];
  return [`${head}:`, ...next.map(({ scheduled_for, local }) => `  ${scheduled_for}  ${local}`)];
}
