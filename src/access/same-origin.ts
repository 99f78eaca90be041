/**
 * Refuses what a browser sends on behalf of another site. Pure: facts of a request in, a refusal or nothing out.
 *
 *   S1. DNS rebinding: a name of an attacker's that turns to 127.0.0.1 makes his page "same origin" with us. So a
 *       loopback listener answers only to names that cannot be turned: loopback's own, and those that the operator gave.
 *   S2. Cross-site posts: a request that carries another origin is refused, reads too: nobody but our own page has
 *       business here with a browser. `null` (a file, a sandbox) is another origin.
 *   S3. `Sec-Fetch-Site` says the same where browsers leave Origin out. A link that a person follows is let through: it
 *       is a GET, which changes nothing, and the linking site cannot read the answer.
 *
 * Clients that are no browsers send neither Origin nor Sec-Fetch-Site.
 */
import { isLoopback } from "../kernel/address.ts";
import { TerminalError } from "../kernel/errors.ts";

export interface HostPolicy {
  /** Whether the listener is on loopback. */
  readonly loopback: boolean;
  /** Names that are answered to besides loopback's, in lower case. None, and no loopback listener: any name. */
  readonly hosts: readonly string[];
}

export interface RequestFacts {
  method: string;
  /** Load balancers ask for health under whatever name they have for us; nothing there is worth rebinding for. */
  anyHost: boolean;
  /** As sent: `name` or `name:port`. */
  host: string;
  headers: Headers;
}

/** TerminalError `host_not_allowed` or `origin_not_allowed`; undefined for a request that may go on. */
export function findRefusal(request: RequestFacts, policy: HostPolicy): TerminalError | undefined {
  if (!request.anyHost && !isOurHost(request.host, policy))
    return new TerminalError("host_not_allowed", `this API does not answer to the host ${quote(request.host)}`, {
      hint: "call it as localhost, or name the host with ACTCORE_API_HOSTS (--api-hosts)",
    });
  const origin = request.headers.get("origin");
  if (origin !== null && !isSameOrigin(origin, request.host))
    return new TerminalError("origin_not_allowed", `pages of ${quote(origin)} may not use this API`, {
      hint: "call it from a server, or through a proxy that keeps the Host header of its own page",
    });
  const site = request.headers.get("sec-fetch-site");
  if ((site === "cross-site" || site === "same-site") && !isFollowedLink(request))
    return new TerminalError("origin_not_allowed", `pages of another origin (${site}) may not use this API`);
  return undefined;
}

function isOurHost(host: string, { loopback, hosts }: HostPolicy): boolean {
  if (!loopback && hosts.length === 0) return true;
  const name = hostName(host);
  return name !== undefined && (isLoopback(name) || hosts.includes(name));
}

/** The name in `name:port` or `[address]:port`, in lower case; undefined for what is neither. */
export function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:@/\\?#[\]]+?)\.?)(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/** By host and port; the scheme is left out: behind a proxy that ends TLS, only it knows it. */
function isSameOrigin(origin: string, host: string): boolean {
  const own = /^(https?):\/\/[^/]+$/i.test(origin) ? `${origin.split(":")[0]}://${host}` : "";
  if (!URL.canParse(origin) || !URL.canParse(own)) return false;
  return new URL(origin).host === new URL(own).host;
}

function isFollowedLink({ method, headers }: RequestFacts): boolean {
  return (
    method === "GET" && headers.get("sec-fetch-mode") === "navigate" && headers.get("sec-fetch-dest") === "document"
  );
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
