/** What mails of this process are sent by. */
import type { Config } from "../kernel/config.ts";
import { createMailer } from "../mail/mailer.ts";
import type { Secrets } from "../secret/secrets.ts";
import type { Mailer } from "../task/email/ports.ts";

export function createConfiguredMailer({ smtpUrl: url, mailFrom: from, caFile }: Config, secrets: Secrets): Mailer {
  const isConfigured = url !== undefined && from !== undefined;
  return createMailer(isConfigured ? { url, from, trusted: caFile?.trusted } : undefined, secrets);
}
