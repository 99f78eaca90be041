/** A task type that is added to the table is known wherever tasks are: nothing else has to be told of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Ajv } from "ajv";
import { renderSchemas } from "../../deploy/build/schemas.ts";
import { loadConfig } from "../../src/kernel/config.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createReadiness } from "../../src/kernel/readiness.ts";
import { openConnections } from "../../src/roles/connections.ts";
import { ROLE_NEEDS } from "../../src/roles/role.ts";
import { startWorker } from "../../src/roles/worker.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { TASK_TYPES } from "../../src/task/types.ts";
import { createRunStarter } from "../../src/temporal/run-starter.ts";
import { createTestApi, definitionOf, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { echoTask } from "../support/echo-task/echo-task.ts";
import { ENGINES_TIMEOUT_MS, eventually, useEngines } from "../support/engines.ts";
import { readTasks } from "../support/ledger.ts";
import { installTestRuntime } from "../support/workflow.ts";

const taskTypes = { ...TASK_TYPES, echo: echoTask };
const echo = (params: object) => ({ ...definitionOf("echo"), task_templates: [{ key: "say", type: "echo", params }] });

let database: TestDatabase;
let api: TestApi;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database, [], taskTypes);
}, ENGINES_TIMEOUT_MS);
afterAll(() => database?.close());

test("definitions with it are checked by its schema and by its own rules", async () => {
  const faultsOf = async (params: object) =>
    pathsOf(await api.post("/activity-definitions", echo(params)), 400, "invalid_definition");
  expect(await faultsOf({ text: "a", other: 1 })).toEqual(["/task_templates/0/params/other"]);
  expect(await faultsOf({ text: "?" })).toEqual(["/task_templates/0/params/text"]);
  const unknown = { ...echo({}), task_templates: [{ key: "a", type: "nothing", params: {} }] };
  const { body } = await api.post("/activity-definitions", unknown);
  expect(body.errors[0].message).toBe(`expected one of ${Object.keys(taskTypes).join(", ")}, received "nothing"`);
});

test("the API's documents and the published schemas have it", async () => {
  const { body } = await api.get("/openapi.json");
  expect(JSON.stringify(body.paths["/activity-definitions"].post.requestBody)).toContain("ActivityDefinitionInput");
  expect(JSON.stringify(body.components.schemas.ActivityDefinitionInput)).toContain("EchoTask");
  expect((await api.get("/schemas/definition-file.schema.json")).body).toEqual(
    JSON.parse(renderSchemas(taskTypes)["definition-file.schema.json"] as string),
  );
  const schemas = renderSchemas(taskTypes);
  for (const name of ["definition-input.json", "definition-file.schema.json"]) {
    const { $schema: _, ...schema } = JSON.parse(schemas[name] as string);
    const validate = new Ajv({ strict: false, allErrors: true }).compile(schema);
    expect([validate(echo({ text: "a" })), validate(echo({ other: 1 }))]).toEqual([true, false]);
  }
});

test("a worker does it", async () => {
  installTestRuntime();
  const log = createLog("silent");
  const temporalNamespace = `test-${crypto.randomUUID().slice(0, 8)}`;
  const config = loadConfig({ roles: "worker", temporalNamespace, skipScheduleSync: "true" }, {});
  const readiness = createReadiness({ worker: ROLE_NEEDS.worker });
  const stopping = new AbortController();
  const endpoints = Promise.resolve({ ...(await useEngines()), dbUrl: database.url });
  const metrics = createMetrics();
  const connections = openConnections({ config, endpoints, readiness, metrics, log, signal: stopping.signal });
  const worker = startWorker({
    config,
    secrets: createSecrets({ values: {} }),
    connections,
    endpoints,
    taskTypes,
    readiness,
    metrics,
    log,
  });
  try {
    await eventually("the worker is ready", () => readiness.report().status === "ready", 30_000);
    const { body: definition } = await api.post("/activity-definitions", echo({ text: "ho", times: 2 }));
    const { body: run } = await api.post(`/activity-definitions/${definition.id}/trigger`);
    for (const owed of api.started) await createRunStarter(await connections.temporal()).start(owed);
    const closed = await eventually("the run is closed", async () => {
      const { body } = await api.get(`/runs/${run.run_id}`);
      return body.status !== "running" && body;
    });
    expect(closed).toMatchObject({ status: "succeeded" });
    const tasks = await readTasks(database, { run_id: run.run_id });
    expect(tasks).toMatchObject([{ type: "echo", status: "succeeded", result: { said: "hoho" } }]);
  } finally {
    await worker.drain(AbortSignal.timeout(10_000));
    stopping.abort(new Error("the test is over"));
    await connections.close();
  }
}, 60_000);
