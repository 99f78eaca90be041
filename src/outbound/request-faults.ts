/** Why the request of a definition cannot be made, or would differ from what the definition says. Pure. */

import { preview } from "../json/faults.ts";
import { pointTo } from "../json/pointer.ts";
import type { Fault } from "../kernel/errors.ts";
import { isHostWritten } from "./computed-host.ts";
import { findForbiddenUrl } from "./destination.ts";
import type { OwnEngines } from "./own-engines.ts";
import { METHODS_WITHOUT_BODY } from "./request.ts";

/** The parts of a request besides its URL, before any expression in them is evaluated. */
interface WrittenParts {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The fault of a URL that is none, or that nothing may call. Of one with an expression, what is written before it says so. */
export function findUrlFaults(url: string, path: string, engines: OwnEngines): Fault[] {
  if (url.includes("${") || !isHostWritten(url)) return []; // `${…}` is a fault already
  const written = URL.parse(url.split("{{", 1)[0] as string);
  if (written === null) return [{ path, message: `expected an http:// or https:// URL, received ${preview(url)}` }];
  const forbidden = findForbiddenUrl(written, engines);
  return forbidden === undefined ? [] : [{ path, message: `no request may go to this URL: ${forbidden}` }];
}

/** The faults of method, headers and body; `path` is that of `params`. */
export function findRequestFaults({ method, headers, body }: WrittenParts, path: string): Fault[] {
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
    new Headers([[name, value.includes("{{") ? "" : value]]);
  } catch {
    return "is no HTTP header: a name or value has characters that none may have";
  }
  return earlier && `is the same header as ${JSON.stringify(earlier)}: a header is named once, in upper or lower case`;
}
