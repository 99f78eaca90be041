/** The end of what each command has written, in Postgres. */
import { lte, sql } from "drizzle-orm";
import type { TaskOutputs } from "../../task/command/ports.ts";
import { type Database, guarded } from "../client.ts";
import { taskOutputs } from "../task-tables.ts";

export function createTaskOutputs(db: Database): TaskOutputs {
  return {
    async keep(task_id, attempt, { text, bytes }) {
      const set = { attempt, text, bytes, updated_at: sql`now()` };
      await guarded(
        db
          .insert(taskOutputs)
          .values({ task_id, ...set })
          .onConflictDoUpdate({ target: taskOutputs.task_id, set, setWhere: lte(taskOutputs.attempt, attempt) }),
      );
    },
  };
}
