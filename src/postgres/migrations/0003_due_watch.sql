CREATE TABLE "actcore"."due_watch" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"round_ended_at" timestamp (3) with time zone NOT NULL,
	"away_from" timestamp (3) with time zone,
	"away_until" timestamp (3) with time zone
);
