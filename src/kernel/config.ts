/**
 * Configuration: flags > environment > default, resolved once into one frozen `Config`.
 *
 * Nothing else reads the environment. A wrong value never falls back to a default: every fault is collected, and one
 * `InvalidInputError` names them all, with what was received (secrets hidden).
 */

import { hideSecret } from "./address.ts";
import { type Fault, InvalidInputError } from "./errors.ts";
import {
  type Environment,
  type Proxies,
  parseExempt,
  parseProxy,
  parseSqlUrl,
  type RoleName,
} from "./setting-values.ts";
import { SECRET_VARIABLE, SETTINGS, type Setting, type SettingName, SQL_VARIABLE } from "./settings.ts";

/** A serve with all of these is a whole server, and starts engines of its own where none is configured. */
const DEFAULT_ROLES: readonly RoleName[] = ["worker", "router", "api"];

type Values = { readonly [K in SettingName]: ReturnType<(typeof SETTINGS)[K]["parse"]> };
/** These have no default, and are absent where they are not set. */
type Optional = "dbUrl" | "natsUrl" | "temporalHost" | "caFile" | "hooksAddr" | "secretsDir" | "smtpUrl" | "mailFrom";

/** The values of the settings, and what follows from them. */
export interface Config extends Omit<Values, Optional>, Partial<Pick<Values, Optional>> {
  /** Whether the operator chose `metricsAddr`: only then is an occupied port fatal. */
  readonly metricsAddrChosen: boolean;
  /** For http tasks only: engines are reached directly. */
  readonly proxies: Proxies;
  /** By name, the secrets of the environment. A function, so that nothing that prints a configuration prints them. */
  readonly secretValues: () => Readonly<Record<string, string>>;
  /** By name in small letters, the URLs of the databases that `sql` sources read; they may read secrets in {{ }}. */
  readonly sqlUrls: () => Readonly<Record<string, string>>;
}

/** The ports of the embedded engines, all on loopback. */
export type EnginePorts = Pick<
  Config,
  "postgresPort" | "natsPort" | "natsMonitorPort" | "temporalPort" | "temporalUiPort"
>;

/** How long rows are kept, in milliseconds. */
export type Retention = Pick<Config, "eventRetentionMs" | "runRetentionMs" | "keyRetentionMs" | "auditRetentionMs">;

/**
 * Milliseconds. Temporal remembers closed workflows for 7 days (temporal/namespace.ts); a key that was swept before would
 * leave their ids taken: the event that comes again counts as new, and never runs.
 */
const LEAST_KEYS_MS = 8 * 86_400_000;

/** Values given on the command line, by setting name; a switch given without a value arrives as "true". */
export type Flags = Partial<Record<SettingName, string>>;

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
    const { env: variable, default: fallback, secret, parse } = SETTINGS[name] as Setting<unknown>;
    const fromEnv = env[variable] === "" ? undefined : env[variable];
    const text = flags[name] ?? fromEnv ?? (typeof fallback === "function" ? fallback(env) : fallback);
    if (text === undefined) continue;
    const received = secret ? hideSecret(text) : JSON.stringify(text);
    values[name] = tryToParse(pathOf(name, flags), text, received, parse, faults);
  }
  const keyFault = faultOfKeys(values as Partial<Values>);
  if (keyFault !== undefined) faults.push({ path: pathOf("keyRetentionMs", flags), message: keyFault });
  const mailFault = faultOfMail(values as Partial<Values>);
  if (mailFault !== undefined) faults.push({ path: pathOf("mailFrom", flags), message: mailFault });
  const proxies = readProxies(env, faults);
  const sqlUrls = readSqlUrls(env, faults);
  if (faults.length > 0)
    throw new InvalidInputError(
      `the ${faults.length === earlier.length ? "command line" : "configuration"} is wrong`,
      faults,
      "invalid_configuration",
      { hint: `Try: actcore help ${command}, which lists each flag with its variable` },
    );

  const config = values as unknown as Values;
  const usual = config.syncIntervalMs > 0 ? [...DEFAULT_ROLES, "sync" as const] : DEFAULT_ROLES;
  return Object.freeze({
    ...config,
    roles: config.roles.length > 0 ? config.roles : usual,
    proxies,
    secretValues: readFamily(env, SECRET_VARIABLE),
    sqlUrls,
    metricsAddrChosen: flags.metricsAddr !== undefined || Boolean(env[SETTINGS.metricsAddr.env]),
  });
}

/** How the user gave this setting, or may give it: by its flag or its variable. */
function pathOf(name: SettingName, flags: Flags): string {
  return flags[name] === undefined ? SETTINGS[name].env : `--${SETTINGS[name].flag}`;
}

/** By what stands behind `prefix` in their names: the variables that are set to something. */
function readFamily(env: Environment, prefix: string): () => Readonly<Record<string, string>> {
  const entries = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith(prefix) && name !== prefix && value ? [[name.slice(prefix.length), value] as const] : [],
  );
  const values: Readonly<Record<string, string>> = Object.freeze(Object.fromEntries(entries));
  return () => values;
}

function readSqlUrls(env: Environment, faults: Fault[]): () => Readonly<Record<string, string>> {
  const urls = Object.entries(readFamily(env, SQL_VARIABLE)()).map(([name, url]) => {
    const path = SQL_VARIABLE + name;
    if (!/^[A-Z][A-Z0-9_]*$/.test(name))
      faults.push({ path, message: "expected a name of capital letters, digits and '_' behind the prefix" });
    tryToParse(path, url, hideSecret(url), parseSqlUrl, faults);
    return [name.toLowerCase(), url];
  });
  const values: Readonly<Record<string, string>> = Object.freeze(Object.fromEntries(urls));
  return () => values;
}

/** Undefined, and one fault more, where `text` cannot be parsed. */
function tryToParse<T>(path: string, text: string, received: string, parse: (text: string) => T, faults: Fault[]) {
  try {
    return parse(text);
  } catch (error) {
    faults.push({ path, message: `${(error as Error).message}, received ${received}` });
    return undefined;
  }
}

/** Whether this process is a whole server: only such a one starts engines of its own. */
export function isWholeServer(config: Config): boolean {
  return DEFAULT_ROLES.every((role) => config.roles.includes(role));
}

/** Variables that many programs share; they have no flags. Those in small letters win, as with curl. */
function readProxies(env: Environment, faults: Fault[]): Proxies {
  const variableOf = (name: string) => [`${name}_proxy`, `${name}_proxy`.toUpperCase()].find((each) => env[each]) ?? "";
  const proxies: Partial<Record<"http" | "https" | "all", string>> = {};
  for (const name of ["http", "https", "all"] as const) {
    const variable = variableOf(name);
    const text = env[variable];
    const proxy = text && tryToParse(variable, text, hideSecret(text), parseProxy, faults);
    if (proxy) proxies[name] = proxy;
  }
  return { ...proxies, exempt: parseExempt(env[variableOf("no")] ?? "") };
}

function faultOfMail(values: Partial<Values>): string | undefined {
  if (values.smtpUrl === undefined || "mailFrom" in values) return undefined;
  return `is required with ${SETTINGS.smtpUrl.env}: the sender of the mails, such as actcore@example.org`;
}

/** A duration that could not be parsed is absent, and is a fault already. */
function faultOfKeys({
  eventRetentionMs = 0,
  runRetentionMs = 0,
  keyRetentionMs = Number.POSITIVE_INFINITY,
}: Partial<Values>): string | undefined {
  if (keyRetentionMs < Math.max(eventRetentionMs, runRetentionMs))
    return "keys must be kept at least as long as events and runs: without its key, an event that comes again would run again";
  if (keyRetentionMs < LEAST_KEYS_MS)
    return `keys must be kept at least ${LEAST_KEYS_MS / 86_400_000} days: longer than the engine remembers closed workflows`;
  return undefined;
}
