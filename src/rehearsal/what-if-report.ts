/** What a sync would have changed of the past days: the answer of a what-if. */
import { type Static, Type } from "@sinclair/typebox";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import { WRITE_ACTIONS } from "../sync/document-row.ts";
import { SyncReport } from "../sync/report.ts";
import type { ChangedActivity } from "./changed-activities.ts";
import { type Comparison, WHAT_IF_OUTCOMES } from "./comparison.ts";
import type { Occasion } from "./occasion.ts";

/** The most examples of one definition. */
const MAX_EXAMPLES = 20;

const Time = Type.String({ format: "date-time" });
const Count = Type.Integer({ minimum: 0 });

const Example = Type.Object(
  {
    event_id: Nullable(Type.String()),
    scheduled_for: Nullable(Time),
    run_id: Nullable(Type.String({ format: "uuid" }), { description: "The run that there was for it." }),
    outcome: oneOf(WHAT_IF_OUTCOMES),
    before: Nullable(Type.String(), {
      description: "What the definition as it is would do, in words; null: there is none.",
    }),
    after: Nullable(Type.String(), { description: "What the changed one would do." }),
    difference: Nullable(Type.String(), { description: "In what two runs differ, or why it is not known." }),
  },
  { title: "WhatIfExample" },
);

const ChangedDefinition = Type.Object(
  {
    id: Type.String({
      format: "uuid",
      description: "Of a definition that the sync would make, one that it will not have.",
    }),
    name: Type.String(),
    action: oneOf(WRITE_ACTIONS),
    counts: Type.Object(
      { same: Count, now_runs: Count, no_longer_runs: Count, decides_otherwise: Count, unknown: Count },
      {
        description:
          "How many occurrences of the window it would treat how. `decides_otherwise`: both versions run, with other tasks. " +
          "`unknown`: it depends on the context of a run that there was not, or on the results of tasks.",
      },
    ),
    examples: Type.Array(Example, {
      description: `Of what is not the same, the newest first: at most ${MAX_EXAMPLES}, and 1000 of all activities.`,
    }),
    cut: Type.Boolean({ description: "Whether not all of its occurrences in the window were looked at." }),
  },
  { title: "WhatIfDefinition" },
);

export const WhatIfReport = Type.Object(
  {
    from: Time,
    to: Time,
    events_looked_at: Count,
    due_times_looked_at: Count,
    duration_ms: Count,
    cut: Nullable(Type.String(), { description: "Why not everything was looked at, in words." }),
    definitions: Type.Array(ChangedDefinition, { description: "Those whose occurrences may be treated otherwise." }),
  },
  { title: "WhatIf" },
);

/** The answer of a dry run of a sync that was asked about the past. */
export const SyncRehearsal = Type.Composite([SyncReport, Type.Object({ what_if: WhatIfReport })], {
  title: "SyncRehearsal",
});

export type WhatIfReport = Static<typeof WhatIfReport>;
export type ChangedDefinition = Static<typeof ChangedDefinition>;
export type WhatIfExample = Static<typeof Example>;
export type SyncRehearsal = Static<typeof SyncRehearsal>;

export function beginDefinition({ id, name, action }: ChangedActivity): ChangedDefinition {
  const counts = { same: 0, now_runs: 0, no_longer_runs: 0, decides_otherwise: 0, unknown: 0 };
  return { id, name, action, counts, examples: [], cut: false };
}

/** Answers how many examples it added, at most `room`. */
export function addComparison(
  definition: ChangedDefinition,
  { event, due, run }: Occasion,
  found: Comparison,
  room: number,
): 0 | 1 {
  definition.counts[found.outcome]++;
  if (found.outcome === "same" || definition.examples.length === MAX_EXAMPLES || room === 0) return 0;
  definition.examples.push({
    event_id: event.event_id ?? null,
    scheduled_for: due?.toISOString() ?? null,
    run_id: run?.run_id ?? null,
    ...found,
  });
  return 1;
}
