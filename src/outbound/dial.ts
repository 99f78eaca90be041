/**
 * How a request goes out: once, to an address that was checked, and with no time limit besides that of its signal. The body
 * of the response comes as it was sent: packed, if the receiver packed it.
 *
 *   forbidden URL? → directly: name → addresses → without the forbidden ones → the first that accepts a connection
 *                  → through a proxy, by the URL as it is
 *
 * What is dialled is the address that was checked, and not the name, which may lead elsewhere a moment later. A proxy looks up
 * the name itself, so only what the URL says is checked then. Where an expression computed the host, that is not
 * enough: its name is looked up here too, and the proxy is asked for a tunnel to the address that was checked. For plain http
 * there is no tunnel, and a proxy would send the address as Host (RFC 9112 §3.2.2), so such a request is refused.
 */
import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";
import { hostOf, portOf } from "../kernel/address.ts";
import type { AllowedHost } from "../kernel/allowed-hosts.ts";
import { TerminalError } from "../kernel/errors.ts";
import type { Proxies } from "../kernel/setting-values.ts";
import { unlessAborted } from "../kernel/wait.ts";
import { findPrivateAddress, isListed } from "./computed-host.ts";
import { findForbiddenAddress, findForbiddenUrl } from "./destination.ts";
import type { OwnEngines } from "./own-engines.ts";
import { findProxy } from "./proxy.ts";
import { findReachable } from "./reachable-address.ts";
import type { HttpRequest } from "./request.ts";
import { showUrl } from "./url.ts";

export interface DialDeps {
  /** No request goes to these. */
  readonly engines: OwnEngines;
  /** Hosts that an expression may compute though they are not public (ACTCORE_HTTP_ALLOW). */
  readonly allowed: readonly AllowedHost[];
  readonly proxies: Proxies;
  /** All certificates that are trusted, as PEM; the usual ones when absent. */
  readonly trusted?: readonly string[] | undefined;
  /** The IP addresses of a name; the operating system's resolver when absent. Rejects when there is none. */
  readonly resolve?: (name: string) => Promise<string[]>;
}

export interface DialOptions {
  /** Whether an expression made the URL's host, and not the definition's author (isHostWritten). */
  readonly hostIsComputed: boolean;
}

/**
 * Resolves when the head of the response is there.
 * @throws TerminalError `http_forbidden`, `proxy_unsupported`; what a resolver or fetch throws; the reason of `signal`
 */
export type Dial = (request: HttpRequest, signal: AbortSignal, options: DialOptions) => Promise<Response>;

/**
 * These options switch off what fetch would do by itself:
 *
 *   keepalive   on a connection that is used again, fetch sends a GET, PUT or DELETE a second time when the receiver
 *               closes without an answer. Each request has a connection of its own
 *   timeout     fetch gives up after five minutes of silence. The task's own timeout is the only limit
 *   decompress  fetch unpacks without a bound (content-encoding.ts)
 */
const PLAIN = { keepalive: false, timeout: false, decompress: false, redirect: "manual" } as const;

/** Of one name. Whoever owns it could name thousands, and have each of them connected to. */
const MOST_ADDRESSES = 8;

export function createDial({ engines, allowed, proxies, trusted, resolve = resolveName }: DialDeps): Dial {
  /** Those of the host's addresses that a request may go to; at least one. */
  async function findAddresses(url: URL, mustBePublic: boolean, signal: AbortSignal): Promise<string[]> {
    const [host, port] = [hostOf(url), portOf(url)];
    const addresses = isIP(host) !== 0 ? [host] : await unlessAborted(resolve(url.hostname), signal);
    const checked = addresses.map((address) => ({
      address,
      forbidden: findForbiddenAddress(address, port, engines),
      private: mustBePublic ? findPrivateAddress(address, port, { engines, allowed }) : undefined,
    }));
    const good = checked.filter((each) => each.forbidden === undefined && each.private === undefined);
    if (good.length > 0) return good.slice(0, MOST_ADDRESSES).map(({ address }) => address);
    const [first] = checked;
    if (first === undefined) throw new Error(`${host} has no address`);
    const leads = isIP(host) !== 0 ? "" : `it leads to ${first.address}: `;
    if (first.forbidden !== undefined) throw forbidden(url, leads + first.forbidden);
    throw notPublic(url, `${leads}${first.private}, and an expression computed its host`);
  }

  return async ({ url, ...request }, signal, { hostIsComputed }) => {
    signal.throwIfAborted();
    // fetch reads files and other things by their URL.
    if (!/^https?:$/.test(url.protocol)) throw forbidden(url, `${url.protocol} is neither http: nor https:`);
    const reason = findForbiddenUrl(url, engines);
    if (reason !== undefined) throw forbidden(url, reason);
    const ca = trusted && { ca: [...trusted] };
    const options = { ...request, ...PLAIN, signal, ...(ca && { tls: ca }) };
    const proxyUrl = findProxy(url, proxies);
    // fetch ignores a proxy of another kind, and would go out directly.
    if (proxyUrl !== undefined && !/^https?:/i.test(proxyUrl)) throw unsupported(proxyUrl);
    const proxy = proxyUrl === undefined ? (false as const) : { url: proxyUrl, respectNoProxy: false };
    const host = hostOf(url);
    const mustBePublic = hostIsComputed && !isListed(host, portOf(url), allowed);
    if (proxy && !mustBePublic) return fetch(url, { ...options, proxy });
    if (proxy && url.protocol === "http:" && isIP(host) === 0)
      throw notPublic(url, "its proxy looks up the name, which may lead elsewhere, and an expression computed it");

    const addresses = await findAddresses(url, mustBePublic, signal);
    const address = proxy ? forProxy(addresses) : await findReachable(addresses, portOf(url), signal);
    const dialled = new URL(url);
    dialled.hostname = isIPv6(address) ? `[${address}]` : address;
    if (isIP(host) !== 0) return fetch(dialled, { ...options, proxy });
    const headers = new Headers(request.headers);
    if (!headers.has("host")) headers.set("host", url.host);
    const tls = { ...ca, serverName: host };
    return fetch(dialled, { ...options, headers, proxy, ...(url.protocol === "https:" && { tls }) });
  };
}

/** A proxy may have no IPv6. */
function forProxy(addresses: readonly string[]): string {
  return addresses.find((address) => !isIPv6(address)) ?? (addresses[0] as string);
}

async function resolveName(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function forbidden(url: URL, reason: string): TerminalError {
  return new TerminalError("http_forbidden", `${showUrl(url.href)} may not be called: ${reason}`, {
    hint: "Call another place: actcore's own engines, link-local and metadata addresses are refused always",
  });
}

function notPublic(url: URL, reason: string): TerminalError {
  return new TerminalError("http_forbidden", `${showUrl(url.href)} may not be called: ${reason}`, {
    hint: "Write the host into the definition, or list it in ACTCORE_HTTP_ALLOW",
  });
}

function unsupported(proxy: string): TerminalError {
  const scheme = proxy.slice(0, proxy.indexOf(":"));
  return new TerminalError(
    "proxy_unsupported",
    `the proxy of this request speaks ${scheme}, and only http and https are known`,
    { hint: "Set HTTP_PROXY and HTTPS_PROXY, or name the host in NO_PROXY" },
  );
}
