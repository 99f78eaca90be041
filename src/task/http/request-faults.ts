/** What makes the request of an http task impossible, or other than it is written. Pure. */

import { pointTo } from "../../json/pointer.ts";
import type { Fault } from "../../kernel/errors.ts";
import type { HttpTemplate } from "./shape.ts";

/** An HTTP client refuses to send a body with these. */
export const METHODS_WITHOUT_BODY: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** The faults of method, headers and body; `path` is that of `params`. The URL is judged elsewhere. */
export function findRequestFaults({ method, headers, body }: HttpTemplate["params"], path: string): Fault[] {
  const faults: Fault[] = [];
  if (body !== undefined && METHODS_WITHOUT_BODY.has(method ?? "POST"))
    faults.push({ path: `${path}/body`, message: `a ${method} sends no body: leave it out, or choose another method` });
  const spellings = new Map<string, string>();
  for (const [name, value] of Object.entries(headers ?? {})) {
    const message = describeHeaderFault(name, value, spellings.get(name.toLowerCase()));
    if (message !== undefined) faults.push({ path: pointTo(`${path}/headers`, name), message });
    spellings.set(name.toLowerCase(), name);
  }
  return faults;
}

function describeHeaderFault(name: string, value: string, earlier: string | undefined): string | undefined {
  try {
    new Headers([[name, value]]);
  } catch {
    return "is no HTTP header: a name or value has characters that none may have";
  }
  return earlier && `is the same header as ${JSON.stringify(earlier)}: a header is named once, in upper or lower case`;
}
