/** The `nats_kv` source: the value of a key in a bucket of NATS' key-value store. */
import { Type } from "@sinclair/typebox";
import { compileTemplate, findTemplateFaults, type Template } from "../expression/template.ts";
import { preview } from "../json/faults.ts";
import { TerminalError } from "../kernel/errors.ts";
import { renderWithSecrets } from "../secret/with-secrets.ts";
import { FormatSchema, parseAnswer } from "./format.ts";
import { SOURCE_SCOPE, type SourceType } from "./source-type.ts";

const BUCKET = "^[A-Za-z0-9_-]+$";
/** The keys that NATS accepts. */
const KEY = /^(?!\.)[-/=.\w]+(?<!\.)$/;

const NatsKvFields = Type.Object({
  bucket: Type.String({
    minLength: 1,
    maxLength: 200,
    pattern: BUCKET,
    expected: "the name of a bucket: letters, digits, '_' or '-'",
  }),
  key: Type.String({
    minLength: 1,
    maxLength: 1000,
    description: "May have {{ expressions }}.",
    expected: "a key, which may have {{ expressions }}",
  }),
  format: FormatSchema,
});

interface NatsKvSource {
  readonly bucket: string;
  readonly key: Template;
  readonly format: "json" | "text";
}

export const natsKvSource: SourceType<typeof NatsKvFields, NatsKvSource> = {
  title: "NatsKvSource",
  fields: NatsKvFields,
  answer: ["value", "revision", "found"],
  main: "value",
  findFaults: ({ key }, path) => findTemplateFaults(key, `${path}/key`, SOURCE_SCOPE),
  compile: ({ bucket, key, format = "json" }) => ({ bucket, key: compileTemplate(key, SOURCE_SCOPE), format }),
  createReader:
    ({ keyValues, secrets }) =>
    async ({ bucket, key: template, format }, { values, signal, wants }) => {
      const key = String(renderWithSecrets(template, values, secrets));
      if (!KEY.test(key))
        throw new TerminalError("kv_key_invalid", `${preview(key)} is no key: letters, digits and -/_=. make one`);
      const found = await keyValues.get(bucket, key, signal);
      if (found === undefined) return { value: null, revision: null, found: false };
      const text = new TextDecoder().decode(found.bytes);
      const value = wants("value") ? parseAnswer(text, format, `the key ${key} of ${bucket}`) : null;
      return { value, revision: found.revision, found: true };
    },
};
