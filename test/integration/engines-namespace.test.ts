/** Namespace and search attributes on a real Temporal. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client, Connection } from "@temporalio/client";
import { ensureNamespace } from "../../src/temporal/namespace.ts";
import { ENGINES_TIMEOUT_MS, useEngines } from "../support/engines.ts";

const signal = new AbortController().signal;
const namespace = `test-${crypto.randomUUID().slice(0, 8)}`;
let connection: Connection;

beforeAll(async () => {
  const { temporalHost } = await useEngines();
  connection = await Connection.connect({ address: temporalHost });
}, ENGINES_TIMEOUT_MS);
afterAll(() => connection?.close());

describe("a namespace", () => {
  test(
    "is registered once by several at the same time, and takes both search attributes at once",
    async () => {
      await Promise.all([1, 2, 3].map(() => ensureNamespace(connection, namespace, { signal })));
      const client = new Client({ connection, namespace });
      const handle = await client.workflow.start("Nothing", {
        taskQueue: "nobody",
        workflowId: crypto.randomUUID(),
        searchAttributes: { ActivityId: ["id"], ActivityName: ["name"] },
      });
      await handle.terminate();
      const { config } = await connection.workflowService.describeNamespace({ namespace });
      expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(7 * 24 * 3600);
    },
    ENGINES_TIMEOUT_MS,
  );

  test("that is there is left as it is", async () => {
    const read = async () =>
      JSON.parse(JSON.stringify(await connection.workflowService.describeNamespace({ namespace })));
    const before = await read();
    await ensureNamespace(connection, namespace, { signal });
    expect(await read()).toEqual(before);
  });
});

test("the wait for a Temporal that is away ends with the signal", async () => {
  const away = Connection.lazy({ address: "127.0.0.1:1" });
  const abort = new AbortController();
  const waiting = ensureNamespace(away, namespace, { signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 100);
  await expect(waiting).rejects.toThrow("enough");
  await waiting.catch(() => {});
  await away.close();
});

test("the wait for a Temporal that is away ends with its deadline", async () => {
  const away = Connection.lazy({ address: "127.0.0.1:1" });
  const waiting = ensureNamespace(away, namespace, { signal, withinMs: 200 });
  await waiting.catch(() => {});
  await expect(waiting).rejects.toMatchObject({ code: "temporal_unavailable" });
  await away.close();
});
