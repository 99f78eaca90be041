/** What went wrong with a mail, by what the client and the server said. Pure. */
import { type ActcoreError, RetryableError, TerminalError } from "../kernel/errors.ts";
import { inOneLine } from "../kernel/printable.ts";
import type { SmtpServer } from "../kernel/smtp-url.ts";

/** What nodemailer adds to its errors. */
interface SmtpFailure {
  message: string;
  /** `EAUTH`, `ETLS`, `EENVELOPE`, `EMESSAGE`, `ECONNECTION`, … */
  code?: string;
  /** The server's answer, of which the next is the number: 4xx may go well later, 5xx will not. */
  response?: string;
  responseCode?: number;
}

const MAX_MESSAGE_LENGTH = 1_000;
/** How node:tls says that a server's certificate does not do. */
const CERTIFICATE = /certificate|altnames|CERT_|self.signed/i;

/** The error of a try; the server's answer is in its details. */
export function toMailError(error: unknown, server: Pick<SmtpServer, "host" | "port" | "tls">): ActcoreError {
  const failure = error as SmtpFailure;
  const { code, response, responseCode = 0 } = failure;
  const said = inOneLine(failure.message).slice(0, MAX_MESSAGE_LENGTH);
  const message = `the mail server ${server.host}:${server.port}: ${said}`;
  const details =
    responseCode > 0 ? { details: { response: inOneLine(response ?? "").slice(0, MAX_MESSAGE_LENGTH) } } : {};
  const terminal = (kind: string, hint?: string) =>
    new TerminalError(kind, message, { ...details, ...(hint !== undefined && { hint }) });
  const retryable = (kind: string) => new RetryableError(kind, message, { ...details, cause: error });

  if (responseCode >= 400 && responseCode < 500) return retryable("mail_deferred");
  if (CERTIFICATE.test(said) && (code === "ETLS" || code === "ESOCKET"))
    return terminal("mail_tls_failed", "Name the file of its authority's certificates by ACTCORE_CA_FILE");
  if (code === "ETLS" && responseCode > 0)
    return terminal("mail_tls_failed", "It does not speak STARTTLS: use smtps://, or ?tls=off where that is safe");
  if (responseCode >= 500 && /starttls/i.test(response ?? "") && server.tls === "off")
    return terminal("mail_tls_required", "Use smtps://, or ?tls=starttls at the end of ACTCORE_SMTP_URL");
  if (code === "EAUTH") return terminal("mail_auth_failed", "See user and password in ACTCORE_SMTP_URL");
  // "503 bad sequence of commands" is about the session, and not about the mail.
  if (responseCode >= 500 && responseCode !== 503) return terminal("mail_refused");
  if (code === "EENVELOPE" || code === "EMESSAGE") return terminal("mail_refused");
  return retryable("mail_unavailable");
}
