/** What the end of a start says: where everything is, and what to try. */
import { expect, test } from "bun:test";
import { openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suggestRequest } from "../../src/cli/first-request.ts";
import { createTeller } from "../../src/cli/teller.ts";
import type { Definition } from "../../src/definition/schema.ts";
import { matchEvent } from "../../src/dispatch/match-event.ts";
import { findEnvelopeFaults } from "../../src/event/envelope.ts";
import { indexSubscriptions } from "../../src/event/match.ts";
import { indexEnforcedTypes } from "../../src/event/payload-checks.ts";
import { createLog } from "../../src/kernel/log.ts";

const API = "http://127.0.0.1:8010";
const NO_CHECKS = indexEnforcedTypes([], new Map());
const definition = (name: string, trigger_config: object, enabled = true) =>
  ({ id: `id-of-${name}`, name, enabled, trigger_config }) as Definition;
const onEvent = (event_type: string, filters?: object) => ({ trigger_type: "event", event_type, filters });
const onTime = { trigger_type: "cron", cron_expression: "0 9 * * *" };

test("the suggested event is one that runs an activity that is there, whatever its type and filters hold", async () => {
  const trigger = onEvent("it's.*.**", { "what's": 'a "quote"', n: [3, 4], "account.country": "DE" });
  const command = suggestRequest([definition("a", onTime), definition("b", trigger)], NO_CHECKS, API) ?? "";
  // As a shell passes it on.
  const printed = await Bun.$`sh -c ${command.replace(/^curl .* -d /, "printf %s ")}`.text();
  const event = JSON.parse(printed);
  expect(findEnvelopeFaults(event)).toEqual([]);
  const index = indexSubscriptions([
    { id: "b", name: "b", version: 1, enabled: true, trigger_config: trigger as never },
  ]);
  expect(matchEvent(index, event).outcome).toBe("received");
});

test("an activity that is disabled, or whose event would be refused, fail or start nothing, is not suggested", () => {
  const schema = JSON.stringify({ type: "object", required: ["id"] });
  const checks = indexEnforcedTypes([{ name: "strict", schema }], new Map());
  const definitions = [
    definition("off", onEvent("x"), false),
    definition("strict", onEvent("strict")),
    definition("asking", { ...onEvent("asking"), when: "event.payload.seats > 3" }),
    definition("watching", onEvent("actcore.activity.*")),
    { ...definition("reading", onEvent("reading")), when: "event.payload.seats > 3" },
    definition("loose", onEvent("loose")),
  ];
  expect(suggestRequest(definitions, checks, API)).toContain('"type":"loose"');
});

test("without an event to publish, an activity is to be run by hand; without an activity there is nothing", () => {
  const options = ' -H "authorization: Bearer $ACTCORE_API_KEY"';
  expect(suggestRequest([definition("a", onTime)], NO_CHECKS, API, options)).toBe(
    `curl${options} -X POST ${API}/activity-definitions/id-of-a/trigger   # runs a now`,
  );
  expect(suggestRequest([definition("a", onTime, false)], NO_CHECKS, API)).toBeUndefined();
});

test("a start is told as text on a terminal, and as a line of the log elsewhere", () => {
  const path = join(tmpdir(), `actcore-teller-${crypto.randomUUID()}`);
  const lines: string[] = [];
  const log = createLog("info", { destination: openSync(path, "w"), readable: false });
  const facts = { API: "http://x", "Temporal Web UI": "http://y", NATS: undefined };
  createTeller(log, (line) => lines.push(line))("ready", facts);
  createTeller(log, undefined)("ready", facts);
  expect(lines).toEqual(["ready", "  API              http://x", "  Temporal Web UI  http://y"]);
  const logged = readFileSync(path, "utf8").trimEnd().split("\n");
  rmSync(path);
  expect(logged.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ level: "info", msg: "ready", api: "http://x", temporal_web_ui: "http://y" }),
  ]);
});
