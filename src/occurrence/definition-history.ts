/** What a definition said in the course of time (I3): its versions as they were written, compiled into segments. Pure. */
import { type Calendar, compileCalendar } from "../calendar/calendar.ts";
import type { ScheduleTrigger } from "../calendar/trigger.ts";
import { createRecentlyUsed } from "../kernel/recently-used.ts";
import type { Segment } from "./due-facts.ts";

/** A version of a definition as it is stored, as far as its due times need it. */
export interface WrittenVersion {
  version: number;
  /** RFC 3339. */
  created_at: string;
  enabled: boolean;
  trigger: ScheduleTrigger | { trigger_type: "event" };
}

export interface DefinitionHistory {
  /** When the history begins, in RFC 3339: the first version was in force then. */
  since: string;
  /** In order. */
  versions: readonly WrittenVersion[];
}

/** The calendar of a version; undefined for one that waits for events. */
export type CompileVersion = (version: WrittenVersion) => Calendar | undefined;

/** The segments until `until`. A version counts from when it was written until the next one was. */
export function segmentsOf(
  { since, versions }: DefinitionHistory,
  until: Date,
  compile: CompileVersion = compileVersion,
): Segment[] {
  return versions.map((version, index) => {
    const next = versions[index + 1];
    return {
      from: new Date(index === 0 ? since : version.created_at),
      until: next === undefined || new Date(next.created_at) > until ? until : new Date(next.created_at),
      calendar: compile(version),
      enabled: version.enabled,
    };
  });
}

/** Compiles each version of each definition once, and keeps the calendars that were used last. */
export function createCalendarCache(max = 4_000): (definitionId: string) => CompileVersion {
  const kept = createRecentlyUsed<{ calendar: Calendar | undefined }>(max);
  return (definitionId) => (written) => {
    const key = `${definitionId} ${written.version}`;
    return (kept.get(key) ?? kept.put(key, { calendar: compileVersion(written) })).calendar;
  };
}

function compileVersion({ trigger }: WrittenVersion): Calendar | undefined {
  return trigger.trigger_type === "event" ? undefined : compileCalendar(trigger);
}
