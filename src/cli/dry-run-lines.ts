/** A dry run as a person reads it. Pure. */
import type { DryRunReport, RehearsedOccurrence } from "../rehearsal/dry-run-report.ts";
import { TEMPLATE_WORDS } from "../run/decision.ts";
import { formatTable } from "./table.ts";

const OUTCOMES = { run: "would run", skip: "would not run", fail: "would fail", unknown: "may run" } as const;
/** How many characters of the params of a task are shown. */
const MAX_PARAMS = 200;

export function toLines({ activity_name, missing_secrets, occurrences }: DryRunReport): string[] {
  return [
    ...occurrences.flatMap((occurrence) => describe(activity_name, occurrence)),
    ...missing_secrets.map(
      (name) => `secret ${name} is not there: where the worker does not have it either, a run that needs it fails`,
    ),
  ];
}

function describe(name: string, occurrence: RehearsedOccurrence): string[] {
  const {
    event_id,
    event_type,
    scheduled_for,
    outcome,
    detail,
    when,
    context,
    templates,
    tasks,
    tasks_not_shown,
    faults,
  } = occurrence;
  const what = event_id === null ? `at ${scheduled_for}` : `on event ${event_id} (${event_type})`;
  const sources = context.map(({ name, type, status, duration_ms, bytes, error }) => [
    `  ${name}`,
    type,
    status,
    `${duration_ms} ms`,
    error ?? `${bytes} bytes`,
  ]);
  const decided = templates.map((template) => [`  ${template.key}`, describeDecision(template)]);
  const made = tasks.map(({ key, instance, type, params, depends_on, released }) => [
    `  ${key}${instance === null ? "" : `[${instance}]`}`,
    type,
    shorten(JSON.stringify(params)),
    ...(released ? [] : [`after ${depends_on.join(", ")}`]),
  ]);
  return [
    `${name} ${OUTCOMES[outcome]} ${what}${detail === null ? "" : `: ${detail}`}`,
    ...(when === null ? [] : ["when", `  ${when.explanation}`]),
    ...section("context", sources),
    ...section("templates", decided),
    ...section("tasks", made),
    ...(tasks_not_shown > 0 ? [`  and ${tasks_not_shown} more tasks`] : []),
    ...section(
      "faults",
      faults.map(({ path, message }) => [`  ${path}`, message]),
    ),
  ];
}

function describeDecision({ outcome, count, left_out, reason }: RehearsedOccurrence["templates"][number]): string {
  const why = reason === null ? "" : `: ${reason}`;
  if (outcome !== "made") return `${TEMPLATE_WORDS[outcome]}${why}`;
  const left = left_out === null ? "" : `, ${left_out} left out`;
  return `${count === 1 ? "1 task" : `${count} tasks`}${left}${why}`;
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : [title, ...formatTable(rows)];
}

function shorten(text: string): string {
  return text.length > MAX_PARAMS ? `${text.slice(0, MAX_PARAMS - 3).toWellFormed()}...` : text;
}
