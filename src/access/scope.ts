/** What a key may be allowed. Each route names one (http/), and a route without one fails a test. */
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

/** `admin` may do everything. */
export function allows(granted: readonly Scope[], needed: Scope): boolean {
  return granted.includes(needed) || granted.includes("admin");
}
