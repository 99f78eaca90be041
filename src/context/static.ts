/** The `static` source: a value that stands in the definition, with expressions in its strings. */
import { Type } from "@sinclair/typebox";
import type { Scope } from "../expression/scope.ts";
import { compileTemplate, findTemplateFaults, type Template } from "../expression/template.ts";
import { SOURCE_SCOPE, type SourceType } from "./source-type.ts";

const StaticFields = Type.Object({
  value: Type.Unknown({ description: "Any JSON; its strings may have {{ expressions }}." }),
});

/** Without `secret`: the value is stored with the run. */
const SCOPE: Scope = { roots: SOURCE_SCOPE.roots.filter((root) => root !== "secret") };

export const staticSource: SourceType<typeof StaticFields, Template> = {
  title: "StaticSource",
  fields: StaticFields,
  answer: ["value"],
  main: "value",
  findFaults: ({ value }, path) => findTemplateFaults(value, `${path}/value`, SCOPE),
  compile: ({ value }) => compileTemplate(value, SCOPE),
  createReader:
    () =>
    async (template, { values }) => ({ value: template.render(values).value }),
};
