/** The `http` task: one request to the outside. */
import { findRequestFaults, findUrlFaults } from "../../outbound/request-faults.ts";
import { showUrl } from "../../outbound/url.ts";
import { HIDDEN, hideValues, isQuickExchange, type TaskType } from "../task-type.ts";
import { createHttpExecutor } from "./executor.ts";
import { findHttpFaults } from "./faults.ts";
import { HttpParamsSchema } from "./params.ts";

export const httpTask: TaskType<typeof HttpParamsSchema> = {
  title: "HttpTask",
  params: HttpParamsSchema,
  findFaults: (params, path, engines) => [
    ...findUrlFaults(params.url, `${path}/url`, engines),
    ...findRequestFaults(params, path),
    ...findHttpFaults(params, path),
  ],
  createExecutor: createHttpExecutor,
  /** Values that may be credentials are hidden, and their names are kept. */
  show: ({ method, url, query, headers, body, auth, sign, expect }) => ({
    ...(method !== undefined && { method }),
    url: showUrl(url),
    ...(query !== undefined && { query: hideValues(query) }),
    ...(headers !== undefined && { headers: hideValues(headers) }),
    ...(body !== undefined && { body: HIDDEN }),
    ...(auth !== undefined && { auth: { ...hideValues(auth), type: auth.type } }),
    ...(sign !== undefined && { sign: { ...sign, secret: HIDDEN } }),
    ...(expect !== undefined && { expect }),
  }),
  waits: true,
  isQuick: isQuickExchange,
};
