/** What the schema does not say of the params of an email task. Pure. */
import { hasTemplate } from "../../expression/template.ts";
import { preview } from "../../json/faults.ts";
import type { Fault } from "../../kernel/errors.ts";
import { EXPECTED_ADDRESS, parseMailAddress } from "../../kernel/mail-address.ts";
import { type EmailParams, MAX_RECIPIENTS } from "./params.ts";

/** @param isTemplate whether a text with `{{` in it is an expression, and its value known later */
export function findEmailFaults(params: EmailParams, path: string, isTemplate = true): Fault[] {
  const isKnown = (text: string) => !isTemplate || !hasTemplate(text);
  const faults: Fault[] = [];
  let recipients = 0;
  for (const field of ["to", "cc", "bcc", "reply_to"] as const) {
    const written = params[field];
    if (written === undefined) continue;
    if (field !== "reply_to") recipients += listOf(written).length;
    listOf(written).forEach((text, index) => {
      if (isKnown(text) && parseMailAddress(text) === undefined)
        faults.push({
          path: `${path}/${field}${Array.isArray(written) ? `/${index}` : ""}`,
          message: `expected ${EXPECTED_ADDRESS}, received ${preview(text)}`,
        });
    });
  }
  if (recipients > MAX_RECIPIENTS)
    faults.push({ path, message: `has ${recipients} recipients, and at most ${MAX_RECIPIENTS} are taken` });
  if (isKnown(params.subject) && /\p{Cc}/u.test(params.subject))
    faults.push({ path: `${path}/subject`, message: "has a line break or another control character" });
  if (params.text === undefined && params.html === undefined)
    faults.push({ path, message: "has neither text nor html: a mail has one of them, or both" });
  return faults;
}

export function listOf(addresses: string | readonly string[] = []): readonly string[] {
  return typeof addresses === "string" ? [addresses] : addresses;
}
