/** The REST API over a test's database, asked through the application itself; NATS and Temporal are fakes. */
import { expect } from "bun:test";
import { createAuthenticator } from "../../src/access/authenticate.ts";
import { createContextResolver } from "../../src/context/resolver.ts";
import type { ReaderDeps } from "../../src/context/source-type.ts";
import { createCheckedPublisher } from "../../src/dispatch/checked-publisher.ts";
import { readTree } from "../../src/document/tree.ts";
import type { BatchPublisher, EventEnvelope } from "../../src/event/envelope.ts";
import { createHookReceiver } from "../../src/hook/receiver.ts";
import { createApp } from "../../src/http/app.ts";
import type { Services } from "../../src/http/services.ts";
import { type ActcoreError, RetryableError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createReadiness } from "../../src/kernel/readiness.ts";
import { createRunControl } from "../../src/occurrence/control.ts";
import { createStartRuns } from "../../src/occurrence/start-runs.ts";
import { createTaskControl } from "../../src/occurrence/task-control.ts";
import { createAuditReader } from "../../src/postgres/access/audit.ts";
import { createKeyStore } from "../../src/postgres/access/key-store.ts";
import { createDefinitionStore } from "../../src/postgres/definition/definition-store.ts";
import { createEventContentReader } from "../../src/postgres/event/event-contents.ts";
import { createEventLedger } from "../../src/postgres/event/event-ledger.ts";
import { createEnforcedTypeReader, createEventTypeReader } from "../../src/postgres/event/event-types.ts";
import { createExpectationReader } from "../../src/postgres/expectation/expectation-reader.ts";
import { createDueTimeReader } from "../../src/postgres/explain/due-time-reader.ts";
import { createExplainReader } from "../../src/postgres/explain/explain-reader.ts";
import { createLedgerReader } from "../../src/postgres/explain/ledger-reader.ts";
import { createSkippedReader } from "../../src/postgres/explain/skipped-reader.ts";
import { createUnmatchedReader } from "../../src/postgres/explain/unmatched-reader.ts";
import { createWaitingReader } from "../../src/postgres/explain/waiting-reader.ts";
import { createHookReader } from "../../src/postgres/hook/hook-reader.ts";
import { createHookStore } from "../../src/postgres/hook/hook-store.ts";
import { createAcceptanceLedger } from "../../src/postgres/occurrence/acceptance-ledger.ts";
import { createTaskRequestLedger } from "../../src/postgres/occurrence/task-requests.ts";
import { createHistoryReader } from "../../src/postgres/rehearsal/history-reader.ts";
import { createLetterLedger } from "../../src/postgres/replay/letter-ledger.ts";
import { createReplayLedger } from "../../src/postgres/replay/replay-ledger.ts";
import { createHumanLedger } from "../../src/postgres/run/human-ledger.ts";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createSyncStore } from "../../src/postgres/sync/sync-store.ts";
import { createDryRuns } from "../../src/rehearsal/dry-run.ts";
import { createWhatIf } from "../../src/rehearsal/what-if.ts";
import { createActivityReplays } from "../../src/replay/activity-replay.ts";
import { createEventReplays } from "../../src/replay/event-replay.ts";
import { createLetterDesk } from "../../src/replay/letter-desk.ts";
import { createLetterReader } from "../../src/replay/letter-reader.ts";
import type { OwedRun, RunCanceller, RunStarter, RunWorkflow } from "../../src/run/engine.ts";
import { createHumanDesk } from "../../src/run/human-desk.ts";
import { createSyncService } from "../../src/sync/service.ts";
import { createParamsCheck } from "../../src/task/params-check.ts";
import type { TaskTypes } from "../../src/task/task-type.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { readerDeps } from "./context.ts";
import type { TestDatabase } from "./database.ts";
import { TASK_RULES } from "./own-engines.ts";
import { NO_SCHEDULES } from "./trees.ts";

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API answers
  body: any;
}

const JSON_TYPE = { "content-type": "application/json" };

const DAY_MS = 86_400_000;
const RETENTION = {
  ...{ eventRetentionMs: 30 * DAY_MS, runRetentionMs: 90 * DAY_MS },
  ...{ keyRetentionMs: 400 * DAY_MS, auditRetentionMs: 400 * DAY_MS },
};

export type TestApi = ReturnType<typeof createTestApi>;

/** What REST makes a definition of. */
export const definitionOf = (name: string) => ({ name, trigger_config: { trigger_type: "event", event_type: "x" } });

export const definitionPath = (id: string) => `/activity-definitions/${id}`;

/** `directories` are those of its definition files, `types` those of its tasks, `readers` what its context sources read. */
export function createTestApi(
  database: TestDatabase,
  directories: readonly string[] = [],
  types: TaskTypes = TASK_TYPES,
  readers: ReaderDeps = readerDeps(),
) {
  const { db } = database;
  const log = createLog("silent");
  const readiness = createReadiness({ api: ["postgres", "nats"] });
  const published: EventEnvelope[] = [];
  /** Workflows that were started, and of those the ones that were asked to end; and the tasks that those were asked to cut. */
  const started: OwedRun[] = [];
  const cancelled: string[] = [];
  /** Tasks whose workflows were told to look at the ledger. */
  const called: string[] = [];
  const away = { nats: false, temporal: false };
  const temporalAway = () => new RetryableError("temporal_unavailable", "Temporal: away");

  const tell = (workflow: RunWorkflow, what: string) => {
    if (away.temporal) throw temporalAway();
    const isThere = started.some(({ workflow_id }) => workflow_id === workflow.workflow_id);
    if (isThere) cancelled.push(what);
    return isThere;
  };
  const starter: RunStarter & RunCanceller = {
    async start(run) {
      if (away.temporal) throw temporalAway();
      const isNew = started.every(({ workflow_id }) => workflow_id !== run.workflow_id);
      if (isNew) started.push(run);
      return run.workflow_id;
    },
    cancel: async (workflow) => tell(workflow, workflow.workflow_id),
    cancelTask: async (workflow, taskId) => tell(workflow, taskId),
  };

  const ledger = createLedgerReader(db);
  const keys = createKeyStore(db);
  const definitions = createDefinitionStore(db);
  const doorLedger = { ...createEnforcedTypeReader(db), ...createEventContentReader(db) };
  const history = createHistoryReader(db);
  const checkParams = createParamsCheck({ ...TASK_RULES, types });
  async function publish(envelope: EventEnvelope): Promise<void> {
    if (away.nats) throw new RetryableError("nats_unavailable", "NATS: away");
    published.push(envelope);
  }
  const publisher: BatchPublisher = {
    publish,
    publishAll: (envelopes) =>
      Promise.all(
        envelopes.map((envelope) =>
          publish(envelope).then(
            () => undefined,
            (error) => error as ActcoreError,
          ),
        ),
      ),
  };
  const events = createEventLedger(db);
  const replayLedger = createReplayLedger(db);
  const startRuns = createStartRuns(starter, log);
  const services: Services = {
    letterDesk: createLetterDesk({
      letters: createLetterLedger(db),
      readLetter: createLetterReader(createHookReader(db)),
      events,
      startRuns,
      log,
    }),
    replays: {
      event: createEventReplays({ ledger: replayLedger, history, events, startRuns }),
      activity: createActivityReplays({ ledger: replayLedger, history, definitions, startRuns }),
    },
    dryRuns: createDryRuns({
      resolver: createContextResolver(readers),
      secrets: readers.secrets,
      checkParams,
      history,
    }),
    whatIf: createWhatIf({ history, checkParams }),
    humans: createHumanDesk({
      humans: createHumanLedger(db, log),
      caller: {
        async lookAgain(taskId) {
          if (away.temporal) throw temporalAway();
          return called.push(taskId) > 0;
        },
      },
      log,
    }),
    definitions,
    expectations: createExpectationReader(db),
    eventTypes: createEventTypeReader(db),
    hooks: createHookStore(db),
    ledger,
    dueTimes: createDueTimeReader(db),
    skippedDueTimes: createSkippedReader(db),
    waiting: createWaitingReader(db),
    explanations: createExplainReader(db),
    unmatched: createUnmatchedReader(db),
    retention: RETENTION,
    get schedules(): never {
      throw temporalAway();
    },
    get queues(): never {
      throw temporalAway();
    },
    keys,
    audit: createAuditReader(db),
    sync: createSyncService({
      directories,
      readTree: (directory) => readTree(directory, { ...TASK_RULES, types }, 0),
      store: createSyncStore(database),
      schedules: async () => {
        if (away.temporal) throw temporalAway();
        return NO_SCHEDULES;
      },
      onEnd: () => {},
      log,
    }),
    rules: { ...TASK_RULES, types },
    readiness,
    events: createCheckedPublisher(publisher, () => doorLedger),
    hookReceiver: createHookReceiver({
      hooks: createHookReader(db),
      secrets: readers.secrets,
      publisher,
      letters: createEventLedger(db),
      metrics: createMetrics(),
      log,
    }),
    taskControl: createTaskControl({ requests: createTaskRequestLedger(db), engine: starter, log }),
    control: createRunControl({
      accepted: createAcceptanceLedger(db),
      reader: ledger,
      definitions,
      runs: createRunLedger(db),
      starter,
      log,
    }),
  };
  const hosts = { loopback: true, hosts: [] };
  const authenticator = createAuthenticator({ keys: () => keys, keyless: "until_first_key", log });
  const app = createApp(services, { ...authenticator, hosts, closed: () => undefined }, log, types);

  async function ask(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const response = await app.handle(new Request(`http://localhost${path}`, { method, ...init }));
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  }

  /** With `body` as it is when it is text, else as JSON. */
  function send(method: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return ask(method, path, {
      headers: { ...JSON_TYPE, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  /** What `field` is in each row, over all pages of the list. */
  async function listAll(path: string, field: string): Promise<unknown[]> {
    const values: unknown[] = [];
    for (let next: string | undefined = path; next !== undefined; ) {
      const { status, body, headers }: Answer = await ask("GET", next);
      expect(status).toBe(200);
      values.push(...body.map((row: Record<string, unknown>) => row[field]));
      next = /^<(.*)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
    }
    return values;
  }

  return {
    services,
    readiness,
    published,
    started,
    cancelled,
    called,
    away,
    ask,
    send,
    get: (path: string) => ask("GET", path),
    listAll,
    post: (path: string, body: unknown = "", headers?: Record<string, string>) => send("POST", path, body, headers),
    /** A definition that REST made, as it was answered. */
    async createDefinition() {
      return (await send("POST", "/activity-definitions", definitionOf(`d-${crypto.randomUUID()}`))).body;
    },
  };
}

/** Asserts problem+json with this status and code; answers its faults' paths. */
export function pathsOf({ status, headers, body }: Answer, expected: number, code: string): string[] {
  expect([status, headers.get("content-type"), body.status, body.code]).toEqual([
    expected,
    "application/problem+json",
    expected,
    code,
  ]);
  return body.errors.map(({ path }: { path: string }) => path);
}
