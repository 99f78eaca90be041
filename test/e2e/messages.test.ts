/** The examples of docs/tasks that reach the outside, run by the compiled binary: against a receiver, a stream and a mail server. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "nats";
import { parseAllDocuments } from "yaml";
import { eventually } from "../support/engines.ts";
import { PYTHON_TIMEOUT_MS, preparePython } from "../support/python.ts";
import { readEndpoints, SERVER_TIMEOUT_MS, type Server, startServer } from "../support/server.ts";
import { define, envelope, finishedRuns, listTasks } from "../support/shared-server.ts";
import { headerOf, startSmtpServer } from "../support/smtp-server.ts";

const CERTIFICATES = `${import.meta.dir}/../support/certificates`;
const PASSWORD = "p@ss/word of this test";
const WEBHOOK_KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

let server: Server;
let mails: Awaited<ReturnType<typeof startSmtpServer>>;
const requests: { method: string; url: URL; headers: Headers; body: string }[] = [];
const receiver = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const { method, headers } = request;
    const url = new URL(request.url);
    requests.push({ method, url, headers, body: await request.text() });
    return Response.json({}, { status: url.pathname.startsWith("/items/") ? 404 : 200 });
  },
});

beforeAll(async () => {
  const [cert, key] = [`${CERTIFICATES}/server.pem`, `${CERTIFICATES}/server.key`];
  mails = await startSmtpServer(await preparePython(), cert, key, "ann", PASSWORD);
  server = await startServer({
    env: {
      ACTCORE_SMTP_URL: `smtp://ann:{{ urlencode(secret.SMTP_PASSWORD) }}@localhost:${mails.port}?tls=starttls`,
      ACTCORE_MAIL_FROM: "Activities <actcore@shop.example>",
      ACTCORE_CA_FILE: `${CERTIFICATES}/ca.pem`,
      ACTCORE_SECRET_SMTP_PASSWORD: PASSWORD,
      ACTCORE_SECRET_STOCK_PASSWORD: PASSWORD,
      ACTCORE_SECRET_PARTNER_WEBHOOK: `whsec_${WEBHOOK_KEY}`,
    },
  });
  await server.ready();
}, PYTHON_TIMEOUT_MS + SERVER_TIMEOUT_MS);
afterAll(async () => {
  receiver.stop(true);
  await server?.destroy();
  await mails?.stop();
});

/** Stores the definitions of a page's examples, with the receiver in place of its hosts; answers their ids. */
async function defineExamples(type: string): Promise<string[]> {
  const page = await Bun.file(new URL(`../../docs/tasks/${type}.md`, import.meta.url)).text();
  const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].flatMap(([, text = ""]) =>
    parseAllDocuments(text.replace(/https:\/\/\w+\.local/g, `http://127.0.0.1:${receiver.port}`)),
  );
  return Promise.all(examples.map(async (example) => (await define(server, example.toJS())).id));
}

const ORDER = { id: "o-7", item: "tea/1", country: "de", customer: { email: "ada@example.org" } };
const pay = () => server.api("/events", { json: envelope("order.paid", { payload: ORDER }) });

/** The tasks of the only run of an activity, which has succeeded. */
async function tasksOf(id: string) {
  const [run] = await finishedRuns(server, id);
  const tasks = await listTasks(server, run?.run_id as string);
  expect({ status: run?.status, errors: tasks.map(({ error }) => error) }).toEqual({
    status: "succeeded",
    errors: tasks.map(() => null as never),
  });
  return { run, tasks };
}

test("http: a query, credentials, an expected 404, and a signature that its receiver verifies", async () => {
  const [id = ""] = await defineExamples("http");
  await pay();
  await tasksOf(id);
  const [stock, notify] = requests;
  expect(stock?.url.pathname).toBe("/items/tea%2F1");
  expect([...(stock?.url.searchParams.getAll("fields") ?? [])]).toEqual(["left", "reserved"]);
  expect(stock?.headers.get("authorization")).toBe(`Basic ${Buffer.from(`actcore:${PASSWORD}`).toString("base64")}`);
  expect(JSON.parse(notify?.body ?? "")).toEqual({ order: "o-7", known: false });
  const signed = `${notify?.headers.get("webhook-id")}.${notify?.headers.get("webhook-timestamp")}.${notify?.body}`;
  const key = Buffer.from(WEBHOOK_KEY, "base64");
  const signature = new Bun.CryptoHasher("sha256", key).update(signed).digest("base64");
  expect(notify?.headers.get("webhook-signature")).toBe(`v1,${signature}`);
});

test("nats: a stream keeps the message, and an event starts the activity that waits for it", async () => {
  const { natsUrl } = readEndpoints(server);
  const connection = await connect({ servers: natsUrl });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: "WAREHOUSE", subjects: ["warehouse.>"] });
  const shipped = await define(server, { trigger_config: { trigger_type: "event", event_type: "order.shipped" } });
  const [tell = "", ship = ""] = await defineExamples("nats");
  await pay();
  const { tasks } = await tasksOf(tell);
  const place = { subject: "warehouse.de.orders", stream: "WAREHOUSE", sequence: 1, duplicate: false };
  expect(tasks).toMatchObject([{ result: place }]);
  const message = await manager.streams.getMessage("WAREHOUSE", { seq: 1 });
  expect(message.json()).toMatchObject({ order: "o-7" });
  expect(message.header.get("Nats-Msg-Id")).toBe(tasks[0]?.idempotency_key as string);
  await tasksOf(ship);
  const { run } = await tasksOf(shipped.id);
  expect(run?.event_id).toStartWith("shipped:");
  await connection.close();
});

test("email: a mail is sent after STARTTLS and a login, by a password that is nowhere", async () => {
  const [id = ""] = await defineExamples("email");
  await pay();
  const { tasks } = await tasksOf(id);
  const message_id = `<${tasks[0]?.idempotency_key}@shop.example>`;
  const accepted = ["ada@example.org", "orders@shop.example"];
  expect(tasks).toMatchObject([{ result: { message_id, accepted, rejected: [] } }]);
  const [mail] = await eventually("it came", () => mails.received.length > 0 && mails.received);
  expect(mail).toMatchObject({ tls: true, login: true, to: accepted });
  expect(mail && headerOf(mail, "Subject")).toBe("Your order o-7");
  expect(server.stderr() + server.stdout()).not.toContain(PASSWORD);
});

test("log: a line stands in the log", async () => {
  const [id = ""] = await defineExamples("log");
  await server.api(`/activity-definitions/${id}/trigger`, { json: {} });
  await tasksOf(id);
  await eventually("the line is there", () => server.stderr().includes("hourly-note ran at 2"));
});
