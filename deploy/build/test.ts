/**
 * Runs the test suites and ends with a line `failed: …` for each failed test, and the line `N passed, N failed`.
 *
 * Each suite is a `bun test` of its own, so that a crash in one cannot hide the others. The counts come from its JUnit
 * report. A suite that crashes, hangs or ends badly without a failed test counts as one failure, and so does a run that
 * executed nothing: silence is not success.
 */
import { closeSync, openSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REPOSITORY } from "./repository.ts";

interface Suite {
  /** Its folder in test/. */
  folder: string;
  /** Which part of its files, such as `1/2`; all when absent. */
  shard?: string;
}

/**
 * One round after the other. What a start takes is measured alone. Tests with engines mostly wait, so that others are done
 * beside them: units beside those of single adapters, and faults beside the other e2e tests, each with servers of its own.
 */
const ROUNDS: readonly (readonly Suite[])[] = [
  [{ folder: "timing" }],
  [{ folder: "workflow" }],
  [{ folder: "unit" }, { folder: "integration", shard: "1/2" }, { folder: "integration", shard: "2/2" }],
  [
    { folder: "e2e", shard: "1/3" },
    { folder: "e2e", shard: "2/3" },
    { folder: "e2e", shard: "3/3" },
    { folder: "chaos" },
  ],
];
/** For one test that names no limit of its own. */
const TEST_TIMEOUT_MS = 30_000;
const SUITE_TIMEOUT_MS = 15 * 60_000;

interface Tally {
  passed: number;
  failed: number;
  /** The failed tests that the report names, each by its file and title. */
  titles: string[];
}

/** What one prints that is not `alone` is shown when it is over: suites that run side by side would mix their lines. */
async function runSuite({ folder, shard }: Suite, alone: boolean): Promise<Tally> {
  const suite = shard === undefined ? folder : `${folder}-${shard.replace("/", "-of-")}`;
  const report = join(tmpdir(), `actcore-${suite}-${process.pid}.xml`);
  const log = join(tmpdir(), `actcore-${suite}-${process.pid}.log`);
  if (alone) console.log(`\n# ${suite}`);
  const output = alone ? "inherit" : openSync(log, "w");
  const args = [
    "test",
    `./test/${folder}/`,
    ...(shard === undefined ? [] : [`--shard=${shard}`]),
    `--timeout=${TEST_TIMEOUT_MS}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
  ];
  const runner = Bun.spawn([process.execPath, ...args], {
    cwd: REPOSITORY,
    stdio: ["ignore", output, output],
    timeout: SUITE_TIMEOUT_MS,
  });
  const exitCode = await runner.exited;
  if (typeof output === "number") {
    closeSync(output);
    console.log(`\n# ${suite}\n${await Bun.file(log).text()}`);
    await rm(log, { force: true });
  }
  const xml = await Bun.file(report)
    .text()
    .catch(() => "");
  await rm(report, { force: true });
  const tally = parseReport(xml);
  // A test that ends the process leaves status 0 and no report.
  if ((exitCode !== 0 || tally.passed === 0) && tally.failed === 0) {
    const end = runner.signalCode ?? `status ${exitCode}`;
    const fault = `${suite}: the test runner ended with ${end}, ${tally.passed} tests passed and none failed`;
    console.log(fault);
    return { ...tally, failed: 1, titles: [fault] };
  }
  return tally;
}

/** Of Bun's JUnit report; a report that is not there or has no totals counts nothing. */
function parseReport(xml: string): Tally {
  const totals = xml.match(/<testsuites\b[^>]*>/)?.[0] ?? "";
  const count = (name: string) => Number(totals.match(new RegExp(`\\b${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  const titles = [...xml.matchAll(/<testcase\b([^>]*)>\s*<(?:failure|error)\b/g)].map(([, attributes = ""]) => {
    const [file, describe, test] = ["file", "classname", "name"].map((name) => readAttribute(attributes, name));
    // A hook that fails has no name.
    return `${file}: ${describe ? `${describe} > ` : ""}${test}`;
  });
  return { passed: count("tests") - failed - count("skipped"), failed, titles };
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function readAttribute(attributes: string, name: string): string {
  const [, text = ""] = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes) ?? [];
  return text.replace(/&(\w+);/g, (whole, entity) => ENTITIES[entity] ?? whole);
}

async function hasTests(suite: string): Promise<boolean> {
  const names = await readdir(join(REPOSITORY, "test", suite), { recursive: true }).catch(() => []);
  return names.some((name) => /\.test\.tsx?$/.test(name));
}

const total: Tally = { passed: 0, failed: 0, titles: [] };
for (const round of ROUNDS) {
  const suites: Suite[] = [];
  for (const suite of round) if (await hasTests(suite.folder)) suites.push(suite);
  for (const tally of await Promise.all(suites.map((suite) => runSuite(suite, suites.length === 1)))) {
    total.passed += tally.passed;
    total.failed += tally.failed;
    total.titles.push(...tally.titles);
  }
}
if (total.passed + total.failed === 0) {
  console.log("no test was executed");
  total.failed = 1;
}
console.log(["", ...total.titles.map((title) => `failed: ${title}`)].join("\n"));
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;
