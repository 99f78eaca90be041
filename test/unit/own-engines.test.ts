/** Where the engines listen that a process uses: no task may call them. */
import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../src/kernel/config.ts";
import { findForbiddenUrl } from "../../src/outbound/destination.ts";
import { findOwnEngines } from "../../src/roles/own-engines.ts";

describe("of a server that runs its engines itself", () => {
  test("every port is known, those of Temporal's inner services too", () => {
    const { ports, elsewhere } = findOwnEngines(loadConfig({ natsMonitorPort: "8333" }, {}));
    expect([...ports.keys()].sort()).toEqual(
      [5433, 4222, 8333, 7233, 7234, 7235, 7239, 6933, 6934, 6935, 6939, 8080].sort(),
    );
    expect(ports.get(8333)).toBe("NATS monitoring");
    expect([...(elsewhere ?? [])]).toEqual([]);
  });

  test("the ports on which another process runs them are known as well", () => {
    const { ports } = findOwnEngines(loadConfig({}, {}), {
      dbUrl: "postgresql://actcore:secret@127.0.0.1:15433/actcore",
      natsUrl: "nats://127.0.0.1:14222",
      natsMonitorUrl: "http://127.0.0.1:18222",
      temporalHost: "127.0.0.1:17233",
      temporalUiUrl: "http://127.0.0.1:18080",
    });
    for (const port of [15433, 14222, 18222, 17233, 17234, 16939, 18080])
      expect([port, ports.has(port)]).toEqual([port, true]);
  });

  test("an address of this host is one", () => {
    expect(findOwnEngines(loadConfig({}, {})).addresses).toContain("127.0.0.1");
  });
});

describe("of engines that are configured by URL", () => {
  const forbidden = (url: string, flags: Parameters<typeof loadConfig>[0]) =>
    findForbiddenUrl(new URL(url), findOwnEngines(loadConfig(flags, {})));

  test.each([
    ["http://db.local:5432/", { dbUrl: "postgresql://u:p%40w@DB.local/actcore" }, "Postgres"],
    ["http://db.local:6432/", { dbUrl: "postgresql://u:p@db.local:6432/actcore" }, "Postgres"],
    ["http://b:4223/", { natsUrl: "nats://a:4222,nats://user:pass@b:4223" }, "NATS"],
    ["http://[2001:db8::7]:4222/", { natsUrl: "nats://[2001:DB8::7]" }, "NATS"],
    ["http://temporal:7233/", { temporalHost: "temporal:7233" }, "Temporal"],
    ["http://localhost:17233/", { temporalHost: "127.0.0.1:17233" }, "Temporal"],
  ] as const)("%s is refused", (url, flags, engine) => {
    expect(forbidden(url, flags)).toContain(engine);
  });

  test("the embedded engine's port is free", () => {
    expect(forbidden("http://127.0.0.1:8080/", {})).toContain("Temporal Web UI");
    expect(forbidden("http://127.0.0.1:8080/", { temporalHost: "temporal:7233" })).toBeUndefined();
  });
});
