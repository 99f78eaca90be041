/**
 * How a request goes out: once, to an address that was checked, and with no time limit besides that of its signal. The body
 * of the response comes as it was sent: packed, if the receiver packed it.
 *
 *   forbidden URL? → through a proxy
 *                  → directly: name → addresses → without the forbidden ones → the first that accepts a connection
 *
 * What is dialled is the address that was checked, and not the name, which may lead elsewhere a moment later. Where a
 * proxy is used it resolves the name, so only what the URL itself says is checked then.
 */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { hostOf, portOf } from "../kernel/address.ts";
import { TerminalError } from "../kernel/errors.ts";
import type { Proxies } from "../kernel/setting-values.ts";
import { aborted } from "../kernel/wait.ts";
import { findForbiddenAddress, findForbiddenUrl } from "./destination.ts";
import type { OwnEngines } from "./own-engines.ts";
import { findProxy } from "./proxy.ts";
import { findReachable } from "./reachable-address.ts";
import type { HttpRequest } from "./request.ts";
import { showUrl } from "./url.ts";

export interface DialDeps {
  /** No request goes to these. */
  readonly engines: OwnEngines;
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

export function createDial({ engines, proxies, trusted, resolve = resolveName }: DialDeps): Dial {
  /** An address of the URL's host that a request may go to. */
  async function findAddress(url: URL, signal: AbortSignal): Promise<string> {
    const port = portOf(url);
    const interrupted = aborted(signal).then(() => Promise.reject(signal.reason));
    const addresses = await Promise.race([resolve(url.hostname), interrupted]);
    const reasons = addresses.map((address) => findForbiddenAddress(address, port, engines));
    const allowed = addresses.filter((_, at) => reasons[at] === undefined);
    if (allowed.length === 0) throw forbidden(url, `it leads to ${addresses[0]}: ${reasons[0]}`);
    return findReachable(allowed, port, signal);
  }

  return async ({ url, ...request }, signal) => {
    signal.throwIfAborted();
    const reason = findForbiddenUrl(url, engines);
    if (reason !== undefined) throw forbidden(url, reason);
    const ca = trusted && { ca: [...trusted] };
    const options = { ...request, ...PLAIN, signal, ...(ca && { tls: ca }) };
    const proxy = findProxy(url, proxies);
    if (proxy !== undefined) {
      // fetch ignores a proxy of another kind, and would go out directly.
      if (!/^https?:/i.test(proxy)) throw unsupported(proxy);
      return fetch(url, { ...options, proxy: { url: proxy, respectNoProxy: false } });
    }
    if (isIP(hostOf(url)) !== 0) return fetch(url, { ...options, proxy: false });

    const address = await findAddress(url, signal);
    const dialled = new URL(url);
    dialled.hostname = address.includes(":") ? `[${address}]` : address;
    const headers = new Headers(request.headers);
    if (!headers.has("host")) headers.set("host", url.host);
    const tls = { ...ca, serverName: hostOf(url) };
    return fetch(dialled, { ...options, headers, proxy: false, ...(url.protocol === "https:" && { tls }) });
  };
}

async function resolveName(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function forbidden(url: URL, reason: string): TerminalError {
  return new TerminalError("http_forbidden", `${showUrl(url.href)} may not be called: ${reason}`, {
    hint: "Call another place: actcore's own engines, link-local and metadata addresses are refused always",
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
