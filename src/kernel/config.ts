/**
 * Configuration: flags > environment > default, resolved once into one frozen `Config`.
 *
 * Nothing else reads the environment. A wrong value never falls back to a default: every fault is collected, and one
 * `InvalidInputError` names them all, with what was received (secrets hidden).
 */

import { type Address, hideSecret } from "./address.ts";
import type { TrustedFile } from "./certificates.ts";
import { type Fault, InvalidInputError } from "./errors.ts";
import type { LogLevel } from "./log.ts";
import { type Environment, type Proxies, parseExempt, parseProxy, type RoleName } from "./setting-values.ts";
import { SETTINGS, type Setting, type SettingName } from "./settings.ts";

/** A serve with all of these is a whole server, and starts engines of its own where none is configured. */
const DEFAULT_ROLES: readonly RoleName[] = ["worker", "router", "api"];

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
  /** Event ids and occurrences. As long as they are kept, what they name does not run twice (I1). */
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
  /** Whether `temporalHost` is reached over TLS; the embedded engine never is. */
  readonly temporalTls: boolean;
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
  /** Absent: only the usual authorities are trusted. */
  readonly caFile?: TrustedFile;
  /** For http tasks only: engines are reached directly. */
  readonly proxies: Proxies;
}

/**
 * Milliseconds. Temporal remembers closed workflows for 7 days (temporal/namespace.ts); a key that was swept before would
 * leave their ids taken: the event that comes again counts as new, and never runs.
 */
const LEAST_KEYS_MS = 8 * 86_400_000;

/** Values given on the command line, by setting name; a switch given without a value arrives as "true". */
export type Flags = Partial<Record<SettingName, string>>;
type Values = { [K in SettingName]: ReturnType<(typeof SETTINGS)[K]["parse"]> | undefined };

/**
 * Resolves the configuration. `earlier` are the faults of the command line, so that the user is told all of them at once.
 * @throws InvalidInputError code `invalid_configuration`, one fault per wrong setting, `path` being flag or variable.
 */
export function loadConfig(
  flags: Flags = {},
  env: Environment = process.env,
  earlier: readonly Fault[] = [],
  command = "COMMAND",
): Config {
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
  const keyFault = v.keyRetentionMs === undefined ? undefined : faultOfKeys(retention);
  if (keyFault !== undefined)
    faults.push({
      path: flags.keyRetentionMs === undefined ? SETTINGS.keyRetentionMs.env : `--${SETTINGS.keyRetentionMs.flag}`,
      message: keyFault,
    });
  const ports: EnginePorts = {
    postgres: v.postgresPort ?? 0,
    nats: v.natsPort ?? 0,
    natsMonitor: v.natsMonitorPort ?? 0,
    temporal: v.temporalPort ?? 0,
    temporalUi: v.temporalUiPort ?? 0,
  };
  const proxies = readProxies(env, faults);
  if (faults.length > 0)
    throw new InvalidInputError(
      `the ${faults.length === earlier.length ? "command line" : "configuration"} is wrong`,
      faults,
      "invalid_configuration",
      { hint: `Try: actcore help ${command}, which lists each flag with its variable` },
    );

  const syncIntervalMs = v.syncIntervalMs ?? 0;
  const roles =
    v.roles && v.roles.length > 0 ? v.roles : [...DEFAULT_ROLES, ...(syncIntervalMs > 0 ? ["sync" as const] : [])];
  return Object.freeze({
    ...(v as Required<Values>),
    roles,
    ports,
    retention,
    proxies,
    syncIntervalMs,
    metricsAddrChosen: flags.metricsAddr !== undefined || Boolean(env[SETTINGS.metricsAddr.env]),
  }) as Config;
}

/** Whether this process is a whole server: only such a one starts engines of its own. */
export function isWholeServer(config: Config): boolean {
  return DEFAULT_ROLES.every((role) => config.roles.includes(role));
}

/** Variables that many programs share; they have no flags. Those in small letters win, as with curl. */
function readProxies(env: Environment, faults: Fault[]): Proxies {
  const read = (upper: string) => {
    const variable = [upper.toLowerCase(), upper].find((name) => env[name]);
    return variable === undefined ? undefined : { variable, text: env[variable] as string };
  };
  const proxyOf = (upper: string) => {
    const found = read(upper);
    try {
      return found && parseProxy(found.text);
    } catch (error) {
      const { variable = upper, text = "" } = found ?? {};
      faults.push({ path: variable, message: `${(error as Error).message}, received ${hideSecret(text)}` });
      return undefined;
    }
  };
  const [http, https, all] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(proxyOf);
  return {
    ...(http !== undefined && { http }),
    ...(https !== undefined && { https }),
    ...(all !== undefined && { all }),
    exempt: parseExempt(read("NO_PROXY")?.text ?? ""),
  };
}

function faultOfKeys({ eventsMs, runsMs, keysMs }: Retention): string | undefined {
  if (keysMs < Math.max(eventsMs, runsMs))
    return "keys must be kept at least as long as events and runs: without its key, an event that comes again would run again";
  if (keysMs < LEAST_KEYS_MS)
    return `keys must be kept at least ${LEAST_KEYS_MS / 86_400_000} days: longer than the engine remembers closed workflows`;
  return undefined;
}
