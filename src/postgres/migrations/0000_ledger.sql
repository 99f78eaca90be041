CREATE SCHEMA IF NOT EXISTS "actcore";
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
	"trigger_type" text NOT NULL,
	"body" json NOT NULL,
	"version" integer NOT NULL,
	"source" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"deleted_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "actcore"."event_outcomes" (
	"event_id" text NOT NULL,
	"activity_id" uuid NOT NULL,
	"activity_name" text NOT NULL,
	"outcome" text NOT NULL,
	"reason" text,
	"run_id" uuid,
	CONSTRAINT "event_outcomes_event_id_activity_id_pk" PRIMARY KEY("event_id","activity_id")
);
--> statement-breakpoint
CREATE TABLE "actcore"."events" (
	"event_id" text PRIMARY KEY NOT NULL,
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
	"claimed_by" text,
	"version_used" integer,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
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
	"error" text
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
CREATE UNIQUE INDEX "definitions_live_name" ON "actcore"."definitions" USING btree ("name") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "definitions_live_trigger" ON "actcore"."definitions" USING btree ("trigger_type") WHERE deleted_at is null;--> statement-breakpoint
CREATE INDEX "events_received" ON "actcore"."events" USING btree ("received_at" DESC NULLS LAST,"event_id" DESC NULLS LAST);--> statement-breakpoint
CREATE INDEX "runs_activity" ON "actcore"."runs" USING btree ("activity_id","run_id");--> statement-breakpoint
CREATE INDEX "runs_open" ON "actcore"."runs" USING btree ("run_id") WHERE finished_at is null;--> statement-breakpoint
CREATE INDEX "tasks_run" ON "actcore"."tasks" USING btree ("run_id");--> statement-breakpoint
CREATE INDEX "tasks_activity" ON "actcore"."tasks" USING btree ("activity_id","task_id");--> statement-breakpoint
INSERT INTO "actcore"."definition_revision" ("revision") VALUES (0);
