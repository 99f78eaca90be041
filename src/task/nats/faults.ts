/** What the schema does not say of the params of a nats task. Pure. */
import { hasTemplate } from "../../expression/template.ts";
import { preview } from "../../json/faults.ts";
import { pointTo } from "../../json/pointer.ts";
import type { Fault } from "../../kernel/errors.ts";
import type { NatsParams } from "./params.ts";

/** Printable ASCII without a colon. */
const HEADER_NAME = /^[\x21-\x39\x3b-\x7e]+$/;

export function findNatsFaults({ subject, headers = {} }: NatsParams, path: string): Fault[] {
  const message = hasTemplate(subject) ? undefined : describeSubjectFault(subject);
  return [
    ...(message === undefined ? [] : [{ path: `${path}/subject`, message }]),
    ...findHeaderFaults(headers, `${path}/headers`),
  ];
}

/** Why nothing may be published to it; undefined where something may. */
export function describeSubjectFault(subject: string): string | undefined {
  const shown = preview(subject);
  if (/[\s\p{Cc}]/u.test(subject) || subject.split(".").includes(""))
    return `expected words separated by dots, without spaces, received ${shown}`;
  if (/[*>]/.test(subject)) return `expected a subject without wildcards, received ${shown}`;
  if (subject.startsWith("$") || /^_INBOX(\.|$)/.test(subject)) return `${shown} is one of NATS' own subjects`;
  return undefined;
}

export function findHeaderFaults(headers: Readonly<Record<string, unknown>>, path: string): Fault[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    const message = describeHeaderFault(name, value);
    return message === undefined ? [] : [{ path: pointTo(path, name), message }];
  });
}

/** Without the value, which may be a secret. */
function describeHeaderFault(name: string, value: unknown): string | undefined {
  if (!HEADER_NAME.test(name)) return "is no header of NATS: its name has characters that none may have";
  if (/^nats-/i.test(name)) return "is one of NATS' own headers: the message id is the task's idempotency key";
  if (/[\r\n]/.test(String(value))) return "has a line break, which no header may have";
  return undefined;
}
