/** The URL of a mail server: `smtp://user:password@host:587`, or `smtps://…` where TLS comes first. */
import { hostOf, isLoopback } from "./address.ts";

export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** `smtps`: TLS from the first byte. `starttls`: nothing but a greeting goes before it. `off`: as plain text. */
  readonly tls: "smtps" | "starttls" | "off";
  readonly login?: { readonly user: string; readonly password: string };
}

const EXPECTED = "expected smtp://user:password@host:port or smtps://user:password@host:port";

/**
 * Without a port, 587 for `smtp:` and 465 for `smtps:`. `smtp:` means STARTTLS, but as plain text to a server of this host;
 * `?tls=starttls` and `?tls=off` say otherwise.
 * @throws Error whose message says what was expected
 */
export function parseSmtpUrl(text: string): SmtpServer {
  const url = /^smtps?:\/\/./.test(text) ? URL.parse(text) : null;
  if (url === null || url.hostname === "" || !/^\/?$/.test(url.pathname) || url.hash !== "") throw new Error(EXPECTED);
  const isSecure = url.protocol === "smtps:";
  const host = hostOf(url);
  const parameters = [...url.searchParams];
  const tls = url.searchParams.get("tls") ?? (isLoopback(host) ? "off" : "starttls");
  if (isSecure ? parameters.length > 0 : parameters.some(([name]) => name !== "tls"))
    throw new Error(`${EXPECTED}; smtp:// may end with ?tls=starttls or ?tls=off`);
  if (tls !== "starttls" && tls !== "off") throw new Error("expected ?tls=starttls or ?tls=off");
  return {
    host,
    port: url.port === "" ? (isSecure ? 465 : 587) : Number(url.port),
    tls: isSecure ? "smtps" : tls,
    ...readLogin(url),
  };
}

function readLogin({ username, password }: URL): Pick<SmtpServer, "login"> {
  if (username === "" && password === "") return {};
  if (username === "" || password === "") throw new Error(`${EXPECTED}: a user and a password, or none of them`);
  try {
    return { login: { user: decodeURIComponent(username), password: decodeURIComponent(password) } };
  } catch {
    throw new Error("expected each '%' that begins no escape as %25, in the password too");
  }
}

/** What a setting's text is accepted by. One with a {{ secret }} in it is a URL only where it is used. */
export function checkSmtpUrl(text: string): string {
  if (!/^smtps?:\/\/./.test(text)) throw new Error(EXPECTED);
  if (!text.includes("{{")) parseSmtpUrl(text);
  return text;
}
