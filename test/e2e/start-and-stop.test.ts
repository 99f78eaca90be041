/** Stops of a server amid its work, and what the next start makes of it; test/timing has the times that both may take. */
import { describe, expect, test } from "bun:test";
import { eventually } from "../support/engines.ts";
import { createDirectory, readStatus, removeDirectory, SERVER_TIMEOUT_MS, startServer } from "../support/server.ts";
import { define, finishedRuns, listTasks } from "../support/shared-server.ts";

describe("a whole server", () => {
  test(
    "ends with code 4 when a task does not end in time; the try is cut and counts: the next start tries again where one is left",
    async () => {
      const dataDir = createDirectory();
      let requests = 0;
      let answers = false;
      const receiver = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        idleTimeout: 0,
        fetch() {
          requests++;
          return answers ? new Response("done") : new Promise<Response>(() => {});
        },
      });
      const env = { ACTCORE_DRAIN_TIMEOUT_SECONDS: "4" };
      const template = (max_attempts: number) => ({
        task_templates: [
          { key: "long", type: "http", timeout: "1m", params: { url: receiver.url.href }, retry: { max_attempts } },
        ],
      });
      try {
        const first = await startServer({ dataDir, env });
        await first.ready();
        const once = await define(first, template(1));
        const twice = await define(first, template(2));
        for (const { id } of [once, twice])
          expect((await first.api(`/activity-definitions/${id}/trigger`, { method: "POST" })).status).toBe(202);
        await eventually("both tasks are in flight", () => requests === 2);
        first.kill("SIGTERM");
        expect(await first.exited).toBe(4);

        answers = true;
        const second = await startServer({ dataDir, env, flags: first.flags });
        await second.ready();
        const [failed] = await finishedRuns(second, once.id);
        const [succeeded] = await finishedRuns(second, twice.id);
        expect(failed).toMatchObject({
          status: "failed",
          error: expect.stringContaining("cut by a stop of the worker; "),
        });
        expect(await listTasks(second, failed?.run_id ?? "")).toMatchObject([
          {
            status: "failed",
            attempts: 1,
            error: { message: expect.stringMatching(/^cut by a stop of the worker; /) },
          },
        ]);
        expect(succeeded).toMatchObject({ status: "succeeded" });
        expect(await listTasks(second, succeeded?.run_id ?? "")).toMatchObject([{ status: "succeeded", attempts: 2 }]);
        second.kill("SIGTERM");
        expect(await second.exited).toBe(0);
        // What it said: JSON lines and nothing else, with the activity of each run, and no stack where a run plainly failed.
        expect(second.stdout()).toBe("");
        const lines = second
          .stderr()
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line));
        expect(lines).toContainEqual(expect.objectContaining({ msg: "actcore is ready: worker, router, api" }));
        const closed = lines.filter(({ msg }) => msg === "run closed");
        const said = closed.map(({ level, activity_id, status }) => [level, activity_id, status]).toSorted();
        expect(said).toEqual(
          [
            ["info", twice.id, "succeeded"],
            ["warn", once.id, "failed"],
          ].toSorted(),
        );
        expect(second.stderr()).not.toContain("workflow-bundle");
      } finally {
        receiver.stop(true);
        await removeDirectory(dataDir);
      }
    },
    2 * SERVER_TIMEOUT_MS,
  );

  test.if(process.platform === "linux")(
    "whose log is on a full disk starts a dead engine again, takes events, and ends with code 0",
    async () => {
      const server = await startServer({ stderrFile: "/dev/full" });
      const nats = async () => (await readStatus(server)).engines.find(({ name }) => name === "nats");
      try {
        await server.ready();
        process.kill((await nats())?.pid ?? 0, "SIGKILL");
        await eventually("NATS is started again", async () => (await nats())?.restarts === 1);
        await server.ready();
        const event = { event_id: "1", type: "x", source: "e2e", occurred_at: new Date().toISOString(), payload: {} };
        expect((await server.api("/events", { json: event })).status).toBe(202);
        server.kill("SIGTERM");
        expect(await server.exited).toBe(0);
      } finally {
        await server.destroy();
      }
    },
    SERVER_TIMEOUT_MS,
  );

  test(
    "that was stopped as soon as it was ready, again and again, runs at once what is triggered after the next start",
    async () => {
      const dataDir = createDirectory();
      try {
        let server = await startServer({ dataDir });
        await server.ready();
        const { id } = await define(server);
        for (let round = 1; round <= 3; round++) {
          server.kill("SIGTERM");
          await server.exited;
          server = await startServer({ dataDir, flags: server.flags });
          await server.ready();
          expect((await server.api(`/activity-definitions/${id}/trigger`, { method: "POST" })).status).toBe(202);
          // A minute, when Temporal still counts on the hosts of the one before.
          await finishedRuns(server, id, round, 15_000);
        }
        server.kill("SIGTERM");
        await server.exited;
      } finally {
        await removeDirectory(dataDir);
      }
    },
    3 * SERVER_TIMEOUT_MS,
  );
});
