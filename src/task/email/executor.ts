/**
 * The `email` executor: one mail. Its Message-ID follows from the task's idempotency key, so that a mail which was sent
 * again, because the first answer was lost, can be known as the same (I8).
 */
import { findFaults } from "../../json/faults.ts";
import { TerminalError } from "../../kernel/errors.ts";
import { type MailAddress, parseMailAddress } from "../../kernel/mail-address.ts";
import type { Executor, TaskAttempt } from "../task.ts";
import type { ExecutorDeps } from "../task-type.ts";
import { findEmailFaults, listOf } from "./faults.ts";
import { type EmailParams, EmailParamsSchema } from "./params.ts";
import type { Mail } from "./ports.ts";

export function createEmailExecutor({ mailer }: Pick<ExecutorDeps, "mailer">): Executor<EmailParams> {
  return async (attempt, { signal, log }) => {
    const sent = await mailer.send(toMail(attempt), signal);
    if (sent.rejected.length > 0) log.warn({ rejected: sent.rejected }, "the mail server refused some recipients");
    return sent;
  };
}

/** @throws TerminalError `mail_invalid`: what expressions and secrets made was not known before */
function toMail({ params, idempotency_key, input: { run } }: TaskAttempt<EmailParams>): Mail {
  const shape = findFaults(EmailParamsSchema, params, "params");
  const [fault] = shape.length > 0 ? shape : findEmailFaults(params, "params", false);
  if (fault !== undefined) throw new TerminalError("mail_invalid", `${fault.path} ${fault.message}`);
  const { to, cc, bcc, reply_to, subject, text, html } = params;
  const [replyTo] = toAddresses(reply_to);
  return {
    to: toAddresses(to),
    cc: toAddresses(cc),
    bcc: toAddresses(bcc),
    ...(replyTo !== undefined && { replyTo }),
    subject,
    ...(text !== undefined && { text }),
    ...(html !== undefined && { html }),
    id: idempotency_key,
    // Auto-Submitted keeps a receiver's "I am on holiday" from being sent (RFC 3834).
    headers: { "X-Actcore-Run": run.run_id, "Auto-Submitted": "auto-generated" },
  };
}

function toAddresses(written: string | readonly string[] | undefined): MailAddress[] {
  return listOf(written).flatMap((text) => parseMailAddress(text) ?? []);
}
