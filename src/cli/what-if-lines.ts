/** A what-if as a person reads it. Pure. */
import type { ChangedDefinition, WhatIfExample, WhatIfReport } from "../rehearsal/what-if-report.ts";

/** Examples of one activity; --json has the others. */
const MAX_EXAMPLES = 3;

const WORDS = {
  same: "the same",
  now_runs: "now run",
  no_longer_runs: "no longer run",
  decides_otherwise: "decide otherwise",
  unknown: "unknown",
} as const;

export function toWhatIfLines({
  from,
  events_looked_at,
  due_times_looked_at,
  cut,
  definitions,
}: WhatIfReport): string[] {
  return [
    `since ${from}: ${events_looked_at} events and ${due_times_looked_at} due times of changed activities`,
    ...definitions.flatMap(describeDefinition),
    ...(cut === null ? [] : [`        ${cut}`]),
  ];
}

function describeDefinition({ name, counts, examples, cut }: ChangedDefinition): string[] {
  const told = Object.entries(counts).filter(([, count]) => count > 0);
  const words = told.map(([outcome, count]) => `${count} ${WORDS[outcome as keyof typeof WORDS]}`);
  return [
    `what-if ${name}: ${words.join(", ") || "nothing happened that it waits for"}${cut ? " (not all were looked at)" : ""}`,
    ...examples.slice(0, MAX_EXAMPLES).map((example) => `          ${describeExample(example)}`),
  ];
}

function describeExample({ event_id, scheduled_for, outcome, before, after, difference }: WhatIfExample): string {
  const what = event_id === null ? `at ${scheduled_for}` : `event ${event_id}`;
  const change = difference ?? `${before ?? "is not there"} -> ${after ?? "is not there"}`;
  return `${what}: ${WORDS[outcome]}: ${change}`;
}
