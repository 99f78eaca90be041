/** The `http` source: what one request is answered. */
import { Type } from "@sinclair/typebox";
import { compileTemplate, findTemplateFaults, type Template } from "../expression/template.ts";
import { oneOf } from "../json/schema-parts.ts";
import { TerminalError } from "../kernel/errors.ts";
import { isHostWritten } from "../outbound/computed-host.ts";
import { exchange } from "../outbound/exchange.ts";
import { createRequest, type RequestParts } from "../outbound/request.ts";
import { findRequestFaults, findUrlFaults } from "../outbound/request-faults.ts";
import { keepHeaders, type ReadResponse } from "../outbound/response.ts";
import { showUrl } from "../outbound/url.ts";
import { renderWithSecrets } from "../secret/with-secrets.ts";
import { type Format, FormatSchema, parseAnswer } from "./format.ts";
import { MAX_ANSWER_BYTES } from "./source.ts";
import { SOURCE_SCOPE, type SourceType } from "./source-type.ts";

const HttpFields = Type.Object({
  url: Type.String({ maxLength: 4000, pattern: "^(https?://|\\{\\{)", expected: "an http:// or https:// URL" }),
  method: Type.Optional(oneOf(["GET", "POST"], { default: "GET", expected: "GET or POST" })),
  headers: Type.Optional(
    Type.Record(Type.String(), Type.String(), { maxProperties: 50, expected: "an object of strings" }),
  ),
  body: Type.Optional(Type.Unknown({ description: "Of a POST. A string is sent as it is, anything else as JSON." })),
  format: FormatSchema,
});

interface HttpSource {
  readonly request: Template;
  readonly hostIsComputed: boolean;
  readonly format: Format;
}

export const httpSource: SourceType<typeof HttpFields, HttpSource> = {
  title: "HttpSource",
  fields: HttpFields,
  answer: ["status", "headers", "body"],
  main: "body",
  findFaults: ({ url, method = "GET", headers, body }, path, { engines }) => [
    ...findTemplateFaults(url, `${path}/url`, SOURCE_SCOPE),
    ...findUrlFaults(url, `${path}/url`, engines),
    ...findTemplateFaults(headers, `${path}/headers`, SOURCE_SCOPE),
    ...findTemplateFaults(body, `${path}/body`, SOURCE_SCOPE),
    ...findRequestFaults(
      { method, ...(headers !== undefined && { headers }), ...(body !== undefined && { body }) },
      path,
    ),
  ],
  compile: ({ url, method = "GET", headers = {}, body, format = "json" }) => ({
    request: compileTemplate({ url, method, headers, ...(body !== undefined && { body }) }, SOURCE_SCOPE),
    hostIsComputed: !isHostWritten(url),
    format,
  }),
  createReader:
    ({ dial, secrets }) =>
    async ({ request: template, hostIsComputed, format }, { values, wants, signal }) => {
      const parts = renderWithSecrets(template, values, secrets) as RequestParts;
      const request = createRequest(parts);
      if (!request.headers.has("accept")) request.headers.set("accept", "application/json, */*;q=0.1");
      const what = `${request.method} ${showUrl(request.url.href)}`;
      const options = { hostIsComputed, maxBytes: MAX_ANSWER_BYTES };
      const answer = await exchange(dial, request, signal, options);
      const { status, headers } = answer;
      return { status, headers: keepHeaders(headers), body: wants("body") ? readBody(answer, format, what) : null };
    },
};

/** @throws TerminalError `source_too_large`, `source_not_json` */
function readBody(answer: ReadResponse, format: Format, what: string): unknown {
  const { status, contentType: type, headers, text, truncated } = answer;
  if (truncated) {
    const length = headers.get("content-length");
    const size = length === null || headers.has("content-encoding") ? `more than ${MAX_ANSWER_BYTES}` : length;
    throw new TerminalError("source_too_large", `${what} answered ${size} bytes: at most ${MAX_ANSWER_BYTES} are read`);
  }
  if (format === "text") return text;
  if (status === 204) return null;
  // A login page, or the page of a proxy, where an API was meant.
  if (/^text\/html\b/i.test(type ?? ""))
    throw new TerminalError("source_not_json", `${what} answered ${type}, not JSON`);
  return parseAnswer(text, format, `the answer of ${what}, ${type ?? "without a content type"},`);
}
