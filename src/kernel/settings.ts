/** The one table of settings: parsing, help and errors read it. */
import { resolve } from "node:path";
import { type Address, formatAddress } from "./address.ts";
import { parseAllowedHosts } from "./allowed-hosts.ts";
import { readTrustedFile } from "./certificates.ts";
import { InvalidInputError } from "./errors.ts";
import { LOG_LEVELS } from "./log.ts";
import { EXPECTED_ADDRESS, parseMailAddress } from "./mail-address.ts";
import {
  defaultCacheDir,
  defaultDataDir,
  type Environment,
  parseAddress,
  parseCommandRule,
  parseDbUrl,
  parseHosts,
  parseLabels,
  parseNatsUrl,
  parsePort,
  parseRoles,
  parseSwitch,
  parseWhole,
  ROLES,
} from "./setting-values.ts";
import { checkSmtpUrl } from "./smtp-url.ts";

export interface Setting<T> {
  readonly flag: string;
  readonly env: string;
  readonly help: string;
  /** What stands behind the flag in the help; absent for a switch, which takes no value. */
  readonly value?: string;
  /** The default as text, given the environment (for the directories that follow it); undefined: none. */
  readonly default?: string | ((env: Environment) => string | undefined);
  /** A secret value is never printed. */
  readonly secret?: boolean;
  /** Throws an Error whose message says what was expected. */
  readonly parse: (text: string) => T;
}

const setting = <T>(setting: Setting<T>): Setting<T> => setting;

/** A variable with this before a secret's name has its value. It has no flag: arguments are seen by everybody. */
export const SECRET_VARIABLE = "ACTCORE_SECRET_";
/** A variable with this before a name is the URL of a database that `sql` sources read: it may have a password. */
export const SQL_VARIABLE = "ACTCORE_SQL_";

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
  workerLabels: setting({
    flag: "worker-labels",
    env: "ACTCORE_WORKER_LABELS",
    value: "LIST",
    help: "labels of this worker, separated by ',': it does the tasks that say `run_on` one of them, besides those of any worker",
    default: "",
    parse: parseLabels,
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
  temporalTls: switchSetting("temporal-tls", "TEMPORAL_TLS", "reach the Temporal of TEMPORAL_HOST over TLS"),
  temporalNamespace: setting({
    flag: "temporal-namespace",
    env: "TEMPORAL_NAMESPACE",
    value: "NAME",
    help: "Temporal namespace",
    default: "default",
    parse: (text) => {
      if (/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(text)) return text;
      throw new Error("expected 2 to 255 letters, digits, '.', '_' or '-'");
    },
  }),
  caFile: setting({
    flag: "ca-file",
    env: "ACTCORE_CA_FILE",
    value: "FILE",
    help: "PEM certificates of authorities to trust besides the usual ones: for http tasks and configured engines",
    parse: readTrustedFile,
  }),
  httpAllow: setting({
    flag: "http-allow",
    env: "ACTCORE_HTTP_ALLOW",
    value: "HOSTS",
    help: "hosts, host:port, *.domain and ranges, separated by ',', that an expression may compute though they are not public",
    default: "",
    parse: parseAllowedHosts,
  }),
  commands: setting({
    flag: "commands",
    env: "ACTCORE_COMMANDS",
    value: "RULE",
    help: "which definitions may have command tasks: files (those from files only), all, or off",
    default: "files",
    parse: parseCommandRule,
  }),
  smtpUrl: setting({
    flag: "smtp-url",
    env: "ACTCORE_SMTP_URL",
    value: "URL",
    help: "mail server of email tasks: smtp://user:password@host:587 (with STARTTLS) or smtps://user:password@host:465",
    secret: true,
    parse: checkSmtpUrl,
  }),
  mailFrom: setting({
    flag: "mail-from",
    env: "ACTCORE_MAIL_FROM",
    value: "ADDRESS",
    help: "sender of the mails of email tasks",
    parse: (text) => {
      const address = parseMailAddress(text);
      if (address === undefined) throw new Error(`expected ${EXPECTED_ADDRESS}`);
      return address;
    },
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
  hooksAddr: setting({
    flag: "hooks-addr",
    env: "ACTCORE_HOOKS_ADDR",
    value: "HOST:PORT",
    help: "address where POST /hooks/{name} is served without the rest of the API, to be reached from outside",
    parse: parseAddress,
  }),
  publishOutcome: switchSetting(
    "publish-outcome",
    "ACTCORE_PUBLISH_OUTCOME",
    "publish the end of each run as an event, such as actcore.run.failed, unless its definition says otherwise",
  ),
  insecureNoAuth: switchSetting(
    "insecure-no-auth",
    "ACTCORE_INSECURE_NO_AUTH",
    "ask nobody for an API key: whoever reaches the API may do everything",
  ),
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
  skipScheduleSync: switchSetting(
    "skip-schedule-sync",
    "SKIP_SCHEDULE_SYNC",
    "do not sync definition files and schedules at start-up",
  ),
  secretsDir: setting({
    flag: "secrets-dir",
    env: "ACTCORE_SECRETS_DIR",
    value: "DIR",
    help: "directory with a file for each secret (default $CREDENTIALS_DIRECTORY, which systemd sets)",
    default: (env) => env.CREDENTIALS_DIRECTORY || undefined,
    parse: (text) => resolve(text),
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
    parse: (text) => {
      const level = LOG_LEVELS.find((each) => each === text);
      if (level === undefined) throw new Error(`expected one of ${LOG_LEVELS.join(", ")}`);
      return level;
    },
  }),
  postgresPort: portSetting("postgres-port", "ACTCORE_POSTGRES_PORT", 5433, "embedded Postgres"),
  natsPort: portSetting("nats-port", "ACTCORE_NATS_PORT", 4222, "embedded NATS"),
  natsMonitorPort: portSetting(
    "nats-monitor-port",
    "ACTCORE_NATS_MONITOR_PORT",
    8222,
    "monitoring of the embedded NATS",
  ),
  temporalPort: portSetting(
    "temporal-port",
    "ACTCORE_TEMPORAL_PORT",
    7233,
    "embedded Temporal, 301 to 33061; it takes seven others, from 300 below to 6 above it",
  ),
  temporalUiPort: portSetting("temporal-ui-port", "ACTCORE_TEMPORAL_UI_PORT", 8080, "embedded Temporal Web UI"),
} as const;

export type SettingName = keyof typeof SETTINGS;

function switchSetting(flag: string, env: string, help: string) {
  return setting({ flag, env, help, default: "false", parse: parseSwitch });
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

/** An address that somebody else listens on; `whose` completes "the address of …". */
export function portInUse(
  { env, flag }: { env: string; flag: string },
  address: Address,
  whose: string,
): InvalidInputError {
  const message = `${formatAddress(address)}, the address of ${whose}, is in use: move it with ${env} or --${flag}`;
  return new InvalidInputError("a port is in use", [{ path: env, message }], "port_in_use");
}
