import { expect, test } from "bun:test";
import { foldForeignNames } from "../../src/http/sdk-metrics.ts";

const OWN = [
  "# TYPE temporal_workflow_completed counter",
  'temporal_workflow_completed{namespace="default",workflow_type="RunActivityWorkflow"} 7',
  'temporal_activity_execution_failed{activity_type="executeTask",workflow_type="RunActivityWorkflow"} 2',
  'temporal_num_pollers{poller_type="workflow_task"} 5',
];

test("metrics of our own workflow and steps stay as they are", () => {
  const text = `${OWN.join("\n")}\n`;
  expect(foldForeignNames(text)).toBe(text);
});

test("series of others' names become one, with their sum, however many names there are and whatever is in them", () => {
  const names = ["other", "mail", 'a "b",{} 1', "back\\slash", 'x workflow_type="y'];
  const escaped = names.map((name) => name.replaceAll("\\", "\\\\").replaceAll('"', '\\"'));
  const series = (name: string, le: string, value: number) =>
    `failures_bucket{activity_type="${name}",workflow_type="${name}",le="${le}"} ${value}`;
  const foreign = escaped.flatMap((name, index) => [series(name, "0.5", index), series(name, "+Inf", index + 0.5)]);
  expect(foldForeignNames([...OWN, ...foreign, "last 1", ""].join("\n")).split("\n")).toEqual([
    ...OWN,
    series("other", "0.5", 10),
    series("other", "+Inf", 12.5),
    "last 1",
    "",
  ]);
});

test("a step of ours that somebody else's workflow calls is told from ours", () => {
  expect(foldForeignNames('failed{activity_type="executeTask",workflow_type="theirs"} 3')).toBe(
    'failed{activity_type="executeTask",workflow_type="other"} 3',
  );
});
