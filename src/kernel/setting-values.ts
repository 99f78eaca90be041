/** What a setting's text means; each throws an Error whose message says what was expected. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { Address } from "./address.ts";
import { LABEL, LABEL_CHARACTERS } from "./label.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export const ROLES = ["worker", "router", "api", "sync"] as const;
export type RoleName = (typeof ROLES)[number];

/** What stands between separators, without the spaces around it. */
export function splitList(text: string, separator: string | RegExp = ","): string[] {
  return text
    .split(separator)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

export function parseRoles(text: string): readonly RoleName[] {
  const names = splitList(text);
  const unknown = names.filter((name) => !ROLES.includes(name as RoleName));
  if (text !== "" && names.length === 0) throw new Error(`expected a list of ${ROLES.join(", ")}`);
  if (unknown.length > 0) throw new Error(`expected a list of ${ROLES.join(", ")}; ${unknown.join(", ")} is none`);
  return [...new Set(names)] as RoleName[];
}

/** Which definitions may have command tasks: those from files, all, or none. */
export const COMMAND_RULES = ["files", "all", "off"] as const;
export type CommandRule = (typeof COMMAND_RULES)[number];

export function parseCommandRule(text: string): CommandRule {
  const rule = COMMAND_RULES.find((each) => each === text);
  if (rule === undefined) throw new Error(`expected one of ${COMMAND_RULES.join(", ")}`);
  return rule;
}

export function parseDbUrl(text: string): string {
  const match = /^(?:postgres|postgresql)(?:\+\w+)?:\/\/(.+)$/.exec(text);
  const url = URL.parse(`postgresql://${match?.[1] ?? ""}`);
  if (!match || url === null) throw new Error("expected postgresql://user:password@host:port/database");
  requireEscapes(url);
  return url.href; // with each '@' of the password as %40: Postgres' client would take it for the host's
}

/** One with a {{ secret }} in it is a URL only where it is used. */
export function parseSqlUrl(text: string): string {
  if (!/^postgres(ql)?:\/\/./.test(text)) throw new Error("expected postgres://user:password@host:port/database");
  return text.includes("{{") ? text : parseDbUrl(text);
}

export function parseNatsUrl(text: string): string {
  const servers = text.split(",").map((server) => server.trim());
  // Not ws:// or wss://: the client would wait for ever for a greeting that WebSocket servers do not send.
  const urls = servers.map((server) => (/^(nats|tls):\/\/./.test(server) ? URL.parse(server) : null));
  if (!urls.every((url) => url !== null)) throw new Error("expected nats://host:port, or several separated by ','");
  urls.forEach(requireEscapes);
  return servers.join(",");
}

/** The clients decode percent-escapes of a URL when they connect, and would fail at each try on a '%' that begins no escape. */
function requireEscapes({ username, password, hostname, pathname }: URL): void {
  try {
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part);
  } catch {
    throw new Error("expected each '%' that begins no escape as %25, in the password too");
  }
}

export function parseHosts(text: string): readonly string[] {
  const hosts = splitList(text.toLowerCase());
  if (!hosts.every((host) => /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host)))
    throw new Error("expected host names without ports, separated by ','");
  return hosts;
}

export function parseLabels(text: string): readonly string[] {
  const labels = splitList(text);
  if (!labels.every((label) => new RegExp(LABEL).test(label)))
    throw new Error(`expected labels of ${LABEL_CHARACTERS}, separated by ','`);
  return [...new Set(labels)];
}

export function parsePort(text: string): number {
  return parseWhole(text, 1, 65_535);
}

export function parseWhole(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new Error(`expected a whole number from ${min} to ${max}`);
  return value;
}

export function parseSwitch(text: string): boolean {
  if (/^(1|true|yes|on)$/i.test(text)) return true;
  if (/^(0|false|no|off)$/i.test(text)) return false;
  throw new Error("expected true or false");
}

/** root keeps to the system's directories: Postgres runs unprivileged there and could not enter /root. */
export function defaultDataDir(env: Environment): string {
  if (process.getuid?.() === 0) return "/var/lib/actcore";
  return join(env.XDG_DATA_HOME || join(env.HOME || homedir(), ".local", "share"), "actcore");
}

export function defaultCacheDir(env: Environment): string {
  if (process.getuid?.() === 0) return "/var/cache/actcore";
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "actcore");
}

export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^\s:[\]/]*)):(\d{1,5})$/.exec(text);
  if (!match) throw new Error("expected host:port");
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" ? "0.0.0.0" : host, port: parsePort(match[3] ?? "") };
}

/** Where requests to the outside go through: URLs with their scheme, and who is exempt. */
export interface Proxies {
  /** For `http:` URLs; the next one for `https:` URLs; `all` for those whose own is absent. */
  readonly http?: string;
  readonly https?: string;
  readonly all?: string;
  /** The entries of NO_PROXY. */
  readonly exempt: readonly string[];
}

/** As curl takes it, a proxy without a scheme is one for HTTP. */
export function parseProxy(text: string): string {
  const url = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url) || new URL(url).host === "") throw new Error("expected the URL of a proxy, http://host:port");
  return url;
}

export function parseExempt(text: string): string[] {
  return splitList(text, /[\s,]+/);
}
