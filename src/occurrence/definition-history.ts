/** What a definition said in the course of time (I3): its versions as they were written, compiled into segments. Pure. */
import { compileCalendar } from "../calendar/calendar.ts";
import type { ScheduleTrigger } from "../calendar/trigger.ts";
import type { Segment } from "./due-facts.ts";

/** A version of a definition as it is stored, as far as its due times need it. */
export interface WrittenVersion {
  version: number;
  /** RFC 3339. */
  created_at: string;
  enabled: boolean;
  trigger: ScheduleTrigger | { trigger_type: "event" };
  /** Whether it has `max_concurrent_runs`. */
  is_counted?: boolean;
}

export interface DefinitionHistory {
  /** When the history begins, in RFC 3339: the first version was in force then. */
  since: string;
  /** In order. */
  versions: readonly WrittenVersion[];
}

/** The segments until `until`. A version counts from when it was written until the next one was. */
export function segmentsOf({ since, versions }: DefinitionHistory, until: Date): Segment[] {
  return versions.map(({ trigger, created_at, enabled, is_counted = false }, index) => {
    const next = versions[index + 1];
    return {
      from: new Date(index === 0 ? since : created_at),
      until: next === undefined || new Date(next.created_at) > until ? until : new Date(next.created_at),
      calendar: trigger.trigger_type === "event" ? undefined : compileCalendar(trigger),
      enabled,
      ...(is_counted && { isCounted: true }),
    };
  });
}
