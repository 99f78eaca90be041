/** What the text of an answer is: JSON, unless the source says that it is text. */
import { type Static, Type } from "@sinclair/typebox";
import { parseJson } from "../json/parse.ts";
import { oneOf } from "../json/schema-parts.ts";
import { describeError, TerminalError } from "../kernel/errors.ts";

export const FormatSchema = Type.Optional(
  oneOf(["json", "text"], {
    default: "json",
    description: "Whether the answer is JSON, or taken as the text that it is.",
    expected: "json or text",
  }),
);
export type Format = NonNullable<Static<typeof FormatSchema>>;

/** The value of `text`. `what` is the subject of the error. @throws TerminalError `source_not_json` */
export function parseAnswer(text: string, format: Format, what: string): unknown {
  if (format === "text") return text;
  try {
    return parseJson(text);
  } catch (error) {
    throw new TerminalError("source_not_json", `${what} is no JSON: ${describeError(error)}`, {
      hint: "Where it is meant to be text, say `format: text`",
    });
  }
}
