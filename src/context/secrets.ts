/** Expressions and templates of sources that read secrets: these are read here, at the use, and kept nowhere (I10). */
import type { Expression } from "../expression/expression.ts";
import type { Reads, Values } from "../expression/scope.ts";
import { renderSecret, type Template, type TemplateSource } from "../expression/template.ts";
import { isExactNumber } from "../json/exact-number.ts";
import { pointTo } from "../json/pointer.ts";
import type { Secrets } from "../secret/secrets.ts";

/** @throws TerminalError `secret_missing`, `expression_failed` */
export function evaluateWithSecrets(expression: Expression, values: Values, secrets: Secrets): unknown {
  return expression.evaluate({ ...values, secret: readSecrets(expression.reads, secrets) });
}

/** The template's value, with its secrets in it. @throws TerminalError `secret_missing`, `expression_failed` */
export function renderWithSecrets(template: Template, values: Values, secrets: Secrets): unknown {
  if (template.isLiteral) return template.render(values).value;
  const { value, sources } = template.render(values);
  return fill(value, "", sources, readSecrets(template.reads, secrets));
}

function readSecrets(reads: Reads, secrets: Secrets): Readonly<Record<string, string>> {
  return Object.fromEntries([...reads.names("secret")].map((name) => [name, secrets.read(name)]));
}

function fill(
  value: unknown,
  pointer: string,
  sources: Readonly<Record<string, TemplateSource>>,
  secret: Readonly<Record<string, string>>,
): unknown {
  const source = Object.hasOwn(sources, pointer) ? sources[pointer] : undefined;
  if (source !== undefined) return source.values === undefined ? value : renderSecret(source, secret);
  if (typeof value !== "object" || value === null || isExactNumber(value)) return value;
  if (Array.isArray(value))
    return value.map((inner, index) => fill(inner, pointTo(pointer, String(index)), sources, secret));
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    fill(inner, pointTo(pointer, key), sources, secret),
  ]);
  return Object.fromEntries(entries);
}
