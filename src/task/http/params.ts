/** What an http task takes: the parts of its request. */
import { type Static, Type } from "@sinclair/typebox";
import { oneOf } from "../../json/schema-parts.ts";
import { HTTP_METHODS } from "../../outbound/request.ts";

export const HttpParamsSchema = Type.Object(
  {
    method: Type.Optional(oneOf(HTTP_METHODS, { default: "POST", expected: `one of ${HTTP_METHODS.join(", ")}` })),
    url: Type.String({ maxLength: 4000, pattern: "^(https?://|\\{\\{)", expected: "an http:// or https:// URL" }),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), { maxProperties: 50, expected: "an object of strings" }),
    ),
    body: Type.Optional(
      Type.Unknown({
        description:
          "A string is sent as it is, anything else as JSON. When absent, a POST, PUT or PATCH sends the task's own input: {run, event}.",
      }),
    ),
  },
  { additionalProperties: false },
);

export type HttpParams = Static<typeof HttpParamsSchema>;
