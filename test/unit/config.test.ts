import { describe, expect, test } from "bun:test";
import { hideSecret, isLoopback } from "../../src/kernel/address.ts";
import { type Flags, isWholeServer, loadConfig } from "../../src/kernel/config.ts";
import type { Fault, InvalidInputError } from "../../src/kernel/errors.ts";
import type { Environment } from "../../src/kernel/setting-values.ts";

/** The faults with which the configuration is refused. */
function faultsOf(flags: Flags, env: Environment = {}, earlier: Fault[] = []): readonly Fault[] {
  try {
    loadConfig(flags, env, earlier);
  } catch (error) {
    return (error as InvalidInputError).faults;
  }
  throw new Error("the configuration was accepted");
}

describe("a setting", () => {
  test("is taken from the flag before the variable, and from the variable before the default", () => {
    expect(loadConfig({ logLevel: "warn" }, { ACTCORE_LOG_LEVEL: "debug" }).logLevel).toBe("warn");
    expect(loadConfig({}, { ACTCORE_LOG_LEVEL: "debug" }).logLevel).toBe("debug");
    expect(loadConfig({}, {}).logLevel).toBe("info");
  });

  test("that is wrong leads to the help of the command, and a fault of the command line alone says that it is one", () => {
    const refuse = (flags: Flags, earlier: Fault[]) => () => loadConfig(flags, {}, earlier, "keys create");
    const hint = "Try: actcore help keys create, which lists each flag with its variable";
    const missing = { path: "--scopes", message: "is required: --scopes=LIST" };
    expect(refuse({}, [missing])).toThrow(expect.objectContaining({ message: "the command line is wrong", hint }));
    expect(refuse({ roles: "cook" }, [missing])).toThrow(
      expect.objectContaining({ message: "the configuration is wrong", hint }),
    );
  });

  test("whose variable is empty has its default", () => {
    expect(loadConfig({}, { NATS_URL: "", ACTCORE_LOG_LEVEL: "" })).toMatchObject({ logLevel: "info" });
    expect(loadConfig({}, { NATS_URL: "" }).natsUrl).toBeUndefined();
  });

  test("cannot be changed once resolved", () => {
    expect(Object.isFrozen(loadConfig({}, {}))).toBe(true);
  });
});

describe("a wrong configuration", () => {
  test("is refused with every fault at once, each under the name that was used, with what was received", () => {
    const faults = faultsOf(
      { natsPort: "0", logLevel: "loud" },
      { ACTCORE_ROLES: "worker,cook", SKIP_SCHEDULE_SYNC: "maybe", TEMPORAL_HOST: "temporal" },
    );
    expect(faults.map(({ path }) => path).sort()).toEqual(
      ["--log-level", "--nats-port", "ACTCORE_ROLES", "SKIP_SCHEDULE_SYNC", "TEMPORAL_HOST"].sort(),
    );
    expect(faults.find(({ path }) => path === "ACTCORE_ROLES")?.message).toContain('received "worker,cook"');
  });

  test("is refused together with the faults of the command line", () => {
    const earlier = { path: "--prot", message: "is no flag" };
    expect(faultsOf({ logLevel: "loud" }, {}, [earlier]).map(({ path }) => path)).toEqual(["--prot", "--log-level"]);
  });

  test("never shows a secret", () => {
    const [db, nats] = faultsOf({ dbUrl: "mysql://u:hunter2@db/x" }, { NATS_URL: "http://u:hunter2@nats" });
    expect(`${db?.message} ${nats?.message}`).not.toContain("hunter2");
    expect(db?.message).toContain("mysql://u:***@db/x");
  });

  test.each(["hunter2", "u:hunter2@db", "postgresql://h/x?password=hunter2", "nats://hunter2@nats:4222"])(
    "hides the secret of %s",
    (text) => {
      expect(hideSecret(text)).not.toContain("hunter2");
    },
  );
});

describe("a database URL", () => {
  test.each(["postgresql://u:p@db/x", "postgres://u:p@db/x", "postgresql+asyncpg://u:p@db/x"])("may be %s", (url) => {
    expect(loadConfig({}, { ACTCORE_DB_URL: url }).dbUrl).toBe("postgresql://u:p@db/x");
  });

  test.each(["mysql://db/x", "db/x", "postgresql://"])("may not be %s", (url) => {
    expect(faultsOf({}, { ACTCORE_DB_URL: url })).toHaveLength(1);
  });

  test("may have an '@' in its password, which is not taken for the one before the host", () => {
    expect(loadConfig({}, { ACTCORE_DB_URL: "postgresql://u:p@ss@db/x" }).dbUrl).toBe("postgresql://u:p%40ss@db/x");
  });
});

describe("a '%' that begins no escape", () => {
  test.each([
    ["ACTCORE_DB_URL", "postgresql://u:hunter%2@db/x"],
    ["ACTCORE_DB_URL", "postgresql://u%:p@db/x"],
    ["ACTCORE_DB_URL", "postgresql://u:p@db/100%"],
    ["NATS_URL", "nats://u:hunter%2@nats:4222"],
    ["NATS_URL", "nats://token%@nats:4222"],
    ["NATS_URL", "nats://u:p@nats:4222,nats://u:hunter%2@other:4222"],
  ])("is refused in %s=%s, without its secret", (variable, url) => {
    expect(faultsOf({}, { [variable]: url })).toEqual([
      { path: variable, message: expect.stringContaining("as %25, in the password too") },
    ]);
    expect(faultsOf({}, { [variable]: url })[0]?.message).not.toContain("hunter");
  });

  test("is one that begins an escape as %25", () => {
    const urls = { ACTCORE_DB_URL: "postgresql://u:a%25b@db/x", NATS_URL: "nats://u:a%25b@nats:4222" };
    expect(loadConfig({}, urls)).toMatchObject({ dbUrl: urls.ACTCORE_DB_URL, natsUrl: urls.NATS_URL });
  });
});

describe("a URL of NATS", () => {
  test("may not be one of WebSockets, which the client does not speak", () => {
    expect(faultsOf({}, { NATS_URL: "wss://nats:443" })).toHaveLength(1);
  });
});

describe("the roles", () => {
  test("are worker, router and api, and sync once it has an interval", () => {
    expect(loadConfig({}, {}).roles).toEqual(["worker", "router", "api"]);
    expect(loadConfig({}, { ACTIVITY_SYNC_INTERVAL_SECONDS: "60" }).roles).toContain("sync");
  });

  test("may be some, named once each, and then make no whole server", () => {
    const config = loadConfig({ roles: "api, router,api" }, {});
    expect(config.roles).toEqual(["api", "router"]);
    expect(isWholeServer(config)).toBe(false);
    expect(isWholeServer(loadConfig({}, {}))).toBe(true);
  });
});

describe("the address of the API", () => {
  test.each(["127.0.0.1:80", "[::1]:80", "localhost:80", "127.9.9.9:80"])("may be %s", (apiAddr) => {
    const { host, port } = loadConfig({ apiAddr }, {}).apiAddr;
    expect([isLoopback(host), port]).toEqual([true, 80]);
  });

  test.each(["0.0.0.0:80", ":80", "[::]:80", "10.0.0.1:80", "127.0.0.1.example.org:80"])(
    "%s is reached by others, so it needs keys (access-door.test.ts) or the leave to go without",
    (apiAddr) => {
      const config = loadConfig({ apiAddr }, {});
      expect([isLoopback(config.apiAddr.host), config.insecureNoAuth]).toEqual([false, false]);
      expect(loadConfig({ apiAddr, insecureNoAuth: "true" }, {}).insecureNoAuth).toBe(true);
    },
  );

  test.each(["127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "a b:80"])("may not be %s", (apiAddr) => {
    expect(faultsOf({ apiAddr })).toHaveLength(1);
  });
});

describe("the retention of keys", () => {
  const days = (key: string, event = "1", run = "1") => ({
    keyRetentionMs: key,
    eventRetentionMs: event,
    runRetentionMs: run,
  });

  test("may be as short as the engine's memory of closed workflows, with a day on top", () => {
    expect(loadConfig(days("8"), {}).keyRetentionMs).toBe(8 * 86_400_000);
  });

  test.each([
    ["the engine remembers closed workflows", days("7")],
    ["events are kept", days("20", "30")],
    ["runs are kept", days("20", "1", "30")],
  ])("may not be shorter than %s", (_, flags) => {
    expect(faultsOf(flags)).toMatchObject([{ path: "--key-retention-days" }]);
    const { keyRetentionMs: ACTCORE_KEY_RETENTION_DAYS, ...others } = flags;
    expect(faultsOf(others, { ACTCORE_KEY_RETENTION_DAYS })).toMatchObject([{ path: "ACTCORE_KEY_RETENTION_DAYS" }]);
  });
});

describe("databases that sources read", () => {
  const password = "hunter2-value";
  test("are known by their names in small letters, and printed to nobody", () => {
    const config = loadConfig({}, { ACTCORE_SQL_SHOP: `postgres://app:${password}@db/shop`, ACTCORE_SQL_EMPTY: "" });
    expect(config.sqlUrls()).toEqual({ shop: `postgres://app:${password}@db/shop` });
    expect(JSON.stringify(config)).not.toContain(password);
    const url = "postgres://app:{{ urlencode(secret.SHOP) }}@db/shop";
    expect(loadConfig({}, { ACTCORE_SQL_SHOP: url }).sqlUrls()).toEqual({ shop: url });
  });

  test.each([
    ["ACTCORE_SQL_SHOP", `mysql://app:${password}@db/shop`, "expected postgres://user:password@host:port/database"],
    ["ACTCORE_SQL_SHOP", `postgres://app:${password}%@db/shop`, "expected each '%' that begins no escape as %25"],
    ["ACTCORE_SQL_shop", `postgres://app:${password}@db/shop`, "expected a name of capital letters"],
  ])("are refused without the password: %s=%s", (path, url, message) => {
    const [fault] = faultsOf({}, { [path]: url });
    expect(fault?.path).toBe(path);
    expect(fault?.message).toStartWith(message);
    expect(fault?.message).not.toContain(password);
  });
});
