/** Templates that read secrets, rendered where they are used. */
import type { Reads } from "../expression/scope.ts";
import { compileTemplate, renderSecret, type TemplateSource } from "../expression/template.ts";
import { setAt } from "../json/pointer.ts";
import { ActcoreError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Secrets } from "./secrets.ts";

/**
 * A copy of `value` in which each source that reads secrets is rendered with them; `value` itself where none does. What it
 * answers goes to its receiver, and is neither stored nor shown.
 * @param sources by JSON pointer into `value`, as `Template.render` answers them
 * @param place says what `value` is, in front of the pointers of errors
 * @throws TerminalError `secret_missing`, `secret_unreadable`, `expression_failed`; RetryableError `secret_unreadable`
 */
export function renderSources<T>(
  value: T,
  sources: Readonly<Record<string, TemplateSource>>,
  secrets: Pick<Secrets, "read">,
  place: string,
): T {
  let rendered: unknown = value;
  for (const [pointer, source] of Object.entries(sources)) {
    if (source.values === undefined) continue;
    try {
      const { reads } = compileTemplate(source.text, { roots: [...Object.keys(source.values), "secret"] });
      rendered = setAt(rendered, pointer, renderSecret(source, readNamed(reads, secrets)));
    } catch (error) {
      throw placed(error, `${place}${pointer}`);
    }
  }
  return rendered as T;
}

/** The root `secret` of what reads so. @throws as `Secrets.read` */
export function readNamed(reads: Reads, secrets: Pick<Secrets, "read">): Readonly<Record<string, string>> {
  return Object.fromEntries([...reads.names("secret")].map((name) => [name, secrets.read(name)]));
}

function placed(error: unknown, place: string): unknown {
  if (!(error instanceof ActcoreError)) return error;
  const { code, hint, details } = error;
  const options = { ...(hint !== undefined && { hint }), details, cause: error };
  const message = `${place}: ${error.message}`;
  return error instanceof RetryableError
    ? new RetryableError(code, message, options)
    : new TerminalError(code, message, options);
}
