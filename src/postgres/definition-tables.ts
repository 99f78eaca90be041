/** What is wanted, and who may say so: definitions and event types, their schedules, the syncs of their files, API keys. */
import { sql } from "drizzle-orm";
import { bigint, boolean, index, integer, primaryKey, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import type { Scope } from "../access/scope.ts";
import type { DefinitionBody, TriggerType } from "../definition/schema.ts";
import type { HookBody } from "../hook/schema.ts";
import { actcore, json, time } from "./schema.ts";

export const definitions = actcore.table(
  "definitions",
  {
    id: uuid().primaryKey(),
    name: text().notNull(),
    /** As it counts: what the override says, or else what the body says. */
    enabled: boolean().notNull(),
    /** Set over REST for a definition that a file made; survives syncs until it is lifted. */
    enabled_override: boolean(),
    trigger_type: text().$type<TriggerType>().notNull(),
    /** Whether the ends of its runs are published; null: as the server's setting says. */
    publish_outcome: boolean(),
    /** The whole body as its source wrote it; the columns beside it are to search by. */
    body: json().$type<DefinitionBody>().notNull(),
    version: integer().notNull(),
    source: text().notNull(),
    /** The directory of files that it belongs to, and its identity there: the document's id, or else its name. */
    tree: text(),
    tree_key: text(),
    created_at: time("created_at").notNull().defaultNow(),
    updated_at: time("updated_at").notNull().defaultNow(),
    /** Its document vanished from the tree; it counts as disabled. */
    retired_at: time("retired_at"),
    deleted_at: time("deleted_at"),
  },
  (table) => [
    uniqueIndex("definitions_tree_key").on(table.tree, table.tree_key).where(sql`deleted_at is null`),
    uniqueIndex("definitions_live_name").on(table.name).where(sql`deleted_at is null`),
    index("definitions_live_trigger").on(table.trigger_type, table.name).where(sql`deleted_at is null`),
    index("definitions_live_source").on(table.source, table.name).where(sql`deleted_at is null`),
    index("definitions_live_enabled").on(table.enabled, table.name).where(sql`deleted_at is null`),
  ],
);

/** Every version that there ever was, for the runs that pinned it. */
export const definitionVersions = actcore.table(
  "definition_versions",
  {
    definition_id: uuid()
      .notNull()
      .references(() => definitions.id),
    version: integer().notNull(),
    body: json().$type<DefinitionBody>().notNull(),
    created_at: time("created_at").notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.definition_id, table.version] })],
);

/** One row; `revision` moves in the transaction of every definition's change (I4). */
export const definitionRevision = actcore.table("definition_revision", {
  only: boolean().primaryKey().default(true),
  revision: bigint({ mode: "bigint" }).notNull(),
});

/** Which plan of a definition the engine was last given (schedule/plan.ts). */
export const scheduleProjections = actcore.table("schedule_projections", {
  definition_id: uuid()
    .primaryKey()
    .references(() => definitions.id),
  version: integer().notNull(),
  /** Null: the definition has no schedule. */
  plan_hash: text(),
  /** Whether the plan said so: a pause that stands in the engine otherwise was made by somebody else. */
  paused: boolean().notNull().default(false),
  /** Of what the engine described after it was told: another description is drift. */
  engine_hash: text(),
  updated_at: time("updated_at").notNull().defaultNow(),
});

/** Event types: what a payload of the type must look like. */
export const eventTypes = actcore.table(
  "event_types",
  {
    id: uuid().primaryKey(),
    name: text().notNull(),
    description: text(),
    /** JSON Schema of the payload. */
    schema: json().$type<Record<string, unknown>>().notNull(),
    /** Whether a payload that does not match is refused. */
    enforce: boolean().notNull(),
    version: integer().notNull(),
    source: text().notNull(),
    tree: text().notNull(),
    tree_key: text().notNull(),
    created_at: time("created_at").notNull().defaultNow(),
    updated_at: time("updated_at").notNull().defaultNow(),
    retired_at: time("retired_at"),
  },
  (table) => [
    uniqueIndex("event_types_tree_key").on(table.tree, table.tree_key),
    uniqueIndex("event_types_live_name").on(table.name).where(sql`retired_at is null`),
  ],
);

/** Webhooks: how their deliveries are verified, and which events they become. */
export const hooks = actcore.table(
  "hooks",
  {
    id: uuid().primaryKey(),
    name: text().notNull(),
    /** The whole hook as its source wrote it. */
    body: json().$type<HookBody>().notNull(),
    version: integer().notNull(),
    source: text().notNull(),
    /** As of a definition; null for a hook that REST made. */
    tree: text(),
    tree_key: text(),
    created_at: time("created_at").notNull().defaultNow(),
    updated_at: time("updated_at").notNull().defaultNow(),
    retired_at: time("retired_at"),
  },
  (table) => [
    uniqueIndex("hooks_tree_key").on(table.tree, table.tree_key),
    uniqueIndex("hooks_live_name").on(table.name).where(sql`retired_at is null`),
  ],
);

/** The history of syncs. */
export const syncs = actcore.table("syncs", {
  sync_id: uuid().primaryKey(),
  started_at: time("started_at").notNull(),
  finished_at: time("finished_at").notNull(),
  /** `start`, `interval`, `cli`, or who asked over REST. */
  actor: text().notNull(),
  /** The answer, as it was given. */
  report: json().$type<Record<string, unknown>>().notNull(),
  /** What it changed, for a rollback. */
  changes: json().$type<readonly Record<string, unknown>[]>().notNull(),
});

/** Trees that were rolled back: no sync touches them until they are released. */
export const heldTrees = actcore.table("held_trees", {
  tree: text().primaryKey(),
  held_at: time("held_at").notNull().defaultNow(),
  held_by: text().notNull(),
  sync_id: uuid().notNull(),
});

/** Who may do what over REST. A key is shown once and stored as its hash. */
export const apiKeys = actcore.table(
  "api_keys",
  {
    key_id: uuid().primaryKey(),
    name: text().notNull(),
    /** SHA-256 of the key. */
    hash: text().notNull().unique(),
    scopes: text().array().$type<Scope[]>().notNull(),
    created_at: time("created_at").notNull().defaultNow(),
    expires_at: time("expires_at"),
    /** Noted once a minute at most. */
    last_used_at: time("last_used_at"),
    revoked_at: time("revoked_at"),
  },
  (table) => [uniqueIndex("api_keys_live_name").on(table.name).where(sql`revoked_at is null`)],
);
