/** The commands and their flags: the one table behind parsing, help and the nearest name of a typing error. */
import type { Config, SettingName } from "../config.ts";
import type { Shutdown } from "../lifecycle.ts";
import type { Log } from "../log.ts";

export interface CommandContext {
  config: Config;
  log: Log;
  /** A line on stdout. */
  print(line: string): void;
  shutdown: Shutdown;
  /** Whether `--json` was given. */
  json: boolean;
}

export interface Command {
  summary: string;
  settings: readonly SettingName[];
  /** Takes `--json`. */
  json?: true;
  /** The exit code. Loaded when it is called: `version` need not wait for Temporal's native core. */
  run(context: CommandContext): Promise<number>;
}

const PORTS = ["postgresPort", "natsPort", "natsMonitorPort", "temporalPort", "temporalUiPort"] as const;
const URLS = ["dbUrl", "natsUrl", "temporalHost", "temporalNamespace"] as const;
const DIRECTORIES = ["dataDir", "cacheDir"] as const;

export const COMMANDS = {
  serve: {
    summary: "run the server: its roles, and the engines that have no URL",
    settings: [
      "roles",
      ...DIRECTORIES,
      ...URLS,
      "apiAddr",
      "insecureNoAuth",
      "metricsAddr",
      "definitionsDirs",
      "syncIntervalMs",
      "skipScheduleSync",
      "drainTimeoutMs",
      "eventRetentionMs",
      "runRetentionMs",
      "keyRetentionMs",
      "auditRetentionMs",
      "logLevel",
      ...PORTS,
    ],
    run: async (context) => (await import("./serve.ts")).runServe(context),
  },
  engines: {
    summary: "run the engines alone, for roles in processes of their own",
    settings: [...DIRECTORIES, ...URLS, "logLevel", ...PORTS],
    run: async ({ config, ...deps }) => (await import("./engines.ts")).runEngines(config, deps),
  },
  status: {
    summary: "tell which engines run where, with versions and sizes",
    settings: [...DIRECTORIES, ...URLS, "logLevel", ...PORTS],
    json: true,
    run: async ({ config, ...deps }) => (await import("./status.ts")).runStatus(config, deps),
  },
  migrate: {
    summary: "bring the database schema up to date",
    settings: ["dataDir", "dbUrl", "logLevel"],
    run: async (context) => (await import("./migrate.ts")).runMigrate(context),
  },
  version: {
    summary: "tell the versions of actcore, Bun, the Temporal SDK and the engines",
    settings: [],
    json: true,
    run: async (context) => (await import("./version.ts")).runVersion(context),
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;
