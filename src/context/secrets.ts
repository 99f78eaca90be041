/** Expressions and templates of sources that read secrets: these are read here, at the use, and kept nowhere (I10). */
import type { Expression } from "../expression/expression.ts";
import type { Values } from "../expression/scope.ts";
import type { Template } from "../expression/template.ts";
import { readNamed, renderSources } from "../secret/render-sources.ts";
import type { Secrets } from "../secret/secrets.ts";

/** @throws TerminalError `secret_missing`, `expression_failed` */
export function evaluateWithSecrets(expression: Expression, values: Values, secrets: Secrets): unknown {
  return expression.evaluate({ ...values, secret: readNamed(expression.reads, secrets) });
}

/** The template's value, with its secrets in it. @throws TerminalError `secret_missing`, `expression_failed` */
export function renderWithSecrets(template: Template, values: Values, secrets: Secrets): unknown {
  const { value, sources } = template.render(values);
  return renderSources(value, sources, secrets, "");
}
