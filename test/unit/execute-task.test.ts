/** One try of one task: what it is recorded as, by how it ended. */
import { describe, expect, test } from "bun:test";
import { asyncLocalStorage, type Context } from "@temporalio/activity";
import { DefaultFailureConverter, defaultPayloadConverter } from "@temporalio/common";
import { createTaskSteps } from "../../src/activities/execute-task.ts";
import { createTries } from "../../src/activities/tries.ts";
import { RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import type { Executor, TaskAttempt, TaskLedger } from "../../src/task/task.ts";

const TASK_ID = crypto.randomUUID();
const TASK = {
  ...{ task_id: TASK_ID, key: "k", type: "log", params: {}, attempt: 2, timeout_ms: 20, trace_id: "trace" },
  input: { run: { run_id: "r", activity_name: "a" }, event: null },
} as unknown as TaskAttempt;

/** Does the task once; answers what the ledger was told, how the step failed, and whether a stop cut it. */
async function execute(
  executor: Executor | undefined,
  {
    signal = new AbortController().signal,
    isOver = false,
    away = 0,
    taskId = TASK_ID as unknown,
    task = TASK,
    secrets = createSecrets({ values: {} }),
  } = {},
) {
  const recorded: unknown[] = [];
  let cuts = 0;
  let isAway = away;
  const record = (status: string) => async (id: string, attempt: number, what: unknown) => {
    if (isAway-- > 0) throw new RetryableError("postgres_unavailable", "away");
    recorded.push([status, id, attempt, what]);
  };
  const tasks = {
    begin: async () => (isOver ? undefined : task),
    succeed: record("succeeded"),
    retry: record("retrying"),
    fail: record("failed"),
  } as unknown as TaskLedger;
  const { executeTask } = createTaskSteps({
    tasks,
    tries: createTries({
      tasks,
      executors: executor === undefined ? {} : { log: executor },
      secrets,
      metrics: createMetrics(),
      log: createLog("silent"),
    }),
    onCut: () => cuts++,
  });
  const context = { cancellationSignal: signal, heartbeat: () => {} } as unknown as Context;
  const thrown = await asyncLocalStorage.run(context, () =>
    executeTask(taskId as string).then(
      () => undefined,
      (error) => error,
    ),
  );
  const { type, message, nonRetryable } = thrown ?? {};
  const failure = thrown && { type, message, nonRetryable: nonRetryable === true };
  return { recorded, failure, thrown, cuts };
}

/** An executor that ends with `error` as soon as its time is over or it is stopped. */
const endingWith =
  (error: (reason: unknown) => unknown): Executor =>
  (_, { signal }) =>
    new Promise((_, reject) => {
      const end = () => reject(error(signal.reason));
      if (signal.aborted) end();
      else signal.addEventListener("abort", end);
    });

const stopped = AbortSignal.abort(new Error("WORKER_SHUTDOWN"));

describe("a try of a task", () => {
  test.each([[null], [7], ["x"], [[TASK_ID]]])("of %j, which is no id, fails for good", async (taskId) => {
    const { recorded, failure } = await execute(async () => 1, { taskId });
    expect([recorded, failure]).toMatchObject([[], { type: "task_not_found", nonRetryable: true }]);
  });

  test("that ends well is recorded with its result", async () => {
    expect(await execute(async () => ({ status: 200 }))).toMatchObject({
      recorded: [["succeeded", TASK_ID, 2, { status: 200 }]],
      failure: undefined,
      cuts: 0,
    });
  });

  test("of a task that is over already does nothing", async () => {
    const { recorded, failure } = await execute(() => expect.unreachable("it was done again"), { isOver: true });
    expect([recorded, failure]).toEqual([[], undefined]);
  });

  test("whose result cannot be recorded at once is not made again: the record waits for the ledger", async () => {
    let tries = 0;
    const { recorded } = await execute(async () => ++tries, { away: 1 });
    expect([tries, recorded]).toEqual([1, [["succeeded", TASK_ID, 2, 1]]]);
  });

  test("that fails for good is recorded as failed, with what the outside said", async () => {
    const error = new TerminalError("http_status", "answered 404", { details: { status: 404 } });
    const { recorded, failure } = await execute(() => Promise.reject(error));
    expect(recorded).toEqual([
      ["failed", TASK_ID, 2, { code: "http_status", message: "answered 404", details: { status: 404 } }],
    ]);
    expect(failure).toEqual({ type: "http_status", message: "answered 404", nonRetryable: true });
  });

  test("that may succeed later is recorded as to be tried again", async () => {
    const { recorded, failure } = await execute(() =>
      Promise.reject(new RetryableError("http_status", "answered 503")),
    );
    expect(recorded).toEqual([["retrying", TASK_ID, 2, { code: "http_status", message: "answered 503" }]]);
    expect(failure).toMatchObject({ type: "http_status", nonRetryable: false });
  });

  test("that fails in a way that nobody knows is recorded with the error's name, and may be tried again", async () => {
    const { recorded } = await execute(() => Promise.reject(new RangeError("a bug")));
    expect(recorded).toEqual([["retrying", TASK_ID, 2, { code: "RangeError", message: "a bug" }]]);
    expect((await execute(() => Promise.reject("text"))).recorded).toEqual([
      ["retrying", TASK_ID, 2, { code: "error", message: "text" }],
    ]);
  });

  test("of a type that this worker does not know fails for good", async () => {
    const { recorded } = await execute(undefined);
    expect(recorded).toMatchObject([["failed", TASK_ID, 2, { code: "task_type_unknown" }]]);
  });

  test("that takes longer than its timeout may be tried again", async () => {
    const { recorded } = await execute(endingWith((reason) => reason));
    expect(recorded).toMatchObject([
      ["retrying", TASK_ID, 2, { code: "task_timeout", message: expect.stringContaining("no end within 20 ms") }],
    ]);
  });

  test("says what it had learnt before its time was over, where that is an error of its own", async () => {
    const learnt = new TerminalError("response_too_large", "the response is too large");
    const { recorded } = await execute(endingWith(() => learnt));
    expect(recorded).toEqual([
      ["failed", TASK_ID, 2, { code: "response_too_large", message: "the response is too large" }],
    ]);
  });

  test("that a stop of the worker cuts says so, and the worker hears of it", async () => {
    const { recorded, cuts } = await execute(
      endingWith((reason) => reason),
      { signal: stopped },
    );
    expect(recorded).toMatchObject([["retrying", TASK_ID, 2, { code: "worker_stopped" }]]);
    expect(cuts).toBe(1);
  });

  test("that had failed for good before the stop is not cut by it", async () => {
    const { recorded, cuts } = await execute(
      endingWith(() => new TerminalError("no", "no")),
      { signal: stopped },
    );
    expect(recorded).toMatchObject([["failed", TASK_ID, 2, { code: "no" }]]);
    expect(cuts).toBe(0);
  });

  test("that is cancelled otherwise is no timeout", async () => {
    const signal = AbortSignal.abort(new Error("cancelled"));
    const { recorded } = await execute(
      endingWith((reason) => reason),
      { signal },
    );
    expect(recorded).toMatchObject([["retrying", TASK_ID, 2, { code: "Error", message: "cancelled" }]]);
  });
});

describe("a task that uses secrets", () => {
  const TOKEN = "sk-live/0123+456789=";
  const params = {
    url: "https://mail.local/send",
    headers: { authorization: "Bearer {{ secret.TOKEN }}", "x-payload": "{{ secret.OTHER }}" },
    body: ["{{ secret.TOKEN + event.payload.id }}"],
  };
  const sources = {
    "/headers/authorization": { text: "Bearer {{ secret.TOKEN }}", values: {} },
    "/body/0": {
      text: "{{ secret.TOKEN + event.payload.id }}",
      values: { event: { payload: { id: "-{{ secret.OTHER }}" } } },
    },
  };
  const task = { ...TASK, params, sources } as TaskAttempt;
  const secrets = () => createSecrets({ values: { TOKEN, OTHER: "never-asked-for" } });

  test("gives them to its executor, and leaves what is stored and what an event says as they are", async () => {
    let given: unknown;
    const executor: Executor = async (attempt) => {
      given = attempt.params;
    };
    await execute(executor, { task, secrets: secrets() });
    expect(given).toEqual({
      url: "https://mail.local/send",
      headers: { authorization: `Bearer ${TOKEN}`, "x-payload": "{{ secret.OTHER }}" },
      body: [`${TOKEN}-{{ secret.OTHER }}`],
    });
    expect(task.params).toBe(params);
    expect(JSON.stringify(task)).not.toContain(TOKEN);
  });

  test("is recorded without them, however its receiver gives them back", async () => {
    const echo = [TOKEN, btoa(`user:${TOKEN}`), encodeURIComponent(TOKEN), { [TOKEN]: 1 }];
    const { recorded } = await execute(async () => echo, { task, secrets: secrets() });
    expect(recorded).toEqual([["succeeded", TASK_ID, 2, ["***", "dXNlcj***", "***", { "***": 1 }]]]);
  });

  test("fails without them, in the ledger and in the engine's history", async () => {
    const error = new TerminalError("http_status", `answered ${TOKEN}`, {
      details: { response: { body: TOKEN } },
      cause: new Error(`sent ${encodeURIComponent(TOKEN)}`),
    });
    const { recorded, thrown } = await execute(() => Promise.reject(error), { task, secrets: secrets() });
    expect(recorded).toEqual([
      [
        "failed",
        TASK_ID,
        2,
        { code: "http_status", message: "answered ***: sent ***", details: { response: { body: "***" } } },
      ],
    ]);
    const history = JSON.stringify(new DefaultFailureConverter().errorToFailure(thrown, defaultPayloadConverter));
    expect(history).toContain("answered ***");
    expect(history).not.toContain("0123");
  });

  test("fails for good, with the place and what to do, when one is missing; and is not done", async () => {
    const executor: Executor = () => expect.unreachable("it was done without its secret");
    const { recorded } = await execute(executor, { task, secrets: createSecrets({ values: { TOKEM: "x" } }) });
    expect(recorded).toEqual([
      [
        ...["failed", TASK_ID, 2],
        {
          code: "secret_missing",
          message:
            'params/headers/authorization: there is no secret "TOKEN": looked for the variable ACTCORE_SECRET_TOKEN. Did you mean TOKEM? Name the directory of the secrets\' files by ACTCORE_SECRETS_DIR, or set the variable',
        },
      ],
    ]);
  });
});
