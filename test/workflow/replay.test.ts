/**
 * Recorded histories replay under the workflow code of today (I9): a release must go on with what an earlier one began.
 * How they are recorded: run-activity.test.ts.
 */
import { beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { Worker } from "@temporalio/worker";
import { workflowBundle } from "../../src/generated/workflow-bundle.ts";
import { historyOf, installTestRuntime } from "../support/workflow.ts";

const FOLDER = `${import.meta.dir}/histories/`;
const names = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
beforeAll(installTestRuntime);

const replay = (text: string) => Worker.runReplayHistory({ workflowBundle }, historyOf(JSON.parse(text)));

test("there are histories", () => {
  expect(names).not.toEqual([]);
});

test.each(names)("%s replays", async (name) => {
  await replay(readFileSync(FOLDER + name, "utf8"));
});

test("a history of another order of steps is refused", async () => {
  const other = readFileSync(`${FOLDER}one-task.json`, "utf8").replaceAll("executeTask", "executeAnother");
  await expect(replay(other)).rejects.toMatchObject({ name: "DeterminismViolationError" });
});
