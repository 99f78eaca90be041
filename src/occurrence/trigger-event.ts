/** What asks for an occurrence, as the door through which it comes makes it. It is judged (judge.ts), then claimed. */
import type { Filter } from "../definition/activity.ts";
import type { EventEnvelope } from "../event/envelope.ts";
import type { RunTrigger } from "../run/run.ts";
import type { OccurrenceKind } from "./occurrence.ts";

export interface TriggerEvent {
  kind: OccurrenceKind;
  /** Names the occurrence among those of its activity and kind. */
  key: string;
  /** What the run says it was started by. */
  trigger: RunTrigger;
  /** The run that was accepted for it: its occurrence and its row stand already. */
  run_id?: string;
  /** The event that the run is about. */
  event_id?: string;
  /** An event that somebody brings along, to be stored with the claim. */
  inline?: EventEnvelope;
  /**
   * Why filters refuse the event; undefined where all hold. The router sets it, because its event names no activity. Whoever
   * names the activity is not asked what its filters say.
   */
  findRefusal?: (filters: readonly Filter[]) => string | undefined;
  /** When the engine's schedule says that it was due: such a start may come too late. */
  due?: Date;
}
