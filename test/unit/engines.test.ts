import { describe, expect, test } from "bun:test";
import { wantedEngines } from "../../src/engines/engine-set.ts";
import { checkPorts, neededPorts } from "../../src/engines/ports.ts";
import { sqlServerOf } from "../../src/engines/temporal.ts";
import { loadConfig } from "../../src/kernel/config.ts";

describe("which engines are started", () => {
  test("all of them when no URL is configured", () => {
    expect(wantedEngines(loadConfig({}, {}))).toEqual(["postgres", "nats", "temporal", "temporal-ui"]);
  });

  test("not the one whose URL is configured", () => {
    expect(wantedEngines(loadConfig({ natsUrl: "nats://nats:4222" }, {}))).not.toContain("nats");
    expect(wantedEngines(loadConfig({ dbUrl: "postgresql://u:p@db/actcore" }, {}))).not.toContain("postgres");
  });

  test("the Web UI only beside an embedded Temporal", () => {
    expect(wantedEngines(loadConfig({ temporalHost: "temporal:7233" }, {}))).toEqual(["postgres", "nats"]);
  });
});

test("Temporal's inner ports follow its frontend's by Temporal's own numbering", () => {
  const ports = loadConfig({}, {});
  expect(
    neededPorts(ports, ["temporal"])
      .map(({ port }) => port)
      .sort(),
  ).toEqual([6933, 6934, 6935, 6939, 7233, 7234, 7235, 7239]);
});

test.each([300, 33_062, 65_535])(
  "a port of Temporal that leaves no room for its others is refused with the bounds: %i",
  async (port) => {
    const ports = loadConfig({ temporalPort: String(port) }, {});
    const error = await checkPorts(neededPorts(ports, ["temporal"])).catch((error: unknown) => error);
    expect(error).toMatchObject({
      faults: expect.arrayContaining([
        {
          path: "ACTCORE_TEMPORAL_PORT",
          message: expect.stringMatching(
            new RegExp(`^expected a port from 301 to 33061 for Temporal, .* received ${port}$`),
          ),
        },
      ]),
    });
  },
);

test.each([301, 33_061])("a port of Temporal at a bound leaves room for its others: %i", async (port) => {
  const ports = loadConfig({ temporalPort: String(port) }, {});
  const needs = neededPorts(ports, ["temporal"]);
  const membership = needs.filter(({ use }) => use.includes("membership")).map((need) => need.port);
  expect(Math.min(...membership)).toBeGreaterThanOrEqual(1);
  expect(Math.max(...membership)).toBeLessThanOrEqual(32_767);
});

describe("a database URL for Temporal's tools", () => {
  test("is taken apart, and its escapes are undone", () => {
    expect(sqlServerOf("postgresql://us%40er:p%2Fw@db.local/actcore")).toEqual({
      host: "db.local",
      port: 5432,
      user: "us@er",
      password: "p/w",
    });
  });

  test("asks for TLS, and checks the host only where sslmode says so", () => {
    expect(sqlServerOf("postgresql://u:p@db:6000/x?sslmode=require").tls).toEqual({ verifyHost: false });
    expect(sqlServerOf("postgresql://u:p@db:6000/x?sslmode=verify-full").tls).toEqual({ verifyHost: true });
    expect(sqlServerOf("postgresql://u:p@db:6000/x?sslmode=disable").tls).toBeUndefined();
  });
});
