/**
 * Configuration: flags > environment > default, resolved once into one frozen `Config`.
 *
 * Nothing else reads the environment. `SETTINGS` is the one table behind parsing, help and errors: a setting that
 * is not in it does not exist. A wrong value never falls back to a default: every fault is collected, and one
 * `InvalidInputError` names them all, with what was received (secrets hidden).
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type Fault, InvalidInputError } from "./errors.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";

const ROLES = ["worker", "router", "api", "sync"] as const;
export type RoleName = (typeof ROLES)[number];
/** A serve with all of these is a whole server, and starts engines of its own where none is configured. */
const DEFAULT_ROLES: readonly RoleName[] = ["worker", "router", "api"];

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The ports of the embedded engines, all on loopback. */
export interface EnginePorts {
  readonly postgres: number;
  readonly nats: number;
  readonly natsMonitor: number;
  /** Temporal's frontend; its other services listen on fixed offsets from it (engines/temporal.ts). */
  readonly temporal: number;
  readonly temporalUi: number;
}

/** How long rows are kept, in milliseconds. */
export interface Retention {
  /** Events with their payloads and outcomes. */
  readonly eventsMs: number;
  /** Closed runs and their tasks. */
  readonly runsMs: number;
  /** Event ids and occurrences: within this, once means once (I1). */
  readonly keysMs: number;
  readonly auditMs: number;
}

export interface Config {
  readonly roles: readonly RoleName[];
  /** Absolute. Everything that must survive a restart of the embedded engines. */
  readonly dataDir: string;
  /** Absolute. Unpacked engines; may be deleted while nothing runs. */
  readonly cacheDir: string;
  /** `postgresql://…`; absent means the embedded engine. Likewise the next two. */
  readonly dbUrl?: string;
  readonly natsUrl?: string;
  /** `host:port`. */
  readonly temporalHost?: string;
  readonly temporalNamespace: string;
  readonly ports: EnginePorts;
  readonly apiAddr: Address;
  /** Names that the API answers to, in lower case, besides loopback's. */
  readonly apiHosts: readonly string[];
  readonly insecureNoAuth: boolean;
  readonly metricsAddr: Address;
  /** Whether the operator chose `metricsAddr`: only then is an occupied port fatal. */
  readonly metricsAddrChosen: boolean;
  readonly definitionsDirs: readonly string[];
  /** 0 = off. */
  readonly syncIntervalMs: number;
  readonly skipScheduleSync: boolean;
  readonly drainTimeoutMs: number;
  readonly retention: Retention;
  readonly logLevel: LogLevel;
}

export type Environment = Readonly<Record<string, string | undefined>>;

interface Setting<T> {
  readonly flag: string;
  readonly env: string;
  readonly help: string;
  /** What stands behind the flag in the help; absent for a switch, which takes no value. */
  readonly value?: string;
  /** The default as text, given the environment (for the directories that follow it); undefined: none. */
  readonly default?: string | ((env: Environment) => string);
  /** A secret value is never printed. */
  readonly secret?: boolean;
  /** Throws an Error whose message says what was expected. */
  readonly parse: (text: string) => T;
}

const setting = <T>(setting: Setting<T>): Setting<T> => setting;

/** Every setting, in the order of the help. */
export const SETTINGS = {
  roles: setting({
    flag: "roles",
    env: "ACTCORE_ROLES",
    value: "LIST",
    help: `roles to run, of ${ROLES.join(",")} (default worker,router,api, and sync when it has an interval)`,
    default: "",
    parse: parseRoles,
  }),
  dataDir: setting({
    flag: "data-dir",
    env: "ACTCORE_DATA_DIR",
    value: "DIR",
    help: "where the embedded engines keep their data",
    default: defaultDataDir,
    parse: (text) => resolve(text),
  }),
  cacheDir: setting({
    flag: "cache-dir",
    env: "ACTCORE_CACHE_DIR",
    value: "DIR",
    help: "where the embedded engines are unpacked",
    default: defaultCacheDir,
    parse: (text) => resolve(text),
  }),
  dbUrl: setting({
    flag: "db-url",
    env: "ACTCORE_DB_URL",
    value: "URL",
    help: "Postgres to use instead of the embedded one",
    secret: true,
    parse: parseDbUrl,
  }),
  natsUrl: setting({
    flag: "nats-url",
    env: "NATS_URL",
    value: "URL",
    help: "NATS with JetStream to use instead of the embedded one",
    secret: true,
    parse: parseNatsUrl,
  }),
  temporalHost: setting({
    flag: "temporal-host",
    env: "TEMPORAL_HOST",
    value: "HOST:PORT",
    help: "Temporal frontend to use instead of the embedded one",
    parse: (text) => formatAddress(parseAddress(text)),
  }),
  temporalNamespace: setting({
    flag: "temporal-namespace",
    env: "TEMPORAL_NAMESPACE",
    value: "NAME",
    help: "Temporal namespace",
    default: "default",
    parse: parseNamespace,
  }),
  apiAddr: setting({
    flag: "api-addr",
    env: "ACTCORE_API_ADDR",
    value: "HOST:PORT",
    help: "address of the REST API",
    default: "127.0.0.1:8010",
    parse: parseAddress,
  }),
  apiHosts: setting({
    flag: "api-hosts",
    env: "ACTCORE_API_HOSTS",
    value: "NAMES",
    help: "host names that the API answers to besides localhost, separated by ',': needed behind a proxy",
    default: "",
    parse: parseHosts,
  }),
  insecureNoAuth: setting({
    flag: "insecure-no-auth",
    env: "ACTCORE_INSECURE_NO_AUTH",
    help: "ask nobody for an API key: whoever reaches the API may do everything",
    default: "false",
    parse: parseSwitch,
  }),
  metricsAddr: setting({
    flag: "prometheus-bind-addr",
    env: "PROMETHEUS_BIND_ADDR",
    value: "HOST:PORT",
    help: "address of /metrics, /healthz and /readyz of this process",
    default: "127.0.0.1:9090",
    parse: parseAddress,
  }),
  definitionsDirs: setting({
    flag: "definitions-dir",
    env: "ACTCORE_DEFINITIONS_DIR",
    value: "DIRS",
    help: "directories of definition files, separated by ':'",
    default: "",
    parse: (text) =>
      text
        .split(":")
        .filter((dir) => dir !== "")
        .map((dir) => resolve(dir)),
  }),
  syncIntervalMs: setting({
    flag: "sync-interval-seconds",
    env: "ACTIVITY_SYNC_INTERVAL_SECONDS",
    value: "SECONDS",
    help: "how often the sync role reads the definition files; 0 is off",
    default: "0",
    parse: (text) => parseWhole(text, 0, 604_800) * 1000,
  }),
  skipScheduleSync: setting({
    flag: "skip-schedule-sync",
    env: "SKIP_SCHEDULE_SYNC",
    help: "do not sync definition files and schedules at start-up",
    default: "false",
    parse: parseSwitch,
  }),
  drainTimeoutMs: setting({
    flag: "drain-timeout-seconds",
    env: "ACTCORE_DRAIN_TIMEOUT_SECONDS",
    value: "SECONDS",
    help: "how long a stop waits for work in flight",
    default: "20",
    parse: (text) => parseWhole(text, 0, 3600) * 1000,
  }),
  eventRetentionMs: retentionSetting("event", "30", "events, with their payloads"),
  runRetentionMs: retentionSetting("run", "90", "closed runs and their tasks"),
  keyRetentionMs: retentionSetting("key", "400", "the ids by which a repetition is known"),
  auditRetentionMs: retentionSetting("audit", "400", "the audit log"),
  logLevel: setting({
    flag: "log-level",
    env: "ACTCORE_LOG_LEVEL",
    value: "LEVEL",
    help: LOG_LEVELS.join(", "),
    default: "info",
    parse: parseLogLevel,
  }),
  postgresPort: portSetting("postgres-port", "ACTCORE_POSTGRES_PORT", 5433, "embedded Postgres"),
  natsPort: portSetting("nats-port", "ACTCORE_NATS_PORT", 4222, "embedded NATS"),
  natsMonitorPort: portSetting(
    "nats-monitor-port",
    "ACTCORE_NATS_MONITOR_PORT",
    8222,
    "monitoring of the embedded NATS",
  ),
  temporalPort: portSetting("temporal-port", "ACTCORE_TEMPORAL_PORT", 7233, "embedded Temporal"),
  temporalUiPort: portSetting("temporal-ui-port", "ACTCORE_TEMPORAL_UI_PORT", 8080, "embedded Temporal Web UI"),
} as const;

export type SettingName = keyof typeof SETTINGS;
/** Values given on the command line, by setting name; a switch given without a value arrives as "true". */
export type Flags = Partial<Record<SettingName, string>>;
type Values = { [K in SettingName]: ReturnType<(typeof SETTINGS)[K]["parse"]> | undefined };

/**
 * Resolves the configuration. `earlier` are faults of the command line: the user hears of all at once.
 * @throws InvalidInputError code `invalid_configuration`, one fault per wrong setting, `path` being flag or variable.
 */
export function loadConfig(flags: Flags = {}, env: Environment = process.env, earlier: readonly Fault[] = []): Config {
  const faults: Fault[] = [...earlier];
  const values: Record<string, unknown> = {};

  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { flag, env: variable, default: fallback, secret, parse } = SETTINGS[name] as Setting<unknown>;
    const fromFlag = flags[name];
    const fromEnv = env[variable] === "" ? undefined : env[variable];
    const text = fromFlag ?? fromEnv ?? (typeof fallback === "function" ? fallback(env) : fallback);
    if (text === undefined) continue;
    try {
      values[name] = parse(text);
    } catch (error) {
      const received = secret ? hideSecret(text) : JSON.stringify(text);
      const path = fromFlag === undefined ? variable : `--${flag}`;
      faults.push({ path, message: `${(error as Error).message}, received ${received}` });
    }
  }

  const v = values as Values;
  const retention: Retention = {
    eventsMs: v.eventRetentionMs ?? 0,
    runsMs: v.runRetentionMs ?? 0,
    keysMs: v.keyRetentionMs ?? 0,
    auditMs: v.auditRetentionMs ?? 0,
  };
  if (retention.keysMs < Math.max(retention.eventsMs, retention.runsMs))
    faults.push({
      path: SETTINGS.keyRetentionMs.env,
      message:
        "keys must be kept at least as long as events and runs: without its key, an event that comes again would run again",
    });
  const ports: EnginePorts = {
    postgres: v.postgresPort ?? 0,
    nats: v.natsPort ?? 0,
    natsMonitor: v.natsMonitorPort ?? 0,
    temporal: v.temporalPort ?? 0,
    temporalUi: v.temporalUiPort ?? 0,
  };
  if (faults.length > 0)
    throw new InvalidInputError("the configuration is wrong", faults, "invalid_configuration", {
      hint: "Try: actcore help COMMAND, which lists each flag with its variable",
    });

  const syncIntervalMs = v.syncIntervalMs ?? 0;
  const roles =
    v.roles && v.roles.length > 0 ? v.roles : [...DEFAULT_ROLES, ...(syncIntervalMs > 0 ? ["sync" as const] : [])];
  return Object.freeze({
    ...(v as Required<Values>),
    roles,
    ports,
    retention,
    syncIntervalMs,
    metricsAddrChosen: flags.metricsAddr !== undefined || Boolean(env[SETTINGS.metricsAddr.env]),
  }) as Config;
}

/** Whether this process is a whole server: only such a one starts engines of its own. */
export function isWholeServer(config: Config): boolean {
  return DEFAULT_ROLES.every((role) => config.roles.includes(role));
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A URL with its password hidden; a text that is no URL is hidden whole. */
export function hideSecret(text: string): string {
  try {
    const url = new URL(text);
    if (url.password !== "") url.password = "***";
    for (const key of url.searchParams.keys()) if (/pass|token|secret|key/i.test(key)) url.searchParams.set(key, "***");
    return url.host === "" ? "(hidden)" : url.toString();
  } catch {
    return "(hidden)";
  }
}

function portSetting(flag: string, env: string, port: number, what: string) {
  return setting({ flag, env, value: "PORT", help: `port of the ${what}`, default: String(port), parse: parsePort });
}

function retentionSetting(name: string, days: string, what: string) {
  return setting({
    flag: `${name}-retention-days`,
    env: `ACTCORE_${name.toUpperCase()}_RETENTION_DAYS`,
    value: "DAYS",
    help: `how long to keep ${what}`,
    default: days,
    parse: (text) => parseWhole(text, 1, 36_500) * 86_400_000,
  });
}

function parseRoles(text: string): RoleName[] {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const unknown = names.filter((name) => !ROLES.includes(name as RoleName));
  if (text !== "" && names.length === 0) throw new Error(`expected a list of ${ROLES.join(", ")}`);
  if (unknown.length > 0) throw new Error(`expected a list of ${ROLES.join(", ")}; ${unknown.join(", ")} is none`);
  return [...new Set(names)] as RoleName[];
}

function parseDbUrl(text: string): string {
  const match = /^(?:postgres|postgresql)(?:\+\w+)?:\/\/(.+)$/.exec(text);
  if (!match || !URL.canParse(`postgresql://${match[1]}`))
    throw new Error("expected postgresql://user:password@host:port/database");
  return `postgresql://${match[1]}`;
}

function parseNatsUrl(text: string): string {
  const servers = text.split(",").map((server) => server.trim());
  if (!servers.every((server) => /^(nats|tls|ws|wss):\/\/./.test(server) && URL.canParse(server)))
    throw new Error("expected nats://host:port, or several separated by ','");
  return servers.join(",");
}

function parseHosts(text: string): string[] {
  const hosts = text
    .split(",")
    .map((host) => host.trim().toLowerCase())
    .filter((host) => host !== "");
  if (!hosts.every((host) => /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host)))
    throw new Error("expected host names without ports, separated by ','");
  return hosts;
}

function parseNamespace(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(text))
    throw new Error("expected 2 to 255 letters, digits, '.', '_' or '-'");
  return text;
}

function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^\s:[\]/]*)):(\d{1,5})$/.exec(text);
  if (!match) throw new Error("expected host:port");
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" ? "0.0.0.0" : host, port: parsePort(match[3] ?? "") };
}

function parsePort(text: string): number {
  return parseWhole(text, 1, 65_535);
}

function parseWhole(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new Error(`expected a whole number from ${min} to ${max}`);
  return value;
}

function parseSwitch(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new Error("expected true or false");
}

function parseLogLevel(text: string): LogLevel {
  if (!LOG_LEVELS.includes(text as LogLevel)) throw new Error(`expected one of ${LOG_LEVELS.join(", ")}`);
  return text as LogLevel;
}

/** root keeps to the system's directories: Postgres runs unprivileged there and could not enter /root. */
function defaultDataDir(env: Environment): string {
  if (process.getuid?.() === 0) return "/var/lib/actcore";
  return join(env.XDG_DATA_HOME || join(env.HOME || homedir(), ".local", "share"), "actcore");
}

function defaultCacheDir(env: Environment): string {
  if (process.getuid?.() === 0) return "/var/cache/actcore";
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "actcore");
}
