/** Sends mails by SMTP, each on a connection of its own. */
import { createTransport } from "nodemailer";
import { compileTemplate } from "../expression/template.ts";
import { describeError, TerminalError } from "../kernel/errors.ts";
import type { MailAddress } from "../kernel/mail-address.ts";
import { parseSmtpUrl, type SmtpServer } from "../kernel/smtp-url.ts";
import type { Secrets } from "../secret/secrets.ts";
import { renderWithSecrets } from "../secret/with-secrets.ts";
import type { Mail, Mailer } from "../task/email/ports.ts";
import { toMailError } from "./failure.ts";

/** Milliseconds. What a try may take in all is its signal's business. */
const CONNECT_WITHIN_MS = 10_000;
/** How long the server has to close its side of a connection that is closed. */
const CLOSE_WITHIN_MS = 1_000;
/** Characters of the server's last words that are kept. */
const MAX_RESPONSE_LENGTH = 1_000;

export interface MailerOptions {
  /** smtp:// or smtps://; it may read secrets, at each use. */
  readonly url: string;
  readonly from: MailAddress;
  /** All certificates that are trusted, as PEM; the usual ones when absent. */
  readonly trusted?: readonly string[] | undefined;
}

/** Without options, every mail is refused as `mail_not_configured`. */
export function createMailer(options: MailerOptions | undefined, secrets: Secrets): Mailer {
  if (options === undefined) return { send: () => Promise.reject(notConfigured()) };
  const { from, trusted } = options;
  const url = compileTemplate(options.url, { roots: ["secret"] });
  return {
    async send(mail, signal) {
      signal.throwIfAborted();
      const server = readServer(String(renderWithSecrets(url, {}, secrets)));
      if (server.login !== undefined) secrets.register(server.login.password);
      try {
        const sent = await createTransport(toOptions(server, trusted)).sendMail({ ...toMessage(mail, from), signal });
        return {
          message_id: sent.messageId,
          accepted: sent.accepted.map(addressOf),
          rejected: sent.rejected.map(addressOf),
          response: sent.response.slice(0, MAX_RESPONSE_LENGTH),
        };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw toMailError(error, server);
      }
    },
  };
}

function toOptions({ host, port, tls, login }: SmtpServer, trusted: readonly string[] | undefined) {
  return {
    host,
    port,
    secure: tls === "smtps",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "off",
    // A server that offers no login to somebody who has one is not to be used without.
    ...(login !== undefined && { auth: { user: login.user, pass: login.password }, forceAuth: true }),
    ...(trusted !== undefined && { tls: { ca: [...trusted] } }),
    connectionTimeout: CONNECT_WITHIN_MS,
    socketCloseTimeout: CLOSE_WITHIN_MS,
    // A text is a text, and never the name of a file or a URL.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function toMessage({ to, cc, bcc, replyTo, subject, text, html, id, headers }: Mail, from: MailAddress) {
  return {
    from,
    to: [...to],
    cc: [...cc],
    bcc: [...bcc],
    ...(replyTo !== undefined && { replyTo }),
    subject,
    ...(text !== undefined && { text }),
    ...(html !== undefined && { html }),
    messageId: `<${id}@${hostOfSender(from)}>`,
    headers,
    xMailer: "actcore",
  };
}

function hostOfSender({ address }: MailAddress): string {
  return new URL(`http://${address.slice(address.lastIndexOf("@") + 1)}`).hostname;
}

const addressOf = (recipient: string | { address: string }) =>
  typeof recipient === "string" ? recipient : recipient.address;

/** @throws TerminalError `mail_not_configured`, without the URL, which may have a secret in it */
function readServer(url: string): SmtpServer {
  try {
    return parseSmtpUrl(url);
  } catch (error) {
    throw new TerminalError(
      "mail_not_configured",
      `ACTCORE_SMTP_URL is no URL of a mail server: ${describeError(error)}`,
      {
        hint: "Write a secret in it as {{ urlencode(secret.NAME) }}",
      },
    );
  }
}

function notConfigured(): TerminalError {
  return new TerminalError("mail_not_configured", "this worker has no mail server", {
    hint: "Set ACTCORE_SMTP_URL and ACTCORE_MAIL_FROM for it",
  });
}
