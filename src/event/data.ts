/** Data of any content type as the payload of an event: JSON is the payload itself, anything else is kept with its type. Pure. */
import { NumberFaultError, parseJson } from "../json/parse.ts";
import { describeError, type Fault } from "../kernel/errors.ts";

/** The payload of an event whose data is no JSON. `content_type` is null where none was named. */
export type KeptData = { content_type: string | null } & ({ text: string } | { base64: string });

const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(?:;.*)?$/;
const JSON_TYPE = /^[^/;]+\/(?:[^;]+\+)?json\s*(?:;|$)/i;
/** What is text to a person, where it is in UTF-8. */
const TEXT_TYPE =
  /^(?:text\/[^;]+|application\/(?:[^;]+\+)?(?:xml|yaml)|application\/x-www-form-urlencoded)\s*(?:;|$)/i;
const OTHER_CHARSET = /;\s*charset\s*=\s*"?(?!utf-?8\b|us-ascii\b)/i;
const UTF8 = new TextDecoder("utf-8", { fatal: true });

export function isMediaType(text: string): boolean {
  return MEDIA_TYPE.test(text);
}

/** Whether data of this type is JSON: `application/json`, `text/json`, and whatever ends with `+json`. */
export function isJsonType(contentType: string): boolean {
  return JSON_TYPE.test(contentType);
}

/**
 * JSON is parsed; text in UTF-8 is kept as `{content_type, text}`, and all else as `{content_type, base64}`. No type is guessed where
 * none is named. The fault is of bytes that are said to be JSON and are none; its path begins at `path`.
 * @throws NumberFaultError
 */
export function payloadOf(
  bytes: Uint8Array,
  contentType: string | null,
  path: string,
): { payload: unknown } | { fault: Fault } {
  if (contentType !== null && isJsonType(contentType)) {
    try {
      return { payload: parseJson(UTF8.decode(bytes)) };
    } catch (error) {
      if (!(error instanceof NumberFaultError))
        return {
          fault: { path, message: `is no JSON, though it is said to be ${contentType}: ${describeError(error)}` },
        };
      const inner = error.fault.path === "/" ? "" : error.fault.path;
      throw new NumberFaultError({ ...error.fault, path: path + inner });
    }
  }
  const text = contentType === null ? undefined : readText(bytes, contentType);
  if (text !== undefined) return { payload: { content_type: contentType, text } satisfies KeptData };
  const base64 = Buffer.from(bytes).toString("base64");
  return { payload: { content_type: contentType, base64 } satisfies KeptData };
}

function readText(bytes: Uint8Array, contentType: string): string | undefined {
  if (!TEXT_TYPE.test(contentType) || OTHER_CHARSET.test(contentType)) return undefined;
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}
