/** What a nats task takes: the parts of its message. */
import { type Static, Type } from "@sinclair/typebox";

export const NatsParamsSchema = Type.Object(
  {
    subject: Type.String({
      minLength: 1,
      maxLength: 1_000,
      description: "Without wildcards, and none of NATS' own. May have {{ expressions }}.",
      examples: ["orders.{{ event.payload.country }}.paid"],
      expected: "a subject: words separated by dots",
    }),
    data: Type.Optional(
      Type.Unknown({
        description:
          "A text is sent as it is, anything else as JSON. When absent, the task's own input: {run, event}. On activity.> it is an event's envelope.",
      }),
    ),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), { maxProperties: 50, expected: "an object of texts" }),
    ),
    jetstream: Type.Optional(
      Type.Boolean({
        default: true,
        description:
          "Whether a stream must keep the message. false: it goes to whoever subscribes at that moment, and nobody knows whether somebody does.",
      }),
    ),
  },
  { additionalProperties: false },
);

export type NatsParams = Static<typeof NatsParamsSchema>;
