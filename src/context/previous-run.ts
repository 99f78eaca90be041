/** The `previous_run` source: how the runs before this one went, of this activity or of another one. */
import { Type } from "@sinclair/typebox";
import { oneOf } from "../json/schema-parts.ts";
import { PREVIOUS_OUTCOMES } from "./ports.ts";
import type { SourceType } from "./source-type.ts";

const MAX_PREVIOUS = 20;

const PreviousRunFields = Type.Object({
  of: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      description: "The name of an activity, this one when absent.",
      expected: "the name of an activity",
    }),
  ),
  outcome: Type.Optional(
    oneOf(PREVIOUS_OUTCOMES, {
      default: "any",
      description: "How the runs ended that count.",
      expected: `one of ${PREVIOUS_OUTCOMES.join(", ")}`,
    }),
  ),
  last: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MAX_PREVIOUS,
      default: 1,
      description: "How many runs are read.",
      expected: `a whole number from 1 to ${MAX_PREVIOUS}`,
    }),
  ),
});

export const previousRunSource: SourceType<typeof PreviousRunFields, typeof PreviousRunFields.static> = {
  title: "PreviousRunSource",
  fields: PreviousRunFields,
  answer: ["runs", "run"],
  findFaults: () => [],
  compile: (fields) => fields,
  createReader:
    ({ previousRuns }) =>
    async ({ of, outcome = "any", last = 1 }, { run }) => {
      const activity = of === undefined ? { id: run.activity_id } : { name: of };
      const runs = await previousRuns.read({ activity, before: run.run_id, last, outcome });
      return { runs, run: runs[0] ?? null };
    },
};
