/** What an email task takes: the parts of its mail. */
import { type Static, Type } from "@sinclair/typebox";

/** Of `to`, `cc` and `bcc` together. */
export const MAX_RECIPIENTS = 100;

const Address = (options = {}) => Type.String({ minLength: 1, maxLength: 10_000, ...options });
const Addresses = (description: string) =>
  Type.Union([Address(), Type.Array(Address(), { minItems: 1, maxItems: MAX_RECIPIENTS })], {
    description,
    examples: ["ada@example.org", ["Ada Lovelace <ada@example.org>", "{{ event.payload.email }}"]],
    expected: `an address, or a list of at most ${MAX_RECIPIENTS}`,
  });
const Content = (description: string) =>
  Type.String({ maxLength: 500_000, description, expected: "a text of at most 500,000 characters" });

export const EmailParamsSchema = Type.Object(
  {
    to: Addresses("One address or several; each may be a text with a name: Ada <ada@example.org>."),
    cc: Type.Optional(Addresses("Who gets a copy.")),
    bcc: Type.Optional(Addresses("Who gets a copy that the others do not know of.")),
    reply_to: Type.Optional(
      Address({ description: "Where answers go; to ACTCORE_MAIL_FROM when absent.", expected: "an address" }),
    ),
    subject: Type.String({ minLength: 1, maxLength: 900, description: "One line.", expected: "a text of one line" }),
    text: Type.Optional(Content("The mail as plain text.")),
    html: Type.Optional(Content("The mail as HTML: beside `text`, or instead.")),
  },
  { additionalProperties: false },
);

export type EmailParams = Static<typeof EmailParamsSchema>;
