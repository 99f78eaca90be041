CREATE TABLE "actcore"."expectations" (
	"definition_id" uuid PRIMARY KEY NOT NULL,
	"success_within_ms" bigint NOT NULL,
	"counts_from" timestamp (3) with time zone NOT NULL,
	"overdue_since" timestamp (3) with time zone,
	"look_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "actcore"."human_tasks" (
	"task_id" uuid PRIMARY KEY NOT NULL,
	"run_id" uuid NOT NULL,
	"activity_id" uuid NOT NULL,
	"state" text NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"title" text NOT NULL,
	"description" text,
	"form" json,
	"assignee" text,
	"group" text,
	"claimed_by" text,
	"due_at" timestamp (3) with time zone,
	"remind_every_ms" bigint,
	"next_reminder_at" timestamp (3) with time zone,
	"reminders" integer DEFAULT 0 NOT NULL,
	"expire_at" timestamp (3) with time zone,
	"on_expiry" text DEFAULT 'fail' NOT NULL,
	"escalate_to" json,
	"escalated_at" timestamp (3) with time zone,
	"decided_at" timestamp (3) with time zone,
	"decided_by" text,
	"answer" json,
	"comment" text,
	"told_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "actcore"."own_events" (
	"event_id" text PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"subject" text,
	"payload" json NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"published_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "actcore"."task_outputs" (
	"task_id" uuid PRIMARY KEY NOT NULL,
	"attempt" integer NOT NULL,
	"text" text NOT NULL,
	"bytes" bigint NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "actcore"."runs" ADD COLUMN "reopened" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "actcore"."runs" ADD COLUMN "reopened_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "actcore"."tasks" ADD COLUMN "retried" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "actcore"."tasks" ADD COLUMN "tries_forgiven" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "actcore"."tasks" ADD COLUMN "cancel_requested_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "actcore"."tasks" ADD COLUMN "requested_by" text;--> statement-breakpoint
ALTER TABLE "actcore"."expectations" ADD CONSTRAINT "expectations_definition_id_definitions_id_fk" FOREIGN KEY ("definition_id") REFERENCES "actcore"."definitions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "human_tasks_assignee" ON "actcore"."human_tasks" USING btree ("assignee","task_id") WHERE decided_at is null;--> statement-breakpoint
CREATE INDEX "human_tasks_group" ON "actcore"."human_tasks" USING btree ("group","task_id") WHERE decided_at is null;--> statement-breakpoint
CREATE INDEX "human_tasks_due" ON "actcore"."human_tasks" USING btree ("due_at","task_id") WHERE decided_at is null;--> statement-breakpoint
CREATE INDEX "human_tasks_untold" ON "actcore"."human_tasks" USING btree ("decided_at") WHERE decided_at is not null and told_at is null;--> statement-breakpoint
CREATE INDEX "own_events_unpublished" ON "actcore"."own_events" USING btree ("created_at","event_id") WHERE published_at is null;--> statement-breakpoint
CREATE INDEX "runs_activity_succeeded" ON "actcore"."runs" USING btree ("activity_id","finished_at") WHERE status = 'succeeded';--> statement-breakpoint
CREATE INDEX "tasks_cancel_requested" ON "actcore"."tasks" USING btree ("task_id") WHERE cancel_requested_at is not null and finished_at is null;