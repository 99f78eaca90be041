/** A definition as a reader sees it: what it says, and how it stands with what it expects. */
import { type Static, Type } from "@sinclair/typebox";
import { type Definition, definitionSchema } from "../definition/schema.ts";
import { Nullable } from "../json/schema-parts.ts";
import type { TaskTypes } from "../task/task-type.ts";

const Time = Type.String({ format: "date-time" });

const ExpectationView = Type.Object(
  {
    success_within: Type.Union([Type.String(), Type.Number()], { description: "As the definition has it." }),
    counts_from: Type.String({
      format: "date-time",
      description: "Silence is counted from here, or from the last success after it.",
    }),
    last_success_at: Nullable(Time, { description: "Null where no run succeeded that is still in the ledger." }),
    due_by: Type.String({
      format: "date-time",
      description: "When it is overdue, or was, unless a run succeeds before.",
    }),
    overdue_since: Nullable(Time, { description: "Null: it is not overdue." }),
  },
  { additionalProperties: false, title: "ExpectationState" },
);
export type ExpectationView = Static<typeof ExpectationView>;

/** With tasks of these types. */
export const definitionViewSchema = (types: TaskTypes) =>
  Type.Composite(
    [
      definitionSchema(types),
      Type.Object({
        expectation: Nullable(ExpectationView, {
          description: "How it stands with `expect`; null: it is not watched.",
        }),
      }),
    ],
    { additionalProperties: false, title: "ActivityDefinition" },
  );
export type DefinitionView = Definition & { expectation: ExpectationView | null };

/** postgres/expectation/expectation-reader.ts is behind it. */
export interface ExpectationReader {
  /** By the activity's id: of those that are watched. */
  read(activityIds: readonly string[]): Promise<ReadonlyMap<string, ExpectationView>>;
  /** The names of those that are overdue, those first that have been so for longest. */
  listOverdue(limit: number): Promise<{ activity_name: string; overdue_since: string }[]>;
}
