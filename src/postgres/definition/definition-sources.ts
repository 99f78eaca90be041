/** Where definitions come from, also those that were deleted since. */
import { eq } from "drizzle-orm";
import { REST_SOURCE } from "../../definition/store.ts";
import { type Database, guarded } from "../client.ts";
import { definitions } from "../definition-tables.ts";

export function createDefinitionSources(db: Database) {
  return {
    async isFromFile(id: string): Promise<boolean> {
      const [row] = await guarded(
        db.select({ source: definitions.source }).from(definitions).where(eq(definitions.id, id)),
      );
      return row !== undefined && row.source !== REST_SOURCE;
    },
  };
}
