/** What the executor of email tasks uses of a mail server; mail/mailer.ts is behind it. */
import type { MailAddress } from "../../kernel/mail-address.ts";

export interface Mail {
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[];
  readonly bcc: readonly MailAddress[];
  readonly replyTo?: MailAddress;
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  /** What stands before the `@` of its Message-ID. */
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What the server said of a mail that it took for at least one recipient. */
export interface MailSent {
  /** With its angle brackets. */
  message_id: string;
  /** The addresses that it took, and those that it refused. */
  accepted: string[];
  rejected: string[];
  /** Its last words. */
  response: string;
}

export interface Mailer {
  /**
   * Resolves when the server has the mail; when `signal` aborts, the connection is closed.
   * @throws TerminalError `mail_not_configured`, `mail_auth_failed`, `mail_tls_failed`, `mail_tls_required`, `mail_refused`;
   * RetryableError `mail_deferred`, `mail_unavailable`; what a secret of the server's URL says; the reason of `signal`
   */
  send(mail: Mail, signal: AbortSignal): Promise<MailSent>;
}
