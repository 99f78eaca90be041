/** Hooks in Postgres, as their deliveries look for them: one row by an index, for each delivery anew (I4). */
import { and, eq, isNull } from "drizzle-orm";
import type { HookReader } from "../../hook/hook-reader.ts";
import { type Database, guarded } from "../client.ts";
import { hooks } from "../definition-tables.ts";

export function createHookReader(db: Database): HookReader {
  return {
    async find(name) {
      const query = db.select({ id: hooks.id, version: hooks.version, body: hooks.body }).from(hooks);
      const [row] = await guarded(query.where(and(eq(hooks.name, name), isNull(hooks.retired_at))));
      return row && { ...row.body, id: row.id, version: row.version };
    },
  };
}
