/**
 * From the start of a workflow to its run: classify, judge, claim (I1).
 *
 * It is judged by what is kept of the definition, and the claim stores the verdict only where the definition still has that
 * version. Where it has another one, the claim answers that one, and it is judged again.
 */
import { firstPass } from "../calendar/due-times.ts";
import type { Activity, ActivityCache } from "../definition/activity.ts";
import { isGated } from "../definition/flow.ts";
import { RetryableError } from "../kernel/errors.ts";
import type { ClaimRequest } from "../run/run.ts";
import { classifyStart } from "./classify.ts";
import type { Segment } from "./due-facts.ts";
import { judge, type TriggerEvent, type Verdict } from "./judge.ts";
import { givesWayToRuns } from "./judge-due-time.ts";
import type { ClaimRecord, JudgedStart, OccurrenceLedger } from "./ledger.ts";
import { dueKey } from "./occurrence.ts";

type Held = Extract<ClaimRecord, { version_used: number }>;

/** As the ledger answers it, with the occurrence, and the activity of the version that the run uses. */
export type Claimed =
  | Extract<ClaimRecord, { outcome: "duplicate" }>
  | (Held & Pick<TriggerEvent, "kind" | "key"> & { activity: Activity });

export interface Claims {
  /** @throws what `classifyStart` and the ledger throw; RetryableError `definition_changing` */
  claim(request: ClaimRequest, now: Date): Promise<Claimed>;
}

/** One for a cache that knows nothing, and one for each change of the definition that comes in between. */
const MAX_JUDGEMENTS = 10;

export interface ClaimsDeps {
  ledger: OccurrenceLedger;
  activities: ActivityCache;
}

export function createClaims({ ledger, activities }: ClaimsDeps): Claims {
  /** What the definition said when it was due. Nothing has to be read where the current version was written before that. */
  async function findSegments(activity: Activity, due: Date, now: Date): Promise<Segment[]> {
    const { since, enabled, trigger } = activity;
    if (since >= due) return ledger.findSegments(activity.id, due, now);
    return [{ from: since, until: now, enabled, calendar: trigger.type === "event" ? undefined : trigger.calendar }];
  }

  async function judgeBy(activity: Activity, start: TriggerEvent, now: Date): Promise<JudgedStart> {
    const segments = start.due === undefined ? [] : await findSegments(activity, start.due, now);
    const event = nameDue(start, segments);
    const { due: _, ...accepted } = event;
    return {
      event,
      version: activity.version,
      refusal: refusalOf(judge(event, activity, { segments, now })),
      acceptedRefusal: refusalOf(judge(accepted, activity)),
      givesWay: givesWay(event, activity, segments),
      gates: isGated(activity.flow) ? activity.flow : undefined,
    };
  }

  async function findUsed(current: Activity, version: number): Promise<Activity> {
    if (version === current.version) return current;
    const known = activities.find(current.id, version);
    if (known !== undefined) return known;
    const row = await ledger.findVersion(current.id, version);
    if (row === undefined) throw new Error(`definition ${current.id} has no version ${version}`);
    return activities.keep(row);
  }

  return {
    async claim(request, now) {
      const start = classifyStart(request, now);
      const { activity_id } = request;
      const event = "kind" in start ? start : await ledger.findAccepted(activity_id, start.run_id);
      let activity = activities.find(activity_id);
      for (let judgements = 0; judgements < MAX_JUDGEMENTS; judgements++) {
        const judged = activity
          ? await judgeBy(activity, event, now)
          : { event, version: null, refusal: null, acceptedRefusal: null, givesWay: false };
        const claimed = await ledger.claim(request, judged);
        if (claimed.outcome === "duplicate") return claimed;
        if (claimed.outcome === "not_judged") activity = activities.keep(claimed.current);
        else if (activity) {
          const { kind, key } = judged.event;
          return { ...claimed, kind, key, activity: await findUsed(activity, claimed.version_used) };
        }
      }
      throw new RetryableError("definition_changing", `definition ${activity_id} changes again and again`);
    },
  };
}

/** A due time as its trigger names it: in a repeated hour the second pass is the same occurrence as the first one. */
function nameDue(event: TriggerEvent, [inForce]: readonly Segment[]): TriggerEvent {
  if (event.due === undefined || inForce?.calendar === undefined) return event;
  const due = firstPass(inForce.calendar, event.due);
  return { ...event, key: dueKey(due), trigger: inForce.calendar.trigger_type, due };
}

/** Where the definition says how many runs go at a time, that decides: the due time waits, or is skipped, as it says. */
function givesWay({ kind, trigger }: TriggerEvent, activity: Activity, [inForce]: readonly Segment[]): boolean {
  if (kind !== "due" || trigger === "backfill" || activity.flow?.maxConcurrent !== undefined) return false;
  const current = activity.trigger.type === "schedule" ? activity.trigger.calendar : undefined;
  return givesWayToRuns(inForce?.calendar ?? current);
}

function refusalOf(verdict: Verdict): string | null {
  return verdict.do === "skip" ? verdict.reason : null;
}
