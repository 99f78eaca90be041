/** What an http task takes: the parts of its request, and which answers are a success. */
import { type Static, Type } from "@sinclair/typebox";
import { oneOf } from "../../json/schema-parts.ts";
import { HTTP_METHODS } from "../../outbound/request.ts";

const closed = { additionalProperties: false } as const;
const Credential = (description: string) => Type.String({ minLength: 1, maxLength: 10_000, description });

const AuthSchema = Type.Object(
  {
    type: oneOf(["basic", "bearer"], { expected: "basic or bearer" }),
    username: Type.Optional(Type.String({ maxLength: 1_000, description: "Of basic." })),
    password: Type.Optional(
      Type.String({ maxLength: 10_000, description: "Of basic. Name a secret: {{ secret.NAME }}." }),
    ),
    token: Type.Optional(Credential("Of bearer. Name a secret: {{ secret.NAME }}.")),
  },
  { ...closed, description: "The header Authorization." },
);

/** Who can verify a signature: the receivers of these, and those that are told how (`hmac`). */
export const SIGNATURE_TYPES = ["github", "stripe", "standard-webhooks", "hmac"] as const;

const HeaderName = (description: string) =>
  Type.String({ pattern: "^[A-Za-z0-9_-]{1,100}$", description, expected: "the name of a header" });

const SignSchema = Type.Object(
  {
    type: oneOf(SIGNATURE_TYPES, { expected: `one of ${SIGNATURE_TYPES.join(", ")}` }),
    secret: Credential(
      "Name a secret: {{ secret.NAME }}. Of standard-webhooks: base64, with whsec_ before it or without.",
    ),
    algorithm: Type.Optional(
      oneOf(["sha256", "sha512"], { default: "sha256", description: "Of hmac.", expected: "sha256 or sha512" }),
    ),
    header: Type.Optional(HeaderName("Of hmac: the header of the signature, X-Signature when absent.")),
    encoding: Type.Optional(
      oneOf(["hex", "base64"], { default: "hex", description: "Of hmac.", expected: "hex or base64" }),
    ),
    prefix: Type.Optional(
      Type.String({ pattern: "^[\\x21-\\x7e]{0,100}$", description: "Of hmac: stands before the signature." }),
    ),
    timestamp_header: Type.Optional(
      HeaderName("Of hmac: gets the time in seconds, and what is signed is that time, a dot and the body."),
    ),
  },
  { ...closed, description: "A signature (HMAC) of the body, exactly as it is sent." },
);

const ExpectSchema = Type.Object(
  {
    status: Type.Array(
      Type.Union([Type.Integer({ minimum: 200, maximum: 599 }), Type.String({ pattern: "^[2-5]xx$" })], {
        expected: "a status from 200 to 599, or a class such as 2xx",
      }),
      {
        minItems: 1,
        maxItems: 50,
        description: "The statuses that are a success, in place of 2xx.",
        examples: [["2xx", 404]],
        expected: "a list of statuses",
      },
    ),
  },
  closed,
);

export const HttpParamsSchema = Type.Object(
  {
    method: Type.Optional(oneOf(HTTP_METHODS, { default: "POST", expected: `one of ${HTTP_METHODS.join(", ")}` })),
    url: Type.String({ maxLength: 4000, pattern: "^(https?://|\\{\\{)", expected: "an http:// or https:// URL" }),
    query: Type.Optional(
      Type.Record(Type.String({ minLength: 1 }), Type.Unknown(), {
        maxProperties: 50,
        description:
          "Put behind the URL's own query, escaped. Values are texts, numbers and booleans, or lists of them: such a name is repeated.",
        expected: "an object of texts, numbers, booleans and lists of them",
      }),
    ),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), { maxProperties: 50, expected: "an object of strings" }),
    ),
    body: Type.Optional(
      Type.Unknown({
        description:
          "A string is sent as it is, anything else as JSON. When absent, a POST, PUT or PATCH sends the task's own input: {run, event}.",
      }),
    ),
    auth: Type.Optional(AuthSchema),
    sign: Type.Optional(SignSchema),
    expect: Type.Optional(ExpectSchema),
  },
  closed,
);

export type HttpParams = Static<typeof HttpParamsSchema>;
export type Auth = Static<typeof AuthSchema>;
export type Sign = Static<typeof SignSchema>;
