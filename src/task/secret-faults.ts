/** Params that must not read a secret, because others read what becomes of them. Pure. */
import { readsSecret } from "../expression/template.ts";
import { pointTo } from "../json/pointer.ts";
import type { Fault } from "../kernel/errors.ts";

/** `message` for each text that reads a secret in a value of params, as a definition has them; `path` is that of the value. */
export function findSecretFaults(value: unknown, path: string, message: string): Fault[] {
  if (typeof value === "string") return readsSecret(value) ? [{ path, message }] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => findSecretFaults(inner, pointTo(path, key), message));
}
