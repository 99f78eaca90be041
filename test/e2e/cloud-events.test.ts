/** CloudEvents by the SDK of another language, over both doors and in every mode: each arrives as it was sent. */
import { beforeAll, describe, expect, test } from "bun:test";
import { callClient, findPythonFault, PYTHON_TIMEOUT_MS, preparePython } from "../support/python.ts";
import { readEndpoints, type Server } from "../support/server.ts";
import { define, finishedRuns, useServer } from "../support/shared-server.ts";

const fault = findPythonFault();
if (fault !== undefined) console.warn(`the test with the SDK of CloudEvents is skipped: ${fault}`);

describe.skipIf(fault !== undefined)("CloudEvents of the Python SDK", () => {
  let server: Server;
  let python: string;
  beforeAll(async () => {
    [server, python] = await Promise.all([useServer(), preparePython()]);
  }, PYTHON_TIMEOUT_MS);

  test("arrive over HTTP and NATS with their attributes and data, and start runs that read both", async () => {
    const { id, type } = await define(server, {
      task_templates: [
        { key: "note", type: "log", params: { message: "{{ event.attributes.tenant }}: {{ json(event.payload) }}" } },
      ],
    });
    const args = [`http://${server.flags.apiAddr}`, readEndpoints(server).natsUrl, type];
    const answers = JSON.parse(await callClient(python, "cloud_events.py", ...args));
    for (const mode of ["structured", "binary", "bytes"])
      expect(answers[mode]).toEqual({ status: 202, body: { event_id: `${type}-${mode}`, duplicate: false } });
    const items = [0, 1].map((n) => ({ event_id: `${type}-batch-${n}`, status: 202, duplicate: false }));
    expect(answers.batch).toEqual({ status: 202, body: items });

    const runs = await finishedRuns(server, id, 8);
    expect(runs.map(({ status }) => status)).toEqual(Array(8).fill("succeeded"));
    const payloads: Record<string, unknown> = {
      ...{ structured: { n: 1 }, binary: { n: 2 }, bytes: { content_type: "image/png", base64: "AP8=" } },
      ...{ "batch-0": { n: 0 }, "batch-1": { n: 1 } },
      ...{ "nats-structured": { n: 3 }, "nats-bare": { n: 4 }, "nats-binary": { n: 5 } },
    };
    for (const [sent, payload] of Object.entries(payloads)) {
      const { body } = await server.api(`/events/${type}-${sent}`);
      expect(body).toMatchObject({ outcome: "dispatched", type, source: "/python", payload });
      const datacontenttype = sent === "bytes" ? "image/png" : "application/json";
      expect(body.attributes).toEqual({ datacontenttype, tenant: "blü 100%" });
    }
  });
});
