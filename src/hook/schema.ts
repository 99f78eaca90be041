/**
 * The shape of a hook, as JSON and as YAML (`kind: hook`): who may send what to POST /hooks/{name}, and which event it becomes.
 * A hook names its secrets and never has their values (I10).
 */
import { type Static, Type } from "@sinclair/typebox";
import { DurationSchema, findDurationFaults } from "../calendar/duration.ts";
import { findUnstorable } from "../definition/validate.ts";
import { findExpressionFaults } from "../expression/expression.ts";
import type { Scope } from "../expression/scope.ts";
import { findFaults } from "../json/faults.ts";
import { oneOf } from "../json/schema-parts.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import { ExpressionSchema } from "../task/template.ts";

const closed = { additionalProperties: false } as const;

/** How a request proves who sent it: as a provider does it, or by what the hook says of its header. */
export const VERIFY = ["github", "stripe", "slack", "standard-webhooks", "hmac", "token"] as const;
export type Verify = (typeof VERIFY)[number];

export const HOOK_NAME_PATTERN = "^[A-Za-z0-9._-]{1,100}$";
/** As files of secrets are named. */
const SECRET_NAME = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$";

const HeaderSchema = (description: string, examples: string[]) =>
  Type.String({
    pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$",
    description,
    examples,
    expected: "the name of a header",
  });

const HmacSchema = Type.Object(
  {
    header: HeaderSchema("Has the signature, or several of them separated by commas or spaces.", ["x-signature"]),
    algorithm: Type.Optional(
      oneOf(["sha256", "sha1", "sha512"], { default: "sha256", expected: "sha256, sha1 or sha512" }),
    ),
    encoding: Type.Optional(oneOf(["hex", "base64"], { default: "hex", expected: "hex or base64" })),
    prefix: Type.Optional(
      Type.String({
        pattern: "^[\\x21-\\x7e]{1,100}$",
        description: "Stands before the signature in its header.",
        examples: ["sha256="],
        expected: "1 to 100 printable ASCII characters without a space",
      }),
    ),
    timestamp_header: Type.Optional(
      HeaderSchema("Says when it was sent: in seconds or milliseconds of Unix time, or as RFC 3339.", ["x-timestamp"]),
    ),
    signed: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description:
          "What the signature is made of. `{body}` without a timestamp_header, and `{timestamp}.{body}` with one, when absent.",
        examples: ["v0:{timestamp}:{body}"],
        expected: "at most 200 characters with {body}",
      }),
    ),
  },
  { ...closed, title: "HookHmac" },
);

const TokenSchema = Type.Object(
  {
    header: Type.Optional(HeaderSchema("Has the token; `authorization` when absent.", ["x-gitlab-token"])),
    scheme: Type.Optional(
      Type.String({
        pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$",
        description: "The word before the token. `Bearer` in `authorization`, and none in another header, when absent.",
        examples: ["Bearer"],
        expected: "a word",
      }),
    ),
  },
  { ...closed, title: "HookToken" },
);

const MapSchema = Type.Object(
  {
    type: Type.Optional(ExpressionSchema("The event's type, a text.", ["'shop.' + body.kind"])),
    subject: Type.Optional(ExpressionSchema("The event's subject, a text; none where it is null.", ["body.order.id"])),
    event_id: Type.Optional(
      ExpressionSchema("What makes two deliveries the same one: a text, or a whole number.", ["body.delivery_id"]),
    ),
    payload: Type.Optional(ExpressionSchema("The event's payload, `body` when absent.", ["{'order': body.order}"])),
  },
  { ...closed, title: "HookMap", description: "Expressions over `headers`, `body` and `hook`." },
);

export const HookInputSchema = Type.Object(
  {
    name: Type.String({
      pattern: HOOK_NAME_PATTERN,
      description: "Unique among hooks; its address is /hooks/{name}.",
      expected: "1 to 100 letters, digits, '.', '_' or '-'",
    }),
    description: Type.Optional(
      Type.String({ maxLength: 10_000, description: "For people.", expected: "at most 10,000 characters" }),
    ),
    enabled: Type.Optional(
      Type.Boolean({
        default: true,
        description: "Where it is false, the hook's address answers as if it was not there.",
      }),
    ),
    verify: oneOf(VERIFY, { description: "How a request proves who sent it." }),
    secrets: Type.Array(Type.String({ pattern: SECRET_NAME, expected: "the name of a secret" }), {
      minItems: 1,
      maxItems: 2,
      uniqueItems: true,
      description: "Names of secrets. Of two, either is right, so that one can be replaced while both are in use.",
      examples: [["GITHUB_HOOK"]],
      expected: "a list of one or two different names of secrets",
    }),
    tolerance: Type.Optional(
      DurationSchema({
        description: "How far the time that a request says it was sent at may be from now, 5m when absent.",
        examples: ["5m"],
      }),
    ),
    hmac: Type.Optional(HmacSchema),
    token: Type.Optional(TokenSchema),
    map: Type.Optional(MapSchema),
  },
  { ...closed, title: "HookInput" },
);
export type HookInput = Static<typeof HookInputSchema>;

/** A hook as its document says it, with its defaults. */
export interface HookBody extends HookInput {
  enabled: boolean;
}

/** What the expressions of `map` may read. */
export const HOOK_SCOPE: Scope = { roots: ["headers", "body", "hook"], names: { hook: ["name"] } };

/** The hook of a document. @throws InvalidInputError `invalid_hook`, with every fault */
export function parseHook(input: unknown): HookBody {
  const faults = findHookFaults(input);
  if (faults.length > 0) throw new InvalidInputError("the hook is not valid", faults, "invalid_hook");
  return { ...(input as HookInput), enabled: (input as HookInput).enabled ?? true };
}

function findHookFaults(input: unknown): Fault[] {
  const unstorable = findUnstorable(input);
  if (unstorable.length > 0) return unstorable;
  const faults = findFaults(HookInputSchema, input);
  // The others speak of several fields, so the shape of these has to be right first.
  return faults.length > 0 ? faults : findRuleFaults(input as HookInput);
}

function findRuleFaults(input: HookInput): Fault[] {
  const { name, verify, tolerance, hmac, token, map = {} } = input;
  const faults = [...findNameFaults(name), ...findDurationFaults(tolerance, "/tolerance", 1_000, 86_400_000)];
  const add = (path: string, message: string) => faults.push({ path, message });
  if (verify === "hmac" && hmac === undefined) add("/hmac", "is required with verify: hmac");
  if (verify !== "hmac" && hmac !== undefined) add("/hmac", `is only for verify: hmac, and verify is ${verify}`);
  if (verify !== "token" && token !== undefined) add("/token", `is only for verify: token, and verify is ${verify}`);
  if (tolerance !== undefined && !isTimed(input))
    add(
      "/tolerance",
      verify === "hmac" ? "is only for an hmac with a timestamp_header" : `${verify} says nothing of when it was sent`,
    );
  if (hmac !== undefined) faults.push(...findSignedFaults(hmac));
  for (const [field, text] of Object.entries(map))
    faults.push(...findExpressionFaults(text, `/map/${field}`, HOOK_SCOPE));
  return faults;
}

/** The ids of a hook's events begin with its name and a colon. */
function findNameFaults(name: string): Fault[] {
  const message =
    name === "." || name === ".."
      ? "is a step of a path, so that no client could reach it"
      : ["manual", "foreign", "dead-letter"].includes(name) || name.startsWith("actcore.")
        ? "is kept for events of actcore's own, whose ids begin so"
        : undefined;
  return message === undefined ? [] : [{ path: "/name", message: `${JSON.stringify(name)} ${message}` }];
}

/** Whether requests to the hook say when they were sent, and sign it. */
export function isTimed({ verify, hmac }: Pick<HookInput, "verify" | "hmac">): boolean {
  return ["stripe", "slack", "standard-webhooks"].includes(verify) || hmac?.timestamp_header !== undefined;
}

function findSignedFaults({ timestamp_header, signed }: NonNullable<HookInput["hmac"]>): Fault[] {
  if (signed === undefined) return [];
  const path = "/hmac/signed";
  const names = [...signed.matchAll(/\{(.*?)\}/g)].map(([, name]) => name);
  const unknown = names.filter((name) => name !== "body" && name !== "timestamp");
  const messages = [
    ...unknown.map((name) => `has {${name}}, and only {body} and {timestamp} are known`),
    ...(names.includes("body") ? [] : ["must have {body}: otherwise the body could be any"]),
    ...(timestamp_header !== undefined && !names.includes("timestamp")
      ? ["must have {timestamp}: otherwise the timestamp could be any"]
      : []),
    ...(timestamp_header === undefined && names.includes("timestamp")
      ? ["has {timestamp}, and no timestamp_header says where it stands"]
      : []),
  ];
  return messages.map((message) => ({ path, message }));
}
