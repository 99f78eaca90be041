/** Carries schedule plans out. Touches only schedules with our id prefix and memo (I6). */
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
import { GRPC, hasCode } from "./grpc.ts";
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
    const found = await ifThere(() => call(() => service.describeSchedule({ namespace, scheduleId: schedule_id })));
    if (found === undefined) return undefined;
    if (!isOurs(found.memo))
      throw new TerminalError(
        "schedule_foreign",
        `schedule ${schedule_id} was not made by actcore, so it is left alone`,
        {
          hint: "Delete it in Temporal; actcore then makes its own",
        },
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

  async function describeOurs(schedule_id: string): Promise<StandingSchedule> {
    const standing = await describe(schedule_id);
    if (standing === undefined) throw conflict(schedule_id);
    return standing;
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
      return describeOurs(schedule_id);
    },

    async update(plan, paused, before) {
      const { schedule_id } = plan;
      const { conflictToken, updatedAt, notes } = before.mark as Mark;
      const changed = paused ? NOTES.paused : NOTES.unpaused;
      const updated = await ifThere(() =>
        call(() =>
          service.updateSchedule({
            namespace,
            identity,
            requestId: crypto.randomUUID(),
            scheduleId: schedule_id,
            schedule: encodeSchedule(plan, { paused, notes: paused === before.paused ? notes : changed }),
            searchAttributes: encodeSearchAttributes(plan),
            conflictToken: conflictToken ?? null,
          }),
        ),
      );
      if (updated === undefined) throw conflict(schedule_id);
      metrics.scheduleChanges.inc({ change: "update" });
      const after = await describeOurs(schedule_id);
      // An update that is late by its token is dropped without a word.
      if ((after.mark as Mark).updatedAt === updatedAt) throw conflict(schedule_id);
      return after;
    },

    async setPaused({ schedule_id }, paused) {
      const patch = paused ? { pause: NOTES.paused } : { unpause: NOTES.unpaused };
      const requestId = crypto.randomUUID();
      const patched = await ifThere(() =>
        call(() => service.patchSchedule({ namespace, identity, requestId, scheduleId: schedule_id, patch })),
      );
      if (patched === undefined) throw conflict(schedule_id);
      metrics.scheduleChanges.inc({ change: paused ? "pause" : "unpause" });
      const after = await describeOurs(schedule_id);
      if (after.paused !== paused) throw conflict(schedule_id);
      return after;
    },

    async remove(schedule_id) {
      if ((await describe(schedule_id)) === undefined) return false;
      const removed = await ifThere(() =>
        call(() => service.deleteSchedule({ namespace, identity, scheduleId: schedule_id })),
      );
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

/** Undefined: Temporal knows no such schedule. */
async function ifThere<T>(request: () => Promise<T>): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    if (error instanceof RetryableError && hasCode(error.cause, GRPC.notFound)) return undefined;
    throw error;
  }
}

function translate(error: unknown): TerminalError | RetryableError {
  if (!isRefusal(error)) {
    if (hasCode(error, GRPC.alreadyExists))
      return new RetryableError("schedule_conflict", `Temporal: ${describeError(error)}`, { cause: error });
    return unavailable(error);
  }
  const reason = describeError(error);
  if (hasCode(error, GRPC.invalidArgument) && /search attribute/i.test(reason))
    return new RetryableError("search_attribute_unknown", `Temporal: ${reason}`, { cause: error });
  if (hasCode(error, GRPC.failedPrecondition) && /conflict token/i.test(reason))
    return new RetryableError("schedule_conflict", `Temporal: ${reason}`, { cause: error });
  return new TerminalError("schedule_refused", `Temporal refuses the schedule: ${reason}`, { cause: error });
}

/** The server's no to this schedule, or the client's, which cannot even encode it. */
function isRefusal(error: unknown): boolean {
  if (isGrpcServiceError(error)) return hasCode(error, ...REFUSALS);
  return error instanceof Error && ["ValueError", "TypeError", "RangeError"].includes(error.name);
}
