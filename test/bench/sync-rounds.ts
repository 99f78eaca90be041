/**
 * `bun test/bench/sync-rounds.ts [--short]`: 200 definitions, two syncs at once, 20 rounds of edits, 50 foreign schedules
 * beside them; then a sync with nothing to do over 500 definitions with their schedules, which may take 2 s.
 */
import { runSyncRounds } from "../support/sync-rounds.ts";

const short = process.argv.includes("--short");
const MAX_IDLE_MS = 2000;

const print = (round: number, { changed, syncsMs, idleMs }: { changed: number; syncsMs: number[]; idleMs: number }) =>
  console.log(
    `round ${String(round).padStart(2)}  ${String(changed).padStart(3)} changed  syncs ${syncsMs.join(" and ")} ms  nothing to do ${idleMs} ms`,
  );

console.log(short ? "40 definitions, 10 foreign schedules" : "200 definitions, 50 foreign schedules");
await runSyncRounds({
  definitions: short ? 40 : 200,
  rounds: short ? 5 : 20,
  foreign: short ? 10 : 50,
  syncs: 2,
  onRound: print,
});
console.log("500 definitions");
let idle = Number.POSITIVE_INFINITY;
await runSyncRounds({
  definitions: 500,
  rounds: 1,
  foreign: 0,
  syncs: 2,
  idleSyncs: 5,
  onRound: (round, figures) => {
    print(round, figures);
    idle = Math.min(idle, figures.idleMs);
  },
});
console.log(idle <= MAX_IDLE_MS ? "converged each time; within the bound" : `${idle} ms is more than ${MAX_IDLE_MS}`);
process.exit(idle <= MAX_IDLE_MS ? 0 : 1);
