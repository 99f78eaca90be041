ALTER TABLE "actcore"."runs" ADD COLUMN "context_sources" json;--> statement-breakpoint
ALTER TABLE "actcore"."runs" ADD COLUMN "decisions" json;--> statement-breakpoint
ALTER TABLE "actcore"."runs" ADD COLUMN "detail" text;--> statement-breakpoint
ALTER TABLE "actcore"."runs" ADD COLUMN "rerun_from" text;--> statement-breakpoint
ALTER TABLE "actcore"."tasks" ADD COLUMN "instance" integer;--> statement-breakpoint
ALTER TABLE "actcore"."tasks" ADD COLUMN "sources" json;--> statement-breakpoint
ALTER TABLE "actcore"."tasks" ADD COLUMN "taken_from" uuid;