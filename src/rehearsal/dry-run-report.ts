/** The answer of a dry run: what each occasion would come to, and why. */
import { type Static, Type } from "@sinclair/typebox";
import { SourceView, TemplateView } from "../explain/run-view.ts";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import { RUN_WHENS } from "../task/template.ts";

/** Tasks of one template that are shown of one occasion. */
export const MAX_INSTANCES = 50;

const Time = Type.String({ format: "date-time" });

const RehearsedTaskView = Type.Object(
  {
    key: Type.String(),
    instance: Nullable(Type.Integer({ description: "Which item of its template's `for_each` it would be made for." })),
    type: Type.String(),
    params: Type.Unknown({ description: "As it would be done. A text that reads a secret stands as it is written." }),
    depends_on: Type.Array(Type.String()),
    run_when: oneOf(RUN_WHENS),
    released: Type.Boolean({
      description: "Whether it would be done at once; else it waits for templates of depends_on.",
    }),
  },
  { title: "RehearsedTask" },
);

export const RehearsedOccurrence = Type.Object(
  {
    event_id: Nullable(Type.String()),
    event_type: Nullable(Type.String()),
    scheduled_for: Nullable(Time),
    run_id: Nullable(Type.String({ format: "uuid" }), { description: "The run that there was for it." }),
    outcome: oneOf(["run", "skip", "fail", "unknown"], {
      description:
        "`fail`: a run would be made, and fail before it has tasks. `unknown`: it depends on context that was not asked for. " +
        "`run` with the reason `collected` or `queued`: the event would wait first, and the rest of the answer is of a run of it alone. " +
        "Of a disabled definition the rest of the answer says what it would do if it were enabled.",
    }),
    reason: Nullable(Type.String({ description: "A short name, of whatever is no run, or would wait first." })),
    detail: Nullable(Type.String({ description: "Why, in words, with the values that decided it." })),
    context: Type.Array(SourceView, { description: "How each context source did that was asked." }),
    context_snapshot: Nullable(Type.Unknown(), {
      description: "By the names of sources. Null where none is known, or there is no room.",
    }),
    when: Nullable(
      Type.Object(
        { expression: Type.String(), holds: Type.Boolean(), explanation: Type.String() },
        {
          description: "The definition's own condition.",
        },
      ),
    ),
    templates: Type.Array(Type.Omit(TemplateView, ["tasks_by_status"], { title: "RehearsedTemplate" })),
    tasks: Type.Array(RehearsedTaskView, {
      description: `Those that it would have, at most ${MAX_INSTANCES} of a template.`,
    }),
    tasks_not_shown: Type.Integer(),
    faults: Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
      description: "Of expressions, by their place in the definition.",
    }),
  },
  { title: "RehearsedOccurrence" },
);

export const DryRunReport = Type.Object(
  {
    activity_id: Nullable(Type.String({ format: "uuid" }), {
      description: "Null for a definition that is not stored.",
    }),
    activity_name: Type.String(),
    version: Nullable(Type.Integer()),
    enabled: Type.Boolean(),
    missing_secrets: Type.Array(Type.String(), { description: "Names of secrets that this process does not have." }),
    occurrences: Type.Array(RehearsedOccurrence),
  },
  { title: "DryRun" },
);

export type RehearsedOccurrence = Static<typeof RehearsedOccurrence>;
export type DryRunReport = Static<typeof DryRunReport>;
