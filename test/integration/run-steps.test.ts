/** The steps of a run on the real ledger: claim, decide and quick tasks in one, and what a crash in between leaves. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTaskLedger } from "../../src/postgres/run/task-ledger.ts";
import type { RunLedger } from "../../src/run/ledger.ts";
import type { Claim, ClaimRequest } from "../../src/run/run.ts";
import type { Executor } from "../../src/task/task.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { BY_TEST, bodyOf, logTask, readTasks, recordEvent } from "../support/ledger.ts";
import { createTestSteps, type TestStepsOptions } from "../support/run-steps.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

const steps = (options: TestStepsOptions = {}) => createTestSteps(database, options);

const quickTask = (key: string, max_attempts = 5) => ({
  ...{ key, type: "http", timeout: "5s", params: { url: "http://127.0.0.1:1/" } },
  retry: { max_attempts, initial_interval: "2s" },
});
const longTask = (key: string) => ({ key, type: "http", params: { url: "http://127.0.0.1:1/" } });

async function newRequest(...task_templates: object[]) {
  const body = bodyOf(`d-${crypto.randomUUID()}`, { task_templates });
  const { id } = await createDefinitionStore(database.db).create(body, "rest", BY_TEST);
  const workflow_id = crypto.randomUUID();
  return { activity_id: id, trigger_event: {}, workflow_id, first_execution_run_id: workflow_id };
}

const tasksOf = ({ activity_id }: { activity_id: string }) => readTasks(database, { activity_id });
const runIdOf = (claim: Claim) => claim.run_id;
const failsForNow = (retryAfterMs?: number) => () =>
  Promise.reject(new RetryableError("http_status", "answered 503", { ...(retryAfterMs && { retryAfterMs }) }));

describe("once a worker knows the definition, a run with a log task takes three statements, and reads no definition:", () => {
  test.each<[what: string, start: (n: number) => object]>([
    ["a due time", (n) => ({ scheduled_for: new Date(Date.now() - 3000 + n * 1000).toISOString() })],
    ["an event", (n) => ({ trigger_event: { event_id: `e-${n}` } })],
  ])("%s", async (_, start) => {
    const trigger_config = { trigger_type: "interval", every: "1s" };
    const body = bodyOf(`d-${crypto.randomUUID()}`, { trigger_config, task_templates: [logTask("a")] });
    const definition = await createDefinitionStore(database.db).create(body, "rest", BY_TEST);
    await database.sql`update actcore.definition_versions set created_at = now() - interval '1 minute'
      where definition_id = ${definition.id}`;
    const sent: string[] = [];
    const { claimRun } = steps({ onStatement: (text) => sent.push(text) });
    for (const n of [1, 2]) {
      await recordEvent(database, definition, `e-${n}`);
      sent.length = 0;
      const workflow_id = crypto.randomUUID();
      const claim = await claimRun({
        ...{ activity_id: definition.id, trigger_event: {}, workflow_id, first_execution_run_id: workflow_id },
        ...start(n),
      });
      expect(claim).toMatchObject({ outcome: "claimed", closed: { status: "succeeded" } });
    }
    expect(sent).toHaveLength(3);
  });
});

test("a claim of a run whose tasks are not all quick is answered with the tasks, and again with the same ones", async () => {
  const request = await newRequest(logTask("a"), longTask("b"));
  const claim = await steps({ execute: () => expect.unreachable("it was tried") }).claimRun(request);
  expect(claim).toMatchObject({ outcome: "claimed", steps: [{ max_attempts: 5 }, {}] });
  expect(await steps().claimRun(request)).toMatchObject({ steps: [{}, {}] });
  expect(await tasksOf(request)).toMatchObject([{ attempts: 0 }, { attempts: 0 }]);
});

describe("a claim of a run whose quick tasks wait for each other", () => {
  const after = (task: object, ...depends_on: string[]) => ({ ...task, depends_on });

  test("does one wave after the other, with the results of the one before, and closes the run", async () => {
    const second = after({ ...quickTask("b"), when: "tasks.a.result == 1" }, "a");
    const request = await newRequest(quickTask("a"), second, after(logTask("c"), "b"));
    let tries = 0;
    const seen: string[] = [];
    const execute: Executor = async ({ key }) => {
      const begun = (await tasksOf(request)).filter(({ attempts }) => attempts > 0).map((task) => task.key);
      seen.push(`${key} while ${begun.join(" and ")} had begun`);
      return ++tries;
    };
    const claim = await steps({ execute }).claimRun(request);
    expect(claim).toMatchObject({ outcome: "claimed", closed: { run_id: runIdOf(claim), status: "succeeded" } });
    expect(seen).toEqual(["a while a had begun", "b while a and b had begun"]);
    expect(await steps({ execute }).claimRun(request)).toMatchObject({ outcome: "claimed" });
    expect(tries).toBe(2);
  });

  test("does what waits for a failure, and fails the run", async () => {
    const mend = { ...after(logTask("mend"), "a"), run_when: "any_failed" };
    const request = await newRequest(quickTask("a", 1), mend, after(logTask("b"), "a"));
    const claim = await steps({ execute: failsForNow() }).claimRun(request);
    expect(claim).toMatchObject({ closed: { status: "failed", reason: "task_failed" } });
    expect((await tasksOf(request)).map(({ key, status }) => [key, status])).toEqual([
      ["a", "failed"],
      ["b", "skipped"],
      ["mend", "succeeded"],
    ]);
  });

  test("hands on what failed for now, to be tried when the receiver asks for it, and what waits for that", async () => {
    const request = await newRequest(quickTask("a"), after(logTask("b"), "a"));
    const claim = await steps({ execute: failsForNow(7000) }).claimRun(request);
    expect(claim).toMatchObject({ groups: [{ key: "a", task_ids: [], steps: [{ delay_ms: 7000, max_attempts: 4 }] }] });
    expect(claim).not.toHaveProperty("closed");
    expect(await tasksOf(request)).toMatchObject([
      { status: "retrying", attempts: 1 },
      { status: "pending", attempts: 0 },
    ]);
  });

  test("hands on a wave that is not quick, and what is left when the worker stops", async () => {
    const request = await newRequest(logTask("a"), after(longTask("b"), "a"));
    expect(await steps().claimRun(request)).toMatchObject({ groups: [{ key: "b", task_ids: [expect.any(String)] }] });
    const stopped = await newRequest(logTask("a"), after(logTask("b"), "a"));
    const claim = await steps({ stop: AbortSignal.abort() }).claimRun(stopped);
    expect(claim).toMatchObject({ groups: [{ key: "a", leads_on: true }] });
  });
});

describe("a claim of a run whose tasks are quick", () => {
  test("does them and closes the run; the same claim again does nothing more", async () => {
    const request = await newRequest(logTask("a"), quickTask("b"));
    let tries = 0;
    const execute = async () => ++tries;
    const claim = await steps({ execute }).claimRun(request);
    expect(claim).toMatchObject({ outcome: "claimed", closed: { run_id: runIdOf(claim), status: "succeeded" } });
    expect(await tasksOf(request)).toMatchObject([
      { status: "succeeded", attempts: 1, result: "logged", started_at: expect.any(String) },
      { status: "succeeded", attempts: 1, result: 1 },
    ]);
    expect(await steps({ execute }).claimRun(request)).toEqual(claim);
    expect(tries).toBe(1);
  });

  test("records a task as begun before it is tried (I8), and tries it with the event of its run", async () => {
    const request = await newRequest(quickTask("a"));
    let seen: unknown;
    await steps({
      async execute({ task_id, attempt, idempotency_key, input }) {
        const [row] = await tasksOf(request);
        seen = [row, { task_id, attempt, idempotency_key, event: input.event?.type }];
      },
    }).claimRun(request);
    const [{ task_id, idempotency_key } = expect.unreachable("there is a task")] = await tasksOf(request);
    expect(seen).toMatchObject([
      { task_id, status: "running", attempts: 1 },
      { task_id, idempotency_key, attempt: 1, event: "actcore.foreign" },
    ]);
  });

  test("closes a run without tasks", async () => {
    expect(await steps().claimRun(await newRequest())).toMatchObject({ closed: { status: "succeeded" } });
  });

  test("hands on what failed for now: one try less, after the first wait, the next one grown", async () => {
    const request = await newRequest(logTask("a"), quickTask("b"));
    const claim = await steps({ execute: failsForNow() }).claimRun(request);
    const [a, b] = await tasksOf(request);
    expect([a, b]).toMatchObject([{ status: "succeeded" }, { status: "retrying", attempts: 1 }]);
    const left = { delay_ms: 2000, initial_interval_ms: 4000, max_attempts: 4 };
    expect(claim).toMatchObject({ steps: [{ task_id: b?.task_id, ...left }] });
    expect(claim).not.toHaveProperty("closed");
  });

  test("waits as long as the receiver asks for", async () => {
    const claim = await steps({ execute: failsForNow(7000) }).claimRun(await newRequest(quickTask("a")));
    expect(claim).toMatchObject({ steps: [{ delay_ms: 7000 }] });
  });

  test("fails the run when a task failed for good, or for now without a try left", async () => {
    const forGood = () => Promise.reject(new TerminalError("http_status", "answered 404"));
    for (const [execute, message] of [
      [forGood, "answered 404"],
      [failsForNow(), "answered 503"],
    ] as const) {
      const request = await newRequest(quickTask("a", 1));
      const { closed } = (await steps({ execute }).claimRun(request)) as Extract<Claim, { outcome: "claimed" }>;
      expect(closed).toMatchObject({ status: "failed", reason: "task_failed" });
      expect(await tasksOf(request)).toMatchObject([{ status: "failed", error: { code: "http_status", message } }]);
    }
  });

  test("hands on what there is no place for", async () => {
    const request = await newRequest(...Array.from({ length: 34 }, (_, n) => quickTask(`t${n}`)), logTask("log"));
    const claim = (await steps({ execute: failsForNow() }).claimRun(request)) as Extract<Claim, { outcome: "claimed" }>;
    expect(claim.steps?.filter(({ delay_ms }) => delay_ms === undefined)).toHaveLength(2);
    expect((await tasksOf(request)).filter(({ attempts }) => attempts === 0)).toHaveLength(2);
    expect((await tasksOf(request))[0]).toMatchObject({ key: "log", status: "succeeded" });
  });

  test("records what was done when the ledger is back, and does not do it again", async () => {
    let [tries, away] = [0, 2];
    const runs = createRunLedger(database.db);
    const close: RunLedger["close"] = async (request) => {
      if (away-- > 0) throw new RetryableError("postgres_unavailable", "away");
      return runs.close(request);
    };
    const claim = await steps({ runs: { close }, execute: async () => ++tries }).claimRun(
      await newRequest(quickTask("a")),
    );
    expect([tries, claim]).toMatchObject([1, { closed: { status: "succeeded" } }]);
  });

  test("records each end by itself where the ledger refuses them together", async () => {
    const runs = createRunLedger(database.db);
    const close: RunLedger["close"] = (request) =>
      request.outcomes?.length ? Promise.reject(new TerminalError("not_storable", "refused")) : runs.close(request);
    const request = await newRequest(quickTask("a"));
    expect(await steps({ runs: { close } }).claimRun(request)).toMatchObject({ closed: { status: "succeeded" } });
    expect(await tasksOf(request)).toMatchObject([{ status: "succeeded", result: "done" }]);
  });

  test("cut by a stop of the worker, records that and hands the task on", async () => {
    const stop = AbortSignal.abort(new Error("WORKER_SHUTDOWN"));
    const request = await newRequest(quickTask("a"));
    const execute: Executor = (_, { signal }) => Promise.reject(signal.reason);
    expect(await steps({ stop, execute }).claimRun(request)).toMatchObject({ steps: [{ max_attempts: 4 }] });
    expect(await tasksOf(request)).toMatchObject([{ status: "retrying", error: { code: "worker_stopped" } }]);
  });
});

describe("a claim that is made again after its worker was lost while a quick task ran", () => {
  /** Ends as the worker's crash does: the try has begun, and nobody hears of it again. */
  async function loseWorker(request: ClaimRequest) {
    const begun = Promise.withResolvers<void>();
    const execute = () => {
      begun.resolve();
      return new Promise<never>(() => {});
    };
    void steps({ execute }).claimRun(request);
    await begun.promise;
  }

  test("does not try the task, but hands it on with its try counted", async () => {
    const request = await newRequest(quickTask("a"));
    await loseWorker(request);
    const claim = await steps({ execute: () => expect.unreachable("it was tried again") }).claimRun(request);
    expect(claim).toMatchObject({ steps: [{ max_attempts: 4, delay_ms: 2000 }] });
  });

  test("fails the task as lost where it had one try only, and closes the run", async () => {
    const request = await newRequest(quickTask("a", 1));
    await loseWorker(request);
    expect(await steps().claimRun(request)).toMatchObject({ closed: { status: "failed" } });
    expect(await tasksOf(request)).toMatchObject([{ status: "failed", attempts: 1, error: { code: "worker_lost" } }]);
  });

  test("keeps the run open for the task that was handed on, when the lost worker comes back", async () => {
    const request = await newRequest(quickTask("a"));
    const back = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const late = steps({ execute: () => (begun.resolve(), back.promise) }).claimRun(request);
    await begun.promise;
    const [task] = await tasksOf(request);
    await createTaskLedger(database.db).begin(task?.task_id ?? "");
    back.resolve("too late");
    expect(await late.catch((error: unknown) => error)).toMatchObject({ type: "run_taken_over", nonRetryable: false });
    expect(await tasksOf(request)).toMatchObject([{ status: "running", attempts: 2, result: null }]);
  });
});

test("a claim that a crash of Postgres undid before its decision is made again", async () => {
  const request = await newRequest(logTask("a"));
  const forgetful = steps({
    runs: {
      async recordRound(runId, round) {
        await database.sql`delete from actcore.occurrences where run_id = ${runId}`;
        await database.sql`delete from actcore.runs where run_id = ${runId}`;
        return createRunLedger(database.db).recordRound(runId, round);
      },
    },
  });
  const error = await forgetful.claimRun(request).catch((error: unknown) => error);
  expect(error).toMatchObject({ type: "claim_undone", nonRetryable: false });
  expect(await steps().claimRun(request)).toMatchObject({ outcome: "claimed", closed: {} });
});

test("a claim that cannot be decided leaves that to a step of its own, which says why", async () => {
  const request = await newRequest(logTask("a"));
  const recordRound = () => Promise.reject(new TerminalError("not_storable", "Postgres refuses the data"));
  const broken = steps({ runs: { recordRound } });
  const claim = await broken.claimRun(request);
  expect(claim).toMatchObject({ outcome: "claimed" });
  expect(claim).not.toHaveProperty("steps");
});
