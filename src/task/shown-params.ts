/** What of a task's params is shown to somebody who may read tasks, but not the definitions that they come from. */

import { showUrl } from "./http/request.ts";
import type { HttpTemplate } from "./http/shape.ts";
import type { TaskType } from "./types.ts";

const HIDDEN = "***";

/** By task type. Of a request, values that may be credentials are hidden, and their names are kept. */
const SHOWN: Readonly<Record<TaskType, (params: unknown) => unknown>> = {
  log: (params) => params,
  http(params) {
    const { method, url, headers, body } = params as HttpTemplate["params"];
    const shown = Object.fromEntries(Object.keys(headers ?? {}).map((name) => [name, HIDDEN]));
    return {
      ...(method !== undefined && { method }),
      url: showUrl(url),
      ...(headers !== undefined && { headers: shown }),
      ...(body !== undefined && { body: HIDDEN }),
    };
  },
};

/** Nothing is shown of a type that this release does not know. */
export function showParams(type: string, params: unknown): unknown {
  return Object.hasOwn(SHOWN, type) ? SHOWN[type as TaskType](params) : HIDDEN;
}
