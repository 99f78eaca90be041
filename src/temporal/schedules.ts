/** Makes, changes and removes schedules as their plans say. It touches only schedules with our id prefix and memo (I6). */
import { isGrpcServiceError } from "@temporalio/client";
import { defaultPayloadConverter } from "@temporalio/common";
import type { temporal } from "@temporalio/proto";
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import type { Metrics } from "../kernel/metrics.ts";
import { sleep } from "../kernel/wait.ts";
import type { StandingSchedule } from "../schedule/drift.ts";
import { type SchedulePlan, scheduleId } from "../schedule/plan.ts";
import type { Scheduler } from "../schedule/projector.ts";
import type { ListedSchedule, ScheduleLister } from "../schedule/schedule-sync.ts";
import { type Temporal, unavailable } from "./connection.ts";
import { GRPC, hasCode, ignoring } from "./grpc.ts";
import { encodeSchedule, encodeSearchAttributes, hashSchedule, isListedAs } from "./schedule-message.ts";

type IMemo = temporal.api.common.v1.IMemo;

const MEMO_KEY = "actcore";
const ID_PREFIX = scheduleId("");
const CALL_DEADLINE_MS = 10_000;
const PAGE = 1000;
/** A new search attribute is listed at once, and accepted by every frontend only seconds later. */
const ACCEPTED_WITHIN_MS = 10_000;
const ASK_AGAIN_MS = 200;

const NOTES = { paused: "disabled in actcore", unpaused: "enabled in actcore" } as const;

const REFUSALS = [GRPC.invalidArgument, GRPC.failedPrecondition, GRPC.outOfRange];

/** What an update has to know of the schedule that it changes. */
interface Mark {
  conflictToken: Uint8Array | null | undefined;
  /** Moves with every update. */
  updatedAt: string;
  notes: string;
}

export function createScheduler(
  { client, connection }: Temporal,
  metrics: Pick<Metrics, "scheduleChanges">,
): Scheduler & ScheduleLister {
  const { identity, namespace } = client.options;
  const service = connection.workflowService;

  async function call<T>(request: () => Promise<T>): Promise<T> {
    const deadline = Date.now() + ACCEPTED_WITHIN_MS;
    for (;;) {
      try {
        return await connection.withDeadline(Date.now() + CALL_DEADLINE_MS, request);
      } catch (error) {
        const translated = translate(error);
        if (translated.code !== "search_attribute_unknown" || Date.now() > deadline) throw translated;
        await sleep(ASK_AGAIN_MS);
      }
    }
  }

  async function describe(schedule_id: string): Promise<StandingSchedule | undefined> {
    const request = { namespace, scheduleId: schedule_id };
    const found = await call(() => service.describeSchedule(request)).catch(ignoring(GRPC.notFound));
    if (found === undefined) return undefined;
    if (!isOurs(found.memo))
      throw new TerminalError(
        "schedule_foreign",
        `schedule ${schedule_id} was not made by actcore, so it is left alone`,
        { hint: "Delete it in Temporal; actcore then makes its own" },
      );
    const { schedule, info, conflictToken } = found;
    const mark: Mark = {
      conflictToken,
      updatedAt: JSON.stringify(info?.updateTime ?? null),
      notes: schedule?.state?.notes ?? "",
    };
    return {
      schedule_id,
      paused: schedule?.state?.paused === true,
      engine_hash: hashSchedule(schedule ?? {}),
      mark,
    };
  }

  /** Makes a change and answers the schedule as it is then; `wasMade` tells of a change that was dropped without a word. */
  async function change(
    schedule_id: string,
    name: string,
    request: () => Promise<unknown>,
    wasMade: (after: StandingSchedule) => boolean,
  ): Promise<StandingSchedule> {
    const changed = await call(request).catch(ignoring(GRPC.notFound));
    if (changed === undefined) throw conflict(schedule_id);
    metrics.scheduleChanges.inc({ change: name });
    const after = await describe(schedule_id);
    if (after === undefined || !wasMade(after)) throw conflict(schedule_id);
    return after;
  }

  return {
    describe,

    async create(plan) {
      const { schedule_id, paused } = plan;
      await call(() =>
        service.createSchedule({
          namespace,
          identity,
          requestId: crypto.randomUUID(),
          scheduleId: schedule_id,
          schedule: encodeSchedule(plan, { paused, notes: paused ? NOTES.paused : "" }),
          memo: { fields: { [MEMO_KEY]: defaultPayloadConverter.toPayload(true) } },
          searchAttributes: encodeSearchAttributes(plan),
        }),
      );
      metrics.scheduleChanges.inc({ change: "create" });
      const made = await describe(schedule_id);
      if (made === undefined) throw conflict(schedule_id);
      return made;
    },

    async update(plan, paused, before) {
      const { schedule_id } = plan;
      const { conflictToken, updatedAt, notes } = before.mark as Mark;
      const changed = paused ? NOTES.paused : NOTES.unpaused;
      const request = () =>
        service.updateSchedule({
          namespace,
          identity,
          requestId: crypto.randomUUID(),
          scheduleId: schedule_id,
          schedule: encodeSchedule(plan, { paused, notes: paused === before.paused ? notes : changed }),
          searchAttributes: encodeSearchAttributes(plan),
          conflictToken: conflictToken ?? null,
        });
      // An update that is late by its token is dropped.
      return change(schedule_id, "update", request, ({ mark }) => (mark as Mark).updatedAt !== updatedAt);
    },

    async setPaused({ schedule_id }, paused) {
      const patch = paused ? { pause: NOTES.paused } : { unpause: NOTES.unpaused };
      const requestId = crypto.randomUUID();
      const request = () => service.patchSchedule({ namespace, identity, requestId, scheduleId: schedule_id, patch });
      return change(schedule_id, paused ? "pause" : "unpause", request, (after) => after.paused === paused);
    },

    async remove(schedule_id) {
      if ((await describe(schedule_id)) === undefined) return false;
      const request = { namespace, identity, scheduleId: schedule_id };
      const removed = await call(() => service.deleteSchedule(request)).catch(ignoring(GRPC.notFound));
      if (removed !== undefined) metrics.scheduleChanges.inc({ change: "delete" });
      return removed !== undefined;
    },

    async list() {
      const ours: ListedSchedule[] = [];
      let nextPageToken: Uint8Array | null | undefined;
      do {
        const token = nextPageToken;
        const page = await call(() =>
          service.listSchedules({ namespace, maximumPageSize: PAGE, ...(token && { nextPageToken: token }) }),
        );
        for (const { scheduleId: schedule_id, memo, info } of page.schedules ?? []) {
          if (!schedule_id?.startsWith(ID_PREFIX) || !isOurs(memo)) continue;
          const looksLike = (plan: SchedulePlan) => isListedAs(info?.spec ?? {}, plan);
          ours.push({ schedule_id, paused: info?.paused === true, looksLike });
        }
        nextPageToken = page.nextPageToken;
      } while (nextPageToken && nextPageToken.length > 0);
      return ours;
    },
  };
}

function isOurs(memo: IMemo | null | undefined): boolean {
  const payload = memo?.fields?.[MEMO_KEY];
  if (payload === undefined) return false;
  try {
    return defaultPayloadConverter.fromPayload(payload) === true;
  } catch {
    return false;
  }
}

function conflict(schedule_id: string): RetryableError {
  return new RetryableError("schedule_conflict", `schedule ${schedule_id} was changed by somebody at the same time`);
}

function translate(error: unknown): TerminalError | RetryableError {
  const reason = describeError(error);
  const retryable = (code: string) => new RetryableError(code, `Temporal: ${reason}`, { cause: error });
  if (hasCode(error, GRPC.alreadyExists)) return retryable("schedule_conflict");
  if (!isRefusal(error)) return unavailable(error);
  if (hasCode(error, GRPC.invalidArgument) && /search attribute/i.test(reason))
    return retryable("search_attribute_unknown");
  if (hasCode(error, GRPC.failedPrecondition) && /conflict token/i.test(reason)) return retryable("schedule_conflict");
  return new TerminalError("schedule_refused", `Temporal refuses the schedule: ${reason}`, { cause: error });
}

/** Whether the server refused this schedule, or the client could not encode it. */
function isRefusal(error: unknown): boolean {
  if (isGrpcServiceError(error)) return hasCode(error, ...REFUSALS);
  return error instanceof Error && ["ValueError", "TypeError", "RangeError"].includes(error.name);
}
