/** What a key may be allowed. Each route names one (http/), and a route without one fails a test. */
import { oneOf } from "../json/schema-parts.ts";

export const SCOPES = [
  "definitions:read",
  "definitions:write",
  "runs:read",
  "trigger",
  "events:write",
  "tasks:read",
  "tasks:complete",
  "admin",
] as const;
export type Scope = (typeof SCOPES)[number];
export const ScopeSchema = oneOf(SCOPES);

/** `admin` may do everything. */
export function allows(granted: readonly Scope[], needed: Scope): boolean {
  return granted.includes(needed) || granted.includes("admin");
}
