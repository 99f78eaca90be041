/** Why a part of a sync did not happen: one subject, which stopped no other. */
import { type Static, Type } from "@sinclair/typebox";
import { oneOf } from "../json/schema-parts.ts";
import { DOCUMENT_STAGES } from "./document-row.ts";

const STAGES = [...DOCUMENT_STAGES, "schedules"] as const;
export type Stage = (typeof STAGES)[number];

export const SyncError = Type.Object({
  stage: oneOf(STAGES),
  subject: Type.String({ description: "A file and its line, a tree, a definition, or an engine." }),
  message: Type.String(),
});
export type SyncError = Static<typeof SyncError>;
