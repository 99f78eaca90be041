/** What of a task's params is shown to who may read tasks, and not the definitions that they come from. */
import type { HttpTemplate, TaskType } from "../definition/schema.ts";
import { hidePassword } from "./http/request.ts";

const HIDDEN = "***";

/** By task type: secrets stand where a request has its credentials, so its values are hidden and their names kept. */
const SHOWN: Readonly<Record<TaskType, (params: unknown) => unknown>> = {
  log: (params) => params,
  http(params) {
    const { method, url, headers, body } = params as HttpTemplate["params"];
    const shown = Object.fromEntries(Object.keys(headers ?? {}).map((name) => [name, HIDDEN]));
    return {
      ...(method !== undefined && { method }),
      url: hidePassword(url),
      ...(headers !== undefined && { headers: shown }),
      ...(body !== undefined && { body: HIDDEN }),
    };
  },
};

/** Of a type that another release knew, nothing. */
export function showParams(type: string, params: unknown): unknown {
  return Object.hasOwn(SHOWN, type) ? SHOWN[type as TaskType](params) : HIDDEN;
}
