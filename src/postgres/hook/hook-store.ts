/** Hooks in Postgres, as REST keeps them; a sync writes them too. */
import { and, asc, eq, gt, isNull, sql } from "drizzle-orm";
import { type ChangeContext, REST_SOURCE } from "../../definition/store.ts";
import type { HookStore, HookView } from "../../hook/hook-store.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { writeAudit } from "../access/audit.ts";
import { type Database, errorCode, guarded, type Transaction } from "../client.ts";
import { hooks } from "../definition-tables.ts";

export type HookRow = typeof hooks.$inferSelect;

const live = isNull(hooks.retired_at);
const named = (name: string) => and(eq(hooks.name, name), live);

export function createHookStore(db: Database): HookStore {
  return {
    create: (body, actor) =>
      transact(db, body.name, async (tx) => {
        const row = { id: Bun.randomUUIDv7(), name: body.name, body, version: 1, source: REST_SOURCE };
        const [after] = await tx.insert(hooks).values(row).returning();
        return recorded(tx, actor, { action: "create", after: after as HookRow });
      }),

    change: (name, change, context) => {
      let newName = name;
      return transact(
        db,
        () => newName,
        async (tx) => {
          const before = await lockForChange(tx, name, context);
          const body = change(toHookView(before));
          newName = body.name;
          if (Bun.deepEquals(body, before.body, true)) return toHookView(before);
          const set = { name: body.name, body, version: before.version + 1, updated_at: sql`now()` };
          const [after] = await tx.update(hooks).set(set).where(eq(hooks.id, before.id)).returning();
          return recorded(tx, context.actor, { action: "update", before, after: after as HookRow });
        },
      );
    },

    remove: (name, check, context) =>
      guarded(
        db.transaction(async (tx) => {
          const before = await lockForChange(tx, name, context);
          check(toHookView(before));
          await tx.delete(hooks).where(eq(hooks.id, before.id));
          await recordHookChanges(tx, context.actor, [{ action: "delete", before }]);
        }),
      ),

    async find(name) {
      const [row] = await guarded(db.select().from(hooks).where(named(name)));
      return row && toHookView(row);
    },

    async list({ limit, after }) {
      const later = after === undefined ? undefined : gt(hooks.name, after);
      const query = db.select().from(hooks).where(and(live, later));
      return (await guarded(query.orderBy(asc(hooks.name)).limit(limit))).map(toHookView);
    },
  };
}

interface HookChange {
  action: string;
  before?: HookRow;
  after?: HookRow;
}

export async function recordHookChanges(tx: Transaction, actor: string, changes: readonly HookChange[]): Promise<void> {
  const entries = changes.map(({ action, before, after }) => ({
    actor,
    action,
    subject: `hook:${(after ?? before)?.id}`,
    ...(before && { before: toHookView(before) }),
    ...(after && { after: toHookView(after) }),
  }));
  await writeAudit(tx, ...entries);
}

async function recorded(tx: Transaction, actor: string, change: HookChange & { after: HookRow }): Promise<HookView> {
  await recordHookChanges(tx, actor, [change]);
  return toHookView(change.after);
}

async function lockForChange(tx: Transaction, name: string, { expectedVersion }: ChangeContext): Promise<HookRow> {
  const [row] = await tx.select().from(hooks).where(named(name)).for("update");
  if (row === undefined) throw new TerminalError("not_found", `hook ${name} is not there`);
  if (expectedVersion !== undefined && expectedVersion !== row.version)
    throw new TerminalError("version_mismatch", `hook ${name} has version ${row.version}, not ${expectedVersion}`, {
      hint: "read it again, and repeat the change on what it says now",
    });
  return row;
}

async function transact<T>(
  db: Database,
  name: string | (() => string),
  body: (tx: Transaction) => Promise<T>,
): Promise<T> {
  try {
    return await guarded(db.transaction(body));
  } catch (error) {
    if (errorCode(error) !== "23505") throw error;
    const taken = typeof name === "string" ? name : name();
    throw new TerminalError("name_taken", `there is a hook named ${JSON.stringify(taken)} already`, {
      hint: `GET /hooks/${taken} shows it, and whether REST or a file made it`,
    });
  }
}

function toHookView({ id, body, version, source, created_at, updated_at }: HookRow): HookView {
  return {
    id,
    ...{ description: null, tolerance: null, hmac: null, token: null, map: null },
    ...body,
    url: `/hooks/${body.name}`,
    version,
    source,
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  };
}
