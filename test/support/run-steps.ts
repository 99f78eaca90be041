/** The steps of runs on the real ledger, whose http tasks do what each test says. */
import { drizzle } from "drizzle-orm/postgres-js";
import { createRunSteps } from "../../src/activities/run-steps.ts";
import { createTries } from "../../src/activities/tries.ts";
import { createActivityCache } from "../../src/definition/activity.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createClaims } from "../../src/occurrence/claim.ts";
import type { Database } from "../../src/postgres/client.ts";
import { createOccurrenceLedger } from "../../src/postgres/occurrence/occurrence-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTaskLedger } from "../../src/postgres/run/task-ledger.ts";
import type { RunLedger } from "../../src/run/ledger.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { createParamsCheck } from "../../src/task/params-check.ts";
import type { Executor } from "../../src/task/task.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import type { TestDatabase } from "./database.ts";
import { TASK_RULES } from "./own-engines.ts";

export interface TestStepsOptions {
  runs?: Partial<RunLedger>;
  /** What a try of an http task does; without it, it succeeds. */
  execute?: Executor;
  stop?: AbortSignal;
  /** Sees each statement that is sent. */
  onStatement?: (text: string) => void;
}

export function createTestSteps(
  database: TestDatabase,
  { runs = {}, execute = async () => "done", stop = new AbortController().signal, onStatement }: TestStepsOptions = {},
) {
  const [metrics, log] = [createMetrics(), createLog("silent")];
  const db = onStatement ? watched(database, onStatement) : database.db;
  const tasks = createTaskLedger(db);
  const secrets = createSecrets({ values: {} });
  return createRunSteps({
    claims: createClaims({ ledger: createOccurrenceLedger(db), activities: createActivityCache() }),
    runs: { ...createRunLedger(db), ...runs },
    tries: createTries({ tasks, executors: { log: async () => "logged", http: execute }, secrets, metrics, log }),
    ...{ tasks, types: TASK_TYPES, stop, metrics, log, onCut: () => {} },
    ...{ checkParams: createParamsCheck(TASK_RULES), secrets },
  });
}

function watched({ sql }: TestDatabase, onStatement: (text: string) => void): Database {
  const unsafe: typeof sql.unsafe = (text, parameters) => {
    onStatement(text);
    return sql.unsafe(text, parameters);
  };
  return drizzle(new Proxy(sql, { get: (target, name) => (name === "unsafe" ? unsafe : Reflect.get(target, name)) }));
}
