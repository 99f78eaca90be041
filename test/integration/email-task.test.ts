/** Mails of email tasks against a real mail server, and against one that does not answer. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { readTrustedFile } from "../../src/kernel/certificates.ts";
import type { ActcoreError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMailer } from "../../src/mail/mailer.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { createEmailExecutor } from "../../src/task/email/executor.ts";
import type { EmailParams } from "../../src/task/email/params.ts";
import type { MailSent } from "../../src/task/email/ports.ts";
import type { TaskAttempt } from "../../src/task/task.ts";
import { eventually } from "../support/engines.ts";
import { httpAttempt } from "../support/http-attempt.ts";
import { PYTHON_TIMEOUT_MS, preparePython } from "../support/python.ts";
import { headerOf, startSmtpServer } from "../support/smtp-server.ts";

const CERTIFICATES = `${import.meta.dir}/../support/certificates`;
const { trusted } = readTrustedFile(`${CERTIFICATES}/ca.pem`);
const PASSWORD = "p@ss/word of this test";
type SmtpServer = Awaited<ReturnType<typeof startSmtpServer>>;

let plain: SmtpServer;
/** Wants STARTTLS, and a login. */
let strict: SmtpServer;
beforeAll(async () => {
  const python = await preparePython();
  [plain, strict] = await Promise.all([
    startSmtpServer(python),
    startSmtpServer(python, `${CERTIFICATES}/server.pem`, `${CERTIFICATES}/server.key`, "ann", PASSWORD),
  ]);
}, PYTHON_TIMEOUT_MS);
afterAll(() => Promise.all([plain?.stop(), strict?.stop()]));

const log = createLog("silent");
const secrets = createSecrets({ values: { SMTP_PASSWORD: PASSWORD } });
const MAIL: EmailParams = { to: "ada@example.org", subject: "Hello", text: "Hi" };

function send(
  url: string,
  params: Partial<EmailParams> = {},
  { trust = true, signal = new AbortController().signal, attempt = {} as Partial<TaskAttempt> } = {},
): Promise<MailSent> {
  const from = { name: "Activities", address: "actcore@mail.example.org" };
  const mailer = createMailer({ url, from, ...(trust && { trusted }) }, secrets);
  const task = { ...httpAttempt({ url: "" }), type: "email", ...attempt, params: { ...MAIL, ...params } };
  return createEmailExecutor({ mailer })(task, { signal, log }) as Promise<MailSent>;
}
const failure = (...args: Parameters<typeof send>): Promise<ActcoreError> =>
  send(...args).then(
    (sent) => Promise.reject(new Error(`it was sent: ${JSON.stringify(sent)}`)),
    (error) => error,
  );
const strictUrl = (password = "{{ urlencode(secret.SMTP_PASSWORD) }}", query = "?tls=starttls") =>
  `smtp://ann:${password}@localhost:${strict.port}${query}`;

test("a mail reaches its recipients, with its parts and without those of bcc, and the same Message-ID at every try", async () => {
  const { idempotency_key, input } = httpAttempt({ url: "" });
  const params = {
    to: ["Ada Lövelace <ada@example.org>", "bob@example.org"],
    cc: "cleo@example.org",
    bcc: "dan@example.org",
    reply_to: "help@example.org",
    subject: "Grüße aus Köln",
    html: "<p>Hi</p>",
  };
  const first = await send(`smtp://127.0.0.1:${plain.port}`, params);
  await send(`smtp://127.0.0.1:${plain.port}`, params, { attempt: { attempt: 2 } });
  const recipients = ["ada@example.org", "bob@example.org", "cleo@example.org", "dan@example.org"];
  const message_id = `<${idempotency_key}@mail.example.org>`;
  expect(first).toEqual({ message_id, accepted: recipients, rejected: [], response: "250 taken as 4711" });
  const [mail, again] = await eventually("both came", () => plain.received.length === 2 && plain.received);
  if (mail === undefined || again === undefined) throw new Error("no mail came");
  expect(mail).toMatchObject({ from: "actcore@mail.example.org", to: recipients, tls: false, login: false });
  expect([headerOf(mail, "Message-ID"), headerOf(again, "Message-ID")]).toEqual([message_id, message_id]);
  expect(headerOf(mail, "From")).toBe("Activities <actcore@mail.example.org>");
  expect(headerOf(mail, "Reply-To")).toBe("help@example.org");
  expect(headerOf(mail, "X-Actcore-Run")).toBe(input.run.run_id);
  expect(headerOf(mail, "Auto-Submitted")).toBe("auto-generated");
  expect(mail.content).toContain("<p>Hi</p>");
  expect(mail.content).not.toContain("dan@example.org");
});

test("STARTTLS and a login come first, with a password that is a secret and a certificate that is trusted", async () => {
  await send(strictUrl());
  const [mail] = await eventually("it came", () => strict.received.length > 0 && strict.received);
  expect(mail).toMatchObject({ tls: true, login: true });
});

test("a wrong password fails for good, and is not told", async () => {
  const error = await failure(strictUrl("hunter2-hunter2"));
  expect(error).toMatchObject({ name: "TerminalError", code: "mail_auth_failed" });
  expect(JSON.stringify([error.message, error.details])).not.toContain("hunter2");
});

test("a certificate of an unknown authority fails for good, and nothing is sent", async () => {
  const count = strict.received.length;
  expect(await failure(strictUrl(), {}, { trust: false })).toMatchObject({
    name: "TerminalError",
    code: "mail_tls_failed",
  });
  expect(strict.received).toHaveLength(count);
});

test("a server that wants TLS gets none as plain text, and one that has none now is tried again", async () => {
  const wants = await failure(strictUrl(undefined, "?tls=off"));
  expect(wants).toMatchObject({ name: "TerminalError", code: "mail_tls_required" });
  const has = await failure(`smtp://127.0.0.1:${plain.port}?tls=starttls`);
  expect(has).toMatchObject({ name: "RetryableError", message: expect.stringContaining("454 TLS not") });
});

test("a refused recipient fails for good, and one that is put off is tried again", async () => {
  const url = `smtp://127.0.0.1:${plain.port}`;
  expect(await failure(url, { to: "refused@example.org" })).toMatchObject({
    name: "TerminalError",
    code: "mail_refused",
    details: { response: "550 5.1.1 no such user here" },
  });
  expect(await failure(url, { to: "later@example.org" })).toMatchObject({
    name: "RetryableError",
    code: "mail_deferred",
  });
  const some = await send(url, { to: ["refused@example.org", "ada@example.org"] });
  expect(some).toMatchObject({ accepted: ["ada@example.org"], rejected: ["refused@example.org"] });
});

test("a server that hangs keeps no connection once the time is over", async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket.on("error", () => {})));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  const url = `smtp://127.0.0.1:${port}`;
  await expect(send(url, {}, { signal: AbortSignal.timeout(200) })).rejects.toThrow("timed out");
  const closed = new Promise<void>((resolve) => sockets[0]?.once("close", () => resolve()).resume());
  await closed;
  silent.close();
  await expect(
    send(`smtp://127.0.0.1:${plain.port}`, { to: "slow@example.org" }, { signal: AbortSignal.timeout(500) }),
  ).rejects.toThrow("timed out");
});

test("a server that is not there is tried again", async () => {
  expect(await failure("smtp://127.0.0.1:1")).toMatchObject({ name: "RetryableError", code: "mail_unavailable" });
});

test("a worker without a mail server says what to set", async () => {
  const executor = createEmailExecutor({ mailer: createMailer(undefined, secrets) });
  const task = { ...httpAttempt({ url: "" }), type: "email", params: MAIL };
  await expect(executor(task, { signal: new AbortController().signal, log })).rejects.toMatchObject({
    name: "TerminalError",
    code: "mail_not_configured",
    hint: expect.stringContaining("ACTCORE_SMTP_URL"),
  });
});
