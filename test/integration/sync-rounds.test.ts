import { expect, test } from "bun:test";
import { runSyncRounds } from "../support/sync-rounds.ts";

// The full form, with 200 definitions, 50 foreign schedules and 20 rounds: bun test/bench/sync-rounds.ts
test("syncs at the same moment converge, round after round, and touch no schedule of others (I6)", async () => {
  let changed = 0;
  await runSyncRounds({
    definitions: 24,
    rounds: 4,
    foreign: 6,
    syncs: 2,
    onRound: (_, figures) => {
      changed += figures.changed;
    },
  });
  expect(changed).toBeGreaterThan(24);
}, 120_000);
