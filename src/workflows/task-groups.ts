/**
 * The tasks of a run, group by group: each group is one template's. Only so many are done at once, of a group and of the run.
 * When all tasks of a group are over that others depend on, the run decides on, and the groups that this releases begin.
 */
import type { TaskFailure, TaskGroup, TaskStep } from "../run/run.ts";

export interface GroupsOptions {
  /** Tasks of the run that are done at once. */
  maxParallel: number;
  /** Answers why the task failed; undefined when it did not. */
  execute(step: TaskStep): Promise<TaskFailure | undefined>;
  /** Answers all groups that have open tasks and may be done, those that have begun too. */
  decideOn(failures: TaskFailure[]): Promise<TaskGroup[]>;
  /** Whether the history is so long that the run should go on in another execution. */
  isFull(): boolean;
}

/** The failures that no round was told of; or that the run is to be continued, once what has begun is over. */
export async function doGroups(
  groups: readonly TaskGroup[],
  { maxParallel, execute, decideOn, isFull }: GroupsOptions,
): Promise<TaskFailure[] | "to_be_continued"> {
  const slots = createSlots(maxParallel);
  const begun = new Set<string>();
  const failures: TaskFailure[] = [];
  let isLeft = false;

  async function doGroup({
    key: _,
    task_ids,
    steps = [],
    max_parallel,
    leads_on,
    ...policy
  }: TaskGroup): Promise<void> {
    const own = createSlots(max_parallel ?? Number.POSITIVE_INFINITY);
    const all = [...steps, ...task_ids.map((task_id): TaskStep => ({ task_id, ...policy }))];
    const outcomes = await Promise.all(
      all.map((step) =>
        own.hold(() =>
          slots.hold(async () => {
            if (!isLeft && !isFull()) return execute(step);
            isLeft = true;
            return undefined;
          }),
        ),
      ),
    );
    const failed = outcomes.filter((failure) => failure !== undefined);
    // What is left is found by the next execution; what failed here only this one knows.
    if (isLeft && failed.length > 0) await decideOn(failed);
    if (isLeft) return;
    if (leads_on) await begin(await decideOn(failed));
    else failures.push(...failed);
  }

  async function begin(released: readonly TaskGroup[]): Promise<void> {
    const fresh = released.filter(({ key }) => !begun.has(key));
    for (const { key } of fresh) begun.add(key);
    await Promise.all(fresh.map(doGroup));
  }

  await begin(groups);
  return isLeft ? "to_be_continued" : failures;
}

/** Lets at most `max` bodies go on at once, in the order in which they came. */
function createSlots(max: number) {
  let free = max;
  const waiting: (() => void)[] = [];
  return {
    async hold<T>(body: () => Promise<T>): Promise<T> {
      if (free > 0) free--;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await body();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free++;
        else next();
      }
    },
  };
}
