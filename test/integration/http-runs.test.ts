/** Runs that are triggered, repeated and cancelled over REST. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createRunLedger } from "../../src/postgres/run/run-ledger.ts";
import { createTestApi, definitionPath, pathsOf, type TestApi } from "../support/api.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS } from "../support/engines.ts";
import { claim, claimedRun, envelopeOf } from "../support/ledger.ts";

const missing = crypto.randomUUID();
let database: TestDatabase;
let api: TestApi;
beforeAll(async () => {
  database = await createTestDatabase();
  api = createTestApi(database);
}, ENGINES_TIMEOUT_MS);
beforeEach(() => {
  api.away.temporal = false;
});
afterAll(() => database?.close());

describe("a trigger", () => {
  test("is accepted with the run that it made, and started", async () => {
    const made = await api.createDefinition();
    const answer = await api.post(`${definitionPath(made.id)}/trigger/`, { payload: { n: 1 } });
    const { run_id, workflow_id } = answer.body;
    expect(answer).toMatchObject({ status: 202, body: { run_id, workflow_id } });
    expect(answer.headers.get("location")).toBe(`/runs/${run_id}`);
    expect(api.started).toContainEqual(expect.objectContaining({ workflow_id, trigger_event: { run_id } }));
    expect((await api.get(`/runs/${run_id}`)).body).toMatchObject({ trigger: "manual", status: "running" });
    const [audited] = (await api.get(`/audit?subject=run:${run_id}`)).body;
    expect(audited).toMatchObject({ actor: "anonymous", action: "trigger" });
  });

  test.each<[what: string, init: RequestInit]>([
    ["no body", {}],
    ["an empty body", { body: "", headers: { "content-type": "application/json" } }],
    ["an empty object", { body: "{}" }],
  ])("may have %s", async (_, init) => {
    const made = await api.createDefinition();
    const { status, body } = await api.ask("POST", `${definitionPath(made.id)}/trigger`, init);
    expect(status).toBe(202);
    expect((await api.get(`/events/manual:${body.run_id}`)).body).toMatchObject({ payload: {} });
  });

  test("with an Idempotency-Key that was used is the same run", async () => {
    const path = `${definitionPath((await api.createDefinition()).id)}/trigger`;
    const [first, second, third] = [
      await api.post(path, { payload: 1 }, { "idempotency-key": "k" }),
      await api.post(path, { payload: 2 }, { "idempotency-key": "k" }),
      await api.post(path, { payload: 1 }),
    ];
    expect(second).toMatchObject({ status: 202, body: first.body });
    expect(third.body.run_id).not.toBe(first.body.run_id);
  });

  test("is accepted while Temporal is away", async () => {
    const made = await api.createDefinition();
    api.away.temporal = true;
    const { status, body } = await api.post(`${definitionPath(made.id)}/trigger`, {});
    expect([status, (await api.get(`/runs/${body.run_id}`)).status]).toEqual([202, 200]);
    expect(api.started.map(({ workflow_id }) => workflow_id)).not.toContain(body.workflow_id);
  });

  test.each<[what: string, body: unknown, headers: Record<string, string>, paths: string[]]>([
    ["an unknown key", { load: 1 }, {}, ["/load"]],
    ["no object", [], {}, ["/"]],
    ["an empty Idempotency-Key", {}, { "idempotency-key": "" }, ["Idempotency-Key"]],
    ["a long Idempotency-Key", {}, { "idempotency-key": "k".repeat(201) }, ["Idempotency-Key"]],
  ])("with %s is refused", async (_, body, headers, paths) => {
    const made = await api.createDefinition();
    const answer = await api.post(`${definitionPath(made.id)}/trigger`, body, headers);
    expect(pathsOf(answer, 400, "invalid_trigger")).toEqual(paths);
  });

  test("of what is deleted, or was never there, is refused", async () => {
    const made = await api.createDefinition();
    await api.ask("DELETE", definitionPath(made.id));
    for (const id of [made.id, missing])
      pathsOf(await api.post(`${definitionPath(id)}/trigger`, {}), 404, "definition_not_found");
  });
});

describe("a rerun", () => {
  test("is accepted with a run of its own, which names the old one", async () => {
    const { definition } = await claimedRun(database);
    const old = await claim(database, definition.id, envelopeOf(`e-${crypto.randomUUID()}`));
    const answer = await api.post(`/runs/${old.run_id}/rerun`);
    expect(answer.status).toBe(202);
    expect(answer.headers.get("location")).toBe(`/runs/${answer.body.run_id}`);
    expect((await api.get(`/runs/${answer.body.run_id}`)).body).toMatchObject({
      trigger: "rerun",
      rerun_of: old.run_id,
    });
    expect((await api.get(`/runs?trigger=rerun&activity_id=${definition.id}`)).body).toHaveLength(1);
  });

  test("from what failed needs a run that is over and did not succeed", async () => {
    const { run_id } = await claimedRun(database);
    const path = `/runs/${run_id}/rerun`;
    pathsOf(await api.post(path, { from: "failed" }), 409, "run_not_over");
    const runs = createRunLedger(database.db);
    await runs.close({ run_id, failures: [], interruption: { status: "failed", message: "it was late" } });
    const answer = await api.post(path, { from: "failed", version: "same" });
    expect(answer.status).toBe(202);
    expect((await api.get(`/runs/${answer.body.run_id}`)).body).toMatchObject({ rerun_from: "failed" });
    const other = await claimedRun(database);
    await runs.close({ run_id: other.run_id, failures: [] });
    pathsOf(await api.post(`/runs/${other.run_id}/rerun`, { from: "failed" }), 409, "nothing_to_repeat");
  });

  test("whose body says something else is refused by its paths", async () => {
    const answer = await api.post(`/runs/${missing}/rerun`, { from: "middle", version: 3, tasks: [] });
    expect(pathsOf(answer, 400, "invalid_rerun").sort()).toEqual(["/from", "/tasks", "/version"]);
  });

  test("of which the input was swept is refused", async () => {
    const { definition } = await claimedRun(database);
    const event_id = `e-${crypto.randomUUID()}`;
    const old = await claim(database, definition.id, envelopeOf(event_id));
    await database.sql`delete from actcore.events where event_id = ${event_id}`;
    pathsOf(await api.post(`/runs/${old.run_id}/rerun`), 409, "input_not_kept");
  });

  test("of what is not there is refused", async () => {
    pathsOf(await api.post(`/runs/${missing}/rerun`), 404, "not_found");
    pathsOf(await api.post("/runs/x/rerun"), 400, "invalid_path");
  });
});

describe("a cancel", () => {
  const trigger = async () => (await api.post(`${definitionPath((await api.createDefinition()).id)}/trigger`, {})).body;
  const statusOf = async (run_id: string) => (await api.get(`/runs/${run_id}`)).body.status;

  test("asks the workflow to end, which closes the run", async () => {
    const { run_id, workflow_id } = await trigger();
    const answer = await api.post(`/runs/${run_id}/cancel`);
    expect(answer).toMatchObject({ status: 202, body: { run_id } });
    expect(api.cancelled).toContain(workflow_id);
    expect(await statusOf(run_id)).toBe("running");
    expect((await api.get(`/audit?subject=run:${run_id}`)).body[0]).toMatchObject({ action: "cancel" });
  });

  test("of a run without a workflow closes it at once", async () => {
    const { run_id } = await claimedRun(database);
    expect(await api.post(`/runs/${run_id}/cancel`)).toMatchObject({ status: 202 });
    expect(await statusOf(run_id)).toBe("cancelled");
  });

  test("of a run that has ended is refused", async () => {
    const { run_id } = await claimedRun(database);
    await createRunLedger(database.db).close({ run_id, failures: [] });
    pathsOf(await api.post(`/runs/${run_id}/cancel`), 409, "run_not_running");
    expect(await statusOf(run_id)).toBe("succeeded");
  });

  test("waits with its sender while Temporal is away", async () => {
    const { run_id } = await trigger();
    api.away.temporal = true;
    pathsOf(await api.post(`/runs/${run_id}/cancel`), 503, "temporal_unavailable");
  });

  test("of what is not there is refused", async () => {
    pathsOf(await api.post(`/runs/${missing}/cancel`), 404, "not_found");
  });
});
