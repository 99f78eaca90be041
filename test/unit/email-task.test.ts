/** What is refused of an email task, how addresses and servers are read, and what a failure of a mail server means. */
import { describe, expect, test } from "bun:test";
import { parseMailAddress } from "../../src/kernel/mail-address.ts";
import { checkSmtpUrl, parseSmtpUrl } from "../../src/kernel/smtp-url.ts";
import { toMailError } from "../../src/mail/failure.ts";
import { emailTask } from "../../src/task/email/email-task.ts";
import { taskFaultsOf } from "../support/task-faults.ts";

const MAIL = { to: "ada@example.org", subject: "Hello", text: "Hi" };
const faultsOf = (params: object) => taskFaultsOf("email", { ...MAIL, ...params });

describe("an address", () => {
  test.each([
    ["ada@example.org", "", "ada@example.org"],
    ["root@localhost", "", "root@localhost"],
    [" Ada Lovelace <ada+x@mail.example.org> ", "Ada Lovelace", "ada+x@mail.example.org"],
    ['"Lovelace, Ada" <ada@example.org>', "Lovelace, Ada", "ada@example.org"],
    ["jörg@büro.example", "", "jörg@büro.example"],
    ["<ada@example.org>", "", "ada@example.org"],
  ])("%j is one", (text, name, address) => {
    expect(parseMailAddress(text)).toEqual({ name, address });
  });

  test.each([
    ["", "ada", "ada@", "@example.org", "ada@example..org", "ada@-example.org", "a b@example.org"],
    ["ada@example.org, bob@example.org", "Ada <ada@example.org>, Bob <bob@example.org>", "Ada <ada@example.org> x"],
    ["ada@example.org\r\nBcc: eve@example.org", "Ada\nBcc: eve@example.org <ada@example.org>", "ada@example.org\u0000"],
    [`${"a".repeat(300)}@example.org`, "ada@example.org>", '"ada"@example.org', "ada@[127.0.0.1]"],
  ])("%j and the like are none", (...texts: unknown[]) => {
    expect(texts.filter((text) => typeof text === "string" && parseMailAddress(text) !== undefined)).toEqual([]);
  });
});

describe("a definition", () => {
  test("may have addresses, lists and expressions", () => {
    const to = ["Ada <ada@example.org>", "{{ event.payload.email }}"];
    expect(faultsOf({ to, cc: "{{ event.payload.copies }}", reply_to: "help@example.org", html: "<p>" })).toEqual([]);
  });

  const expected = "expected an address such as ada@example.org or Ada Lovelace <ada@example.org>, received";
  test.each<[params: object, fault: string]>([
    [{ to: "ada" }, `/to ${expected} "ada"`],
    [{ cc: ["ada@example.org", "b@c@d"] }, `/cc/1 ${expected} "b@c@d"`],
    [{ to: "a@example.org, b@example.org" }, `/to ${expected} "a@example.org, b@example.org"`],
    [{ reply_to: "x" }, `/reply_to ${expected} "x"`],
    [{ to: [] }, "/to expected an address, or a list of at most 100, received []"],
    [{ subject: "a\r\nBcc: eve@example.org" }, "/subject has a line break or another control character"],
    [
      { text: { path: "/etc/passwd" } },
      '/text expected a text of at most 500,000 characters, received {"path":"/etc/passwd"}',
    ],
  ])("with %j is refused", (params, fault) => {
    expect(faultsOf(params)).toEqual([fault]);
  });

  test("without text and html, or with too many recipients, is refused", () => {
    expect(taskFaultsOf("email", { to: "ada@example.org", subject: "a" })).toEqual([
      " has neither text nor html: a mail has one of them, or both",
    ]);
    const many = Array(60).fill("ada@example.org");
    expect(faultsOf({ to: many, cc: many })).toEqual([" has 120 recipients, and at most 100 are taken"]);
  });
});

describe("the URL of a mail server", () => {
  test.each<[url: string, server: object]>([
    ["smtp://mail.example.org", { host: "mail.example.org", port: 587, tls: "starttls" }],
    ["smtps://mail.example.org/", { host: "mail.example.org", port: 465, tls: "smtps" }],
    ["smtp://localhost:25", { host: "localhost", port: 25, tls: "off" }],
    ["smtp://[::1]:25?tls=starttls", { host: "::1", port: 25, tls: "starttls" }],
    ["smtp://relay.local:25?tls=off", { host: "relay.local", port: 25, tls: "off" }],
    [
      "smtp://ann%40x:p%40ss%2F@mail.example.org:2525",
      { host: "mail.example.org", port: 2525, tls: "starttls", login: { user: "ann@x", password: "p@ss/" } },
    ],
  ])("%s is one", (url, server) => {
    expect(parseSmtpUrl(url)).toEqual(server as never);
  });

  test.each([
    ["http://mail.example.org", "smtp:", "smtp://", "mail.example.org:587"],
    ["smtp://a@mail.example.org", "smtp://a:%zz@mail.example.org", "smtp://mail.example.org/x", "smtp://mail#x"],
    ["smtps://mail.example.org?tls=off", "smtp://mail.example.org?tls=maybe", "smtp://mail.example.org?pool=1"],
  ])("%s and the like are none", (...urls: unknown[]) => {
    for (const url of urls) if (typeof url === "string") expect(() => parseSmtpUrl(url)).toThrow("expected");
  });

  test("with a secret in it is looked at where it is used", () => {
    const url = "smtp://ann:{{ urlencode(secret.SMTP_PASSWORD) }}@mail.example.org";
    expect(checkSmtpUrl(url)).toBe(url);
    expect(() => checkSmtpUrl("{{ secret.URL }}")).toThrow("expected smtp://");
  });
});

test.each<[failure: object, name: string, code: string]>([
  [{ code: "EAUTH", responseCode: 535, response: "535 no" }, "TerminalError", "mail_auth_failed"],
  [{ code: "EAUTH", responseCode: 454, response: "454 later" }, "RetryableError", "mail_deferred"],
  [{ code: "EENVELOPE", responseCode: 550, response: "550 who?" }, "TerminalError", "mail_refused"],
  [{ code: "EENVELOPE", responseCode: 452, response: "452 too many" }, "RetryableError", "mail_deferred"],
  [{ code: "EMESSAGE", responseCode: 554, response: "554 spam" }, "TerminalError", "mail_refused"],
  [{ code: "EMESSAGE" }, "TerminalError", "mail_refused"],
  [{ code: "EPROTOCOL", responseCode: 503, response: "503 bad sequence" }, "RetryableError", "mail_unavailable"],
  [{ code: "EPROTOCOL", responseCode: 421, response: "421 closing" }, "RetryableError", "mail_deferred"],
  [{ code: "ETLS", responseCode: 502, response: "502 unknown" }, "TerminalError", "mail_tls_failed"],
  [{ code: "ETLS" }, "RetryableError", "mail_unavailable"],
  [{ code: "ECONNECTION" }, "RetryableError", "mail_unavailable"],
  [{ code: "EDNS" }, "RetryableError", "mail_unavailable"],
])("a failure %j of a mail server is a %s %s", (failure, name, code) => {
  const error = toMailError(Object.assign(new Error("it failed"), failure), { host: "m", port: 25, tls: "starttls" });
  expect(error).toMatchObject({ name, code });
  expect(error.message).toContain("m:25");
});

test("who may read tasks sees the recipients, and not what the mail says", () => {
  const shown = emailTask.show({ ...MAIL, cc: ["b@example.org"], html: "<p>" });
  expect(shown).toEqual({ to: MAIL.to, cc: ["b@example.org"], subject: "***", text: "***", html: "***" });
});
