/** What waits, and for what: runs that their activity does not let begin yet, and windows that gather events. */
import { type Static, Type } from "@sinclair/typebox";
import { Nullable, oneOf } from "../json/schema-parts.ts";
import type { Page } from "./ledger-reader.ts";

const Time = Type.String({ format: "date-time" });

const WAITS_FOR = ["max_concurrent_runs", "rate_limit", "debounce", "batch"] as const;

export const WaitsFor = Type.Object(
  {
    kind: oneOf(WAITS_FOR),
    holders: Nullable(
      Type.Array(Type.String({ format: "uuid" }), {
        description: "Some of the runs that go, of `max_concurrent_runs`.",
      }),
    ),
    until: Nullable(
      Type.String({
        format: "date-time",
        description:
          "When the next run of its key may begin, of `rate_limit`; when the window closes if no further event comes.",
      }),
    ),
  },
  { title: "WaitsFor" },
);
export type WaitsFor = Static<typeof WaitsFor>;

export const WaitingView = Type.Object(
  {
    id: Type.String({ format: "uuid", description: "Of the run, or of the window. A list goes on behind it." }),
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    key: Nullable(Type.String({ description: "As JSON, what it is counted under; null where its flow has no key." })),
    since: Time,
    run_id: Nullable(
      Type.String({ format: "uuid", description: "Null of a window, whose run is made when it closes." }),
    ),
    events: Nullable(Type.Integer({ description: "How many a window has gathered; null of a run." })),
    waits_for: Nullable(WaitsFor, { description: "Null of a run that is just about to begin." }),
  },
  { title: "Waiting" },
);
export type WaitingView = Static<typeof WaitingView>;

/** postgres/explain/waiting-reader.ts is behind it. */
export interface WaitingReader {
  /** Oldest first. */
  listWaiting(filter: { activity_id?: string }, page: Page): Promise<WaitingView[]>;
}
