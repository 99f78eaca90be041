CREATE TABLE "actcore"."hooks" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"body" json NOT NULL,
	"version" integer NOT NULL,
	"source" text NOT NULL,
	"tree" text,
	"tree_key" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"retired_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "actcore"."dedupe_keys" (
	"activity_id" uuid NOT NULL,
	"key" text NOT NULL,
	"event_id" text NOT NULL,
	"accepted_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "dedupe_keys_activity_id_key_pk" PRIMARY KEY("activity_id","key")
);
--> statement-breakpoint
CREATE TABLE "actcore"."flow_members" (
	"window_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"row_id" uuid NOT NULL,
	"event_id" text NOT NULL,
	"bytes" integer NOT NULL,
	CONSTRAINT "flow_members_window_id_position_pk" PRIMARY KEY("window_id","position")
);
--> statement-breakpoint
CREATE TABLE "actcore"."flow_windows" (
	"window_id" uuid PRIMARY KEY NOT NULL,
	"activity_id" uuid NOT NULL,
	"flow_key" text NOT NULL,
	"kind" text NOT NULL,
	"quiet_ms" bigint NOT NULL,
	"max_wait_ms" bigint NOT NULL,
	"max_events" integer NOT NULL,
	"opened_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"closes_at" timestamp (3) with time zone NOT NULL,
	"events" integer NOT NULL,
	"bytes" bigint NOT NULL,
	"closed_at" timestamp (3) with time zone,
	"run_id" uuid,
	"reason" text
);
--> statement-breakpoint
DROP INDEX "actcore"."own_events_unpublished";--> statement-breakpoint
ALTER TABLE "actcore"."definitions" ADD COLUMN "publish_outcome" boolean;--> statement-breakpoint
ALTER TABLE "actcore"."events" ADD COLUMN "attributes" json;--> statement-breakpoint
ALTER TABLE "actcore"."events" ADD COLUMN "settled_as" text;--> statement-breakpoint
ALTER TABLE "actcore"."events" ADD COLUMN "settled_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "actcore"."events" ADD COLUMN "settled_by" text;--> statement-breakpoint
ALTER TABLE "actcore"."events" ADD COLUMN "replayed_as" text;--> statement-breakpoint
ALTER TABLE "actcore"."own_events" ADD COLUMN "depth" integer;--> statement-breakpoint
ALTER TABLE "actcore"."own_events" ADD COLUMN "chain" json;--> statement-breakpoint
ALTER TABLE "actcore"."own_events" ADD COLUMN "cut_reason" text;--> statement-breakpoint
ALTER TABLE "actcore"."runs" ADD COLUMN "flow_key" text;--> statement-breakpoint
ALTER TABLE "actcore"."runs" ADD COLUMN "admitted_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "actcore"."runs" ADD COLUMN "window_id" uuid;--> statement-breakpoint
CREATE UNIQUE INDEX "hooks_tree_key" ON "actcore"."hooks" USING btree ("tree","tree_key");--> statement-breakpoint
CREATE UNIQUE INDEX "hooks_live_name" ON "actcore"."hooks" USING btree ("name") WHERE retired_at is null;--> statement-breakpoint
CREATE INDEX "dedupe_keys_expires" ON "actcore"."dedupe_keys" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "flow_members_event" ON "actcore"."flow_members" USING btree ("row_id");--> statement-breakpoint
CREATE UNIQUE INDEX "flow_windows_open" ON "actcore"."flow_windows" USING btree ("activity_id","flow_key") WHERE closed_at is null;--> statement-breakpoint
CREATE INDEX "flow_windows_closes" ON "actcore"."flow_windows" USING btree ("closes_at") WHERE closed_at is null;--> statement-breakpoint
CREATE INDEX "events_dead_letters" ON "actcore"."events" USING btree ("row_id") WHERE reason is not null;--> statement-breakpoint
CREATE INDEX "runs_window" ON "actcore"."runs" USING btree ("window_id") WHERE window_id is not null;--> statement-breakpoint
CREATE INDEX "runs_queued" ON "actcore"."runs" USING btree ("activity_id","flow_key","run_id") WHERE status = 'queued';--> statement-breakpoint
CREATE INDEX "runs_holding" ON "actcore"."runs" USING btree ("activity_id","flow_key") WHERE status = 'running';--> statement-breakpoint
CREATE INDEX "runs_admitted" ON "actcore"."runs" USING btree ("activity_id","flow_key","admitted_at") WHERE admitted_at is not null;--> statement-breakpoint
CREATE INDEX "runs_replays" ON "actcore"."runs" USING btree ("event_id","run_id") WHERE trigger = 'replay';--> statement-breakpoint
CREATE INDEX "own_events_unpublished" ON "actcore"."own_events" USING btree ("created_at","event_id") WHERE published_at is null and cut_reason is null;