/** The `static` source: a value that stands in the definition, with expressions in its strings. */
import { Type } from "@sinclair/typebox";
import { compileTemplate, findTemplateFaults, type Template } from "../expression/template.ts";
import { RUN_SCOPE } from "./run-scope.ts";
import type { SourceType } from "./source-type.ts";

const StaticFields = Type.Object({
  value: Type.Unknown({ description: "Any JSON; its strings may have {{ expressions }}." }),
});

export const staticSource: SourceType<typeof StaticFields, Template> = {
  title: "StaticSource",
  fields: StaticFields,
  answer: ["value"],
  main: "value",
  // Without `secret`: the value is stored with the run.
  findFaults: ({ value }, path) => findTemplateFaults(value, `${path}/value`, RUN_SCOPE),
  compile: ({ value }) => compileTemplate(value, RUN_SCOPE),
  createReader:
    () =>
    async (template, { values }) => ({ value: template.render(values).value }),
};
