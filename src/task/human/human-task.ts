/** The `human` task: something that a person decides or fills in, over REST. */
import { findDurationFaults } from "../../calendar/duration.ts";
import { hasTemplate } from "../../expression/template.ts";
import { findSchemaFaults } from "../../json/json-schema.ts";
import type { Fault } from "../../kernel/errors.ts";
import { findSecretFaults } from "../secret-faults.ts";
import { HIDDEN, refuseTries, type TaskType } from "../task-type.ts";
import { type HumanParams, HumanParamsSchema } from "./params.ts";

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;

export const humanTask: TaskType<typeof HumanParamsSchema> = {
  title: "HumanTask",
  params: HumanParamsSchema,
  findFaults: findHumanFaults,
  findComputedFaults,
  createExecutor: refuseTries("a human task is done by a person, and by no worker"),
  show: ({ title, description, ...params }) => ({
    ...params,
    title,
    ...(description !== undefined && { description: HIDDEN }),
  }),
  waits: true,
  isQuick: () => false,
  defaults: { max_attempts: 1 },
  workflow: "HumanTaskWorkflow",
};

function findHumanFaults(params: HumanParams, path: string): Fault[] {
  const { form, due_in, remind_every, escalate_to, expire_in, on_expiry } = params;
  const faults = [
    ...(form === undefined ? [] : findSchemaFaults(form, `${path}/form`, true)),
    ...findDurationFaults(due_in, `${path}/due_in`, SECOND_MS),
    ...findDurationFaults(remind_every, `${path}/remind_every`, MINUTE_MS),
    ...findDurationFaults(expire_in, `${path}/expire_in`, SECOND_MS),
  ];
  const needs = (field: string, other: string) => ({ path: `${path}/${field}`, message: `needs ${other} beside it` });
  if (escalate_to !== undefined && due_in === undefined) faults.push(needs("escalate_to", "due_in"));
  if (on_expiry !== undefined && expire_in === undefined) faults.push(needs("on_expiry", "expire_in"));
  return faults;
}

/** The form is what an answer is held against, so it is written; and nothing that people read has a secret. */
function findComputedFaults(params: HumanParams, path: string): Fault[] {
  const { form, ...shown } = params;
  return [
    ...(hasExpression(form) ? [{ path: `${path}/form`, message: "takes no expression: it is written" }] : []),
    ...findSecretFaults(shown, path, "reads a secret, and people read it"),
  ];
}

function hasExpression(value: unknown): boolean {
  if (typeof value === "string") return hasTemplate(value);
  return typeof value === "object" && value !== null && Object.values(value).some(hasExpression);
}
