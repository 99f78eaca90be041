CREATE SCHEMA IF NOT EXISTS "actcore";
--> statement-breakpoint
CREATE TABLE "actcore"."api_keys" (
	"key_id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"hash" text NOT NULL,
	"scopes" text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	CONSTRAINT "api_keys_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "actcore"."audit_log" (
	"entry_id" uuid PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"subject" text NOT NULL,
	"before" json,
	"after" json
);
--> statement-breakpoint
CREATE TABLE "actcore"."definition_revision" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"revision" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "actcore"."definition_versions" (
	"definition_id" uuid NOT NULL,
	"version" integer NOT NULL,
	"body" json NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "definition_versions_definition_id_version_pk" PRIMARY KEY("definition_id","version")
);
--> statement-breakpoint
CREATE TABLE "actcore"."definitions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"enabled" boolean NOT NULL,
	"enabled_override" boolean,
	"trigger_type" text NOT NULL,
	"body" json NOT NULL,
	"version" integer NOT NULL,
	"source" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "actcore"."event_keys" (
	"event_id" text PRIMARY KEY NOT NULL,
	"row_id" uuid NOT NULL,
	"provisional" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
CREATE TABLE "actcore"."event_outcomes" (
	"row_id" uuid NOT NULL,
	"activity_id" uuid NOT NULL,
	"activity_name" text NOT NULL,
	"outcome" text NOT NULL,
	"reason" text,
	"run_id" uuid,
	CONSTRAINT "event_outcomes_row_id_activity_id_pk" PRIMARY KEY("row_id","activity_id")
);
--> statement-breakpoint
CREATE TABLE "actcore"."events" (
	"row_id" uuid PRIMARY KEY NOT NULL,
	"event_id" text NOT NULL,
	"outcome" text NOT NULL,
	"reason" text,
	"detail" text,
	"type" text,
	"source" text,
	"subject" text,
	"occurred_at" text,
	"trace_id" text NOT NULL,
	"payload" json,
	"raw" "bytea",
	"received_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "actcore"."occurrences" (
	"activity_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"key" text NOT NULL,
	"run_id" uuid NOT NULL,
	"event_id" text,
	"workflow_id" text,
	"claimed_by" text,
	"version_used" integer,
	CONSTRAINT "occurrences_activity_id_kind_key_pk" PRIMARY KEY("activity_id","kind","key")
);
--> statement-breakpoint
CREATE TABLE "actcore"."runs" (
	"run_id" uuid PRIMARY KEY NOT NULL,
	"activity_id" uuid NOT NULL,
	"activity_name" text NOT NULL,
	"trigger" text NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"scheduled_for" timestamp (3) with time zone,
	"fired_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"event_id" text,
	"trace_id" text NOT NULL,
	"workflow_id" text NOT NULL,
	"version_used" integer NOT NULL,
	"context_snapshot" json,
	"tasks_spawned" integer,
	"error" text,
	"rerun_of" uuid
);
--> statement-breakpoint
CREATE TABLE "actcore"."schedule_projections" (
	"definition_id" uuid PRIMARY KEY NOT NULL,
	"version" integer NOT NULL,
	"plan_hash" text,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "actcore"."tasks" (
	"task_id" uuid PRIMARY KEY NOT NULL,
	"run_id" uuid NOT NULL,
	"activity_id" uuid NOT NULL,
	"key" text NOT NULL,
	"type" text NOT NULL,
	"status" text NOT NULL,
	"params" json NOT NULL,
	"policy" json NOT NULL,
	"result" json,
	"attempts" integer DEFAULT 0 NOT NULL,
	"error" json,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"due_at" timestamp (3) with time zone,
	"assignee" text
);
--> statement-breakpoint
ALTER TABLE "actcore"."definition_versions" ADD CONSTRAINT "definition_versions_definition_id_definitions_id_fk" FOREIGN KEY ("definition_id") REFERENCES "actcore"."definitions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "actcore"."schedule_projections" ADD CONSTRAINT "schedule_projections_definition_id_definitions_id_fk" FOREIGN KEY ("definition_id") REFERENCES "actcore"."definitions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_live_name" ON "actcore"."api_keys" USING btree ("name") WHERE revoked_at is null;--> statement-breakpoint
CREATE INDEX "audit_subject" ON "actcore"."audit_log" USING btree ("subject","entry_id");--> statement-breakpoint
CREATE INDEX "audit_actor" ON "actcore"."audit_log" USING btree ("actor","entry_id");--> statement-breakpoint
CREATE UNIQUE INDEX "definitions_live_name" ON "actcore"."definitions" USING btree ("name") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "definitions_live_trigger" ON "actcore"."definitions" USING btree ("trigger_type","name") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "definitions_live_source" ON "actcore"."definitions" USING btree ("source","name") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "definitions_live_enabled" ON "actcore"."definitions" USING btree ("enabled","name") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "event_keys_row" ON "actcore"."event_keys" USING btree ("row_id");--> statement-breakpoint
CREATE INDEX "events_type" ON "actcore"."events" USING btree ("type","row_id");--> statement-breakpoint
CREATE INDEX "events_notable" ON "actcore"."events" USING btree ("outcome","row_id") WHERE outcome <> 'dispatched';--> statement-breakpoint
CREATE INDEX "events_type_notable" ON "actcore"."events" USING btree ("type","outcome","row_id") WHERE outcome <> 'dispatched';--> statement-breakpoint
CREATE UNIQUE INDEX "occurrences_run" ON "actcore"."occurrences" USING btree ("run_id");--> statement-breakpoint
CREATE INDEX "occurrences_unclaimed" ON "actcore"."occurrences" USING btree ("run_id") WHERE claimed_by is null;--> statement-breakpoint
CREATE INDEX "runs_activity" ON "actcore"."runs" USING btree ("activity_id","run_id");--> statement-breakpoint
CREATE INDEX "runs_trigger" ON "actcore"."runs" USING btree ("trigger","run_id");--> statement-breakpoint
CREATE INDEX "runs_notable" ON "actcore"."runs" USING btree ("status","run_id") WHERE status <> 'succeeded';--> statement-breakpoint
CREATE INDEX "runs_activity_notable" ON "actcore"."runs" USING btree ("activity_id","status","run_id") WHERE status in ('failed', 'skipped', 'cancelled');--> statement-breakpoint
CREATE INDEX "runs_trigger_notable" ON "actcore"."runs" USING btree ("trigger","status","run_id") WHERE status in ('failed', 'skipped', 'cancelled');--> statement-breakpoint
CREATE INDEX "runs_reruns" ON "actcore"."runs" USING btree ("rerun_of") WHERE rerun_of is not null;--> statement-breakpoint
CREATE INDEX "runs_open" ON "actcore"."runs" USING btree ("run_id") WHERE finished_at is null;--> statement-breakpoint
CREATE INDEX "tasks_run" ON "actcore"."tasks" USING btree ("run_id");--> statement-breakpoint
CREATE INDEX "tasks_activity" ON "actcore"."tasks" USING btree ("activity_id","task_id");--> statement-breakpoint
CREATE INDEX "tasks_notable" ON "actcore"."tasks" USING btree ("status","task_id") WHERE status <> 'succeeded';--> statement-breakpoint
CREATE INDEX "tasks_activity_notable" ON "actcore"."tasks" USING btree ("activity_id","status","task_id") WHERE status in ('failed', 'skipped', 'cancelled');--> statement-breakpoint
CREATE STATISTICS "actcore"."events_type_outcome" (mcv) ON "type", "outcome" FROM "actcore"."events";--> statement-breakpoint
INSERT INTO "actcore"."definition_revision" ("revision") VALUES (0);
