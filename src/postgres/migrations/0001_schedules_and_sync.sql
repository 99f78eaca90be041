CREATE TABLE "actcore"."due_progress" (
	"definition_id" uuid PRIMARY KEY NOT NULL,
	"settled_until" timestamp (3) with time zone NOT NULL,
	"done_at" timestamp (3) with time zone,
	"seen_paused_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "actcore"."due_skips" (
	"activity_id" uuid NOT NULL,
	"first_due" timestamp (3) with time zone NOT NULL,
	"last_due" timestamp (3) with time zone NOT NULL,
	"count" integer NOT NULL,
	"reason" text NOT NULL,
	"into_run" uuid,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "due_skips_activity_id_first_due_reason_pk" PRIMARY KEY("activity_id","first_due","reason")
);
--> statement-breakpoint
CREATE TABLE "actcore"."event_types" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"schema" json NOT NULL,
	"enforce" boolean NOT NULL,
	"version" integer NOT NULL,
	"source" text NOT NULL,
	"tree" text NOT NULL,
	"tree_key" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"retired_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "actcore"."held_trees" (
	"tree" text PRIMARY KEY NOT NULL,
	"held_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"held_by" text NOT NULL,
	"sync_id" uuid NOT NULL
);
--> statement-breakpoint
CREATE TABLE "actcore"."syncs" (
	"sync_id" uuid PRIMARY KEY NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone NOT NULL,
	"actor" text NOT NULL,
	"report" json NOT NULL,
	"changes" json NOT NULL
);
--> statement-breakpoint
ALTER TABLE "actcore"."definitions" ADD COLUMN "tree" text;--> statement-breakpoint
ALTER TABLE "actcore"."definitions" ADD COLUMN "tree_key" text;--> statement-breakpoint
ALTER TABLE "actcore"."definitions" ADD COLUMN "retired_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "actcore"."schedule_projections" ADD COLUMN "paused" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "actcore"."schedule_projections" ADD COLUMN "engine_hash" text;--> statement-breakpoint
ALTER TABLE "actcore"."due_progress" ADD CONSTRAINT "due_progress_definition_id_definitions_id_fk" FOREIGN KEY ("definition_id") REFERENCES "actcore"."definitions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "due_skips_recorded" ON "actcore"."due_skips" USING btree ("recorded_at");--> statement-breakpoint
CREATE UNIQUE INDEX "event_types_tree_key" ON "actcore"."event_types" USING btree ("tree","tree_key");--> statement-breakpoint
CREATE UNIQUE INDEX "event_types_live_name" ON "actcore"."event_types" USING btree ("name") WHERE retired_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX "definitions_tree_key" ON "actcore"."definitions" USING btree ("tree","tree_key") WHERE deleted_at is null;--> statement-breakpoint
-- What was due before is accounted for by what ran: there were no reasons then.
INSERT INTO "actcore"."due_progress" ("definition_id", "settled_until") SELECT "id", now() FROM "actcore"."definitions" WHERE "trigger_type" <> 'event';
