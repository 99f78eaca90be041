/** An activity in an explanation: as it is now, and as it was at the time that is asked about. */
import { type Static, Type } from "@sinclair/typebox";
import type { DefinitionBody } from "../definition/schema.ts";
import { Nullable } from "../json/schema-parts.ts";

const Time = Type.String({ format: "date-time" });

const VersionView = Type.Object(
  {
    version: Type.Integer(),
    written_at: Time,
    enabled: Type.Boolean(),
    trigger_type: Type.String(),
    event_type: Nullable(Type.String({ description: "The type or pattern of the events that it waits for." })),
  },
  { title: "ExplainedVersion" },
);
type VersionView = Static<typeof VersionView>;

export const ExplainedActivity = Type.Object(
  {
    activity_id: Type.String({ format: "uuid" }),
    activity_name: Type.String(),
    retired_at: Nullable(Time, { description: "Since when its document is gone." }),
    deleted_at: Nullable(Time),
    current: Nullable(VersionView, { description: "Null: it is deleted." }),
    in_force: Nullable(VersionView, {
      description: "The version that counted then. Null: there was none yet, or it was deleted.",
    }),
  },
  { title: "ExplainedActivity" },
);
export type ExplainedActivity = Static<typeof ExplainedActivity>;

/** A version of a definition as it was written: it counts from then on. */
export interface Version {
  version: number;
  written_at: Date;
  body: Pick<DefinitionBody, "name" | "enabled" | "trigger_config"> & Partial<DefinitionBody>;
}

/** A definition, and what it said in the course of time. */
export interface ActivityHistory {
  activity_id: string;
  activity_name: string;
  created_at: Date;
  retired_at: Date | null;
  deleted_at: Date | null;
  /** In order: some around the time that is asked about, and the current one. The deletion of a definition is none. */
  versions: readonly Version[];
}

/** The version that counted at `time`, by when it was written; undefined before the first one, and after a deletion. */
export function versionAt({ versions, deleted_at }: ActivityHistory, time: Date): Version | undefined {
  if (deleted_at !== null && deleted_at <= time) return undefined;
  return versions.findLast(({ written_at }) => written_at <= time);
}

/**
 * The versions that may have decided about an event that was recorded at `time`: the one in force, and the one before it, which the
 * router may have known still. The likelier one first.
 */
export function candidatesAt({ versions }: ActivityHistory, time: Date): Version[] {
  return versions
    .filter(({ written_at }) => written_at <= time)
    .slice(-2)
    .reverse();
}

/** The version that counts now; undefined where the definition is deleted. */
export function currentVersion({ versions, deleted_at }: ActivityHistory): Version | undefined {
  return deleted_at === null ? versions.at(-1) : undefined;
}

export function viewActivity(history: ActivityHistory, time: Date): ExplainedActivity {
  const { activity_id, activity_name, retired_at, deleted_at } = history;
  return {
    activity_id,
    activity_name,
    retired_at: retired_at?.toISOString() ?? null,
    deleted_at: deleted_at?.toISOString() ?? null,
    current: viewVersion(currentVersion(history)),
    in_force: viewVersion(versionAt(history, time)),
  };
}

function viewVersion(version: Version | undefined): VersionView | null {
  if (version === undefined) return null;
  const { enabled, trigger_config } = version.body;
  return {
    version: version.version,
    written_at: version.written_at.toISOString(),
    enabled,
    trigger_type: trigger_config.trigger_type,
    event_type: trigger_config.trigger_type === "event" ? trigger_config.event_type : null,
  };
}

/** What a version waits for, as a sentence has it. */
export function describeTrigger({ body: { trigger_config: trigger } }: Version): string {
  if (trigger.trigger_type === "event") return `waits for events of the type ${trigger.event_type}`;
  return `runs at due times (${trigger.trigger_type}), and waits for no events`;
}
