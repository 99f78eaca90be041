/** When an open workflow counts as stuck, and what happens to it then. */
import { expect, test } from "bun:test";
import { createStuckEnder } from "../../src/occurrence/stuck-workflow.ts";

const at = (minutes: number) => new Date(Date.UTC(2026, 0, 31, 9, minutes));

/** Looks at one workflow, each time at a minute and with the tries until then. */
async function watch(looks: [minute: number, attempt: number][], failure: string | null = "no such field") {
  const ended: string[] = [];
  const { endIfStuck } = createStuckEnder({
    findTaskFailure: async () => failure ?? undefined,
    async terminate(workflowId, execution, reason) {
      ended.push(`${workflowId} ${execution}: ${reason}`);
    },
  });
  const answers: (string | undefined)[] = [];
  for (const [minute, attempt] of looks)
    answers.push(await endIfStuck("w", { state: "open", execution: "x", attempt }, at(minute)));
  return { answers, ended };
}

test("a workflow that fails for a quarter of an hour, tried twice more meanwhile, is ended with the reason", async () => {
  const looks: [number, number][] = [
    [0, 3],
    [5, 6],
    [15, 8],
  ];
  const { answers, ended } = await watch(looks);
  expect(answers).toEqual([undefined, undefined, "no such field"]);
  expect(ended).toEqual(["w x: actcore: it could not go on: no such field"]);
});

test.each<[what: string, looks: [minute: number, attempt: number][]]>([
  [
    "was watched for less",
    [
      [0, 3],
      [14, 8],
    ],
  ],
  ["was seen once, however often it was tried before", [[0, 50]]],
  [
    "was tried once more only: that may be a release that can do it",
    [
      [0, 8],
      [20, 9],
    ],
  ],
  [
    "went on in between",
    [
      [0, 5],
      [5, 1],
      [16, 7],
    ],
  ],
  [
    "went on in between and nobody looked",
    [
      [0, 9],
      [16, 4],
      [20, 6],
    ],
  ],
  [
    "was tried too seldom",
    [
      [0, 1],
      [60, 2],
    ],
  ],
])("a workflow that %s is left alone", async (_, looks) => {
  const { answers, ended } = await watch(looks);
  expect(answers.every((answer) => answer === undefined)).toBe(true);
  expect(ended).toEqual([]);
});

test("a workflow whose steps time out is left alone: its worker is busy", async () => {
  const looks: [number, number][] = [
    [0, 3],
    [30, 9],
  ];
  expect(await watch(looks, null)).toEqual({ answers: [undefined, undefined], ended: [] });
});
