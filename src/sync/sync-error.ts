/** Why a part of a sync did not happen: one subject, which stopped no other. */
import { type Static, Type } from "@sinclair/typebox";

const STAGES = ["definitions", "event_types", "schedules"] as const;
export type Stage = (typeof STAGES)[number];

export const SyncError = Type.Object({
  stage: Type.Union(STAGES.map((stage) => Type.Literal(stage))),
  subject: Type.String({ description: "A file and its line, a tree, a definition, or an engine." }),
  message: Type.String(),
});
export type SyncError = Static<typeof SyncError>;
