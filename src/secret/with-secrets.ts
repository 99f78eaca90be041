/** Expressions and templates that read secrets: these are read here, at the use, and kept nowhere (I10). */
import type { Expression } from "../expression/expression.ts";
import type { Reads, Values } from "../expression/scope.ts";
import { compileTemplate, renderSecret, type Template, type TemplateSource } from "../expression/template.ts";
import { setAt } from "../json/pointer.ts";
import { atPlace } from "../kernel/errors.ts";
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
      throw atPlace(error, `${place}${pointer}`);
    }
  }
  return rendered as T;
}

/** The template's value, with its secrets in it. @throws as `renderSources` */
export function renderWithSecrets(template: Template, values: Values, secrets: Pick<Secrets, "read">): unknown {
  const { value, sources } = template.render(values);
  return renderSources(value, sources, secrets, "");
}

/** @throws as `renderSources` */
export function evaluateWithSecrets(expression: Expression, values: Values, secrets: Pick<Secrets, "read">): unknown {
  return expression.evaluate({ ...values, secret: readNamed(expression.reads, secrets) });
}

/** The root `secret` of what reads so. @throws as `Secrets.read` */
function readNamed(reads: Reads, secrets: Pick<Secrets, "read">): Readonly<Record<string, string>> {
  return Object.fromEntries([...reads.names("secret")].map((name) => [name, secrets.read(name)]));
}
