/** The body of a request as expressions and events have it: JSON as it is, the fields of a form, and bytes of any other kind. */
import { isWithinDepth, TOO_DEEP } from "../json/depth.ts";
import { NumberFaultError, parseJson } from "../json/parse.ts";
import type { Fault } from "../kernel/errors.ts";
import type { Sent } from "./proof.ts";
import type { Verify } from "./schema.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true });
/** These send JSON in a field of a form too: GitHub where its webhook is set up so, Slack for buttons and dialogs. */
const WITH_PAYLOAD_FIELD: readonly Verify[] = ["github", "slack"];

/** What a body of bytes is: `content_type` as the request says it, and the bytes in base64. */
interface Binary {
  content_type: string | null;
  base64: string;
}

/** Null for an empty body. @throws RequestFault where it is not what its content type says, or cannot be kept */
export function readBody({ headers, body }: Sent, verify: Verify): unknown {
  if (body.byteLength === 0) return null;
  const type = headers.get("content-type");
  if (type === null) return readUndeclared(body);
  if (/^\s*(application\/([\w.+-]+\+)?|text\/)json\s*(;|$)/i.test(type)) return parse(decode(body));
  if (!/^\s*application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) return toBinary(body, type);
  const fields = readForm(decode(body));
  const { payload } = fields;
  return WITH_PAYLOAD_FIELD.includes(verify) && typeof payload === "string" ? parse(payload) : fields;
}

/** What keeps a request from becoming an event: where it is, in the request or in the hook, and what is wrong there. */
export class RequestFault extends Error {
  constructor(readonly fault: Fault) {
    super(fault.message);
  }
}

/** Most senders that declare nothing send JSON. */
function readUndeclared(body: Uint8Array): unknown {
  try {
    return parse(decode(body));
  } catch {
    return toBinary(body, null);
  }
}

function decode(body: Uint8Array): string {
  try {
    return UTF8.decode(body);
  } catch {
    throw new RequestFault({ path: "/body", message: "is no text in UTF-8" });
  }
}

function parse(text: string): unknown {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    const { path, message } =
      error instanceof NumberFaultError
        ? error.fault
        : { path: "", message: `is no JSON: ${(error as Error).message}` };
    throw new RequestFault({ path: `/body${path}`, message });
  }
  if (!isWithinDepth(value)) throw new RequestFault({ ...TOO_DEEP, path: "/body" });
  return value;
}

/** A field that is repeated is a list. */
function readForm(text: string): Record<string, string | string[]> {
  const form = new URLSearchParams(text);
  const names = [...new Set(form.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const values = form.getAll(name);
      return [name, values.length === 1 ? (values[0] as string) : values];
    }),
  );
}

function toBinary(body: Uint8Array, content_type: string | null): Binary {
  return { content_type, base64: Buffer.from(body).toString("base64") };
}
