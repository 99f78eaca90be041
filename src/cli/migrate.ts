/** `actcore migrate`: the schema up to date, and nothing else. */
import { migrations } from "../generated/migrations.ts";
import { migrate } from "../postgres/migrate.ts";
import type { CommandContext } from "./command.ts";
import { withDatabase } from "./database.ts";

/** @throws TerminalError `no_database`, `schema_unknown`; RetryableError `postgres_unavailable` */
export function runMigrate({ config, print }: Pick<CommandContext, "config" | "print">): Promise<number> {
  return withDatabase(config, "migrate", async ({ sql }) => {
    const applied = await migrate(sql, migrations);
    for (const name of applied) print(`applied ${name}`);
    print(
      applied.length === 0
        ? "the schema is up to date"
        : `applied ${applied.length} of ${migrations.length} migrations`,
    );
    return 0;
  });
}
