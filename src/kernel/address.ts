/** Where something listens or is reached, as text and as parts. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** The host of a URL as a name or an IP address: without the brackets of IPv6, and without dots that end a name. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.+$/, "");
}

/** The port of an `http:` or `https:` URL: the usual one where it names none. */
export function portOf({ port, protocol }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

/** A URL with its password hidden; a text that is no URL is hidden whole. */
export function hideSecret(text: string): string {
  try {
    const url = new URL(text);
    if (url.password !== "") url.password = "***";
    else if (/^(nats|tls):$/.test(url.protocol) && url.username !== "") url.username = "***"; // a token
    for (const key of url.searchParams.keys()) if (/pass|token|secret|key/i.test(key)) url.searchParams.set(key, "***");
    return url.host === "" ? "(hidden)" : url.toString();
  } catch {
    return "(hidden)";
  }
}
