/** What becomes of a request to a hook: an event, a challenge, or a refusal with one name. */
import { beforeEach, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import type { EventEnvelope } from "../../src/event/envelope.ts";
import type { DeadLetter } from "../../src/event/event-ledger.ts";
import { readDelivery } from "../../src/hook/delivery.ts";
import { compileHook } from "../../src/hook/hook.ts";
import { readValues, toEnvelope } from "../../src/hook/mapping.ts";
import { createHookReceiver, type HookRequest } from "../../src/hook/receiver.ts";
import { type HookInput, parseHook } from "../../src/hook/schema.ts";
import { ActcoreError, RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { createLog } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { createSecrets } from "../../src/secret/secrets.ts";

const NOW = new Date("2026-01-31T09:30:00.000Z");
const SECONDS = NOW.getTime() / 1000;
const SECRET = "one-of-the-test";
const WHSEC = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const JSON_TYPE = { "content-type": "application/json" };

const hooks = new Map<string, HookInput>();
const published: EventEnvelope[] = [];
const letters: DeadLetter[] = [];
let failure: Error | undefined;
let metrics = createMetrics();
let receiver = create();

beforeEach(() => {
  hooks.clear();
  published.length = 0;
  letters.length = 0;
  failure = undefined;
  metrics = createMetrics();
  receiver = create();
});

function create() {
  return createHookReceiver({
    hooks: {
      async find(name) {
        const hook = hooks.get(name);
        return hook && { ...parseHook(hook), id: "1", version: 1 };
      },
    },
    secrets: createSecrets({ values: { ONE: SECRET, WHSEC: `whsec_${WHSEC}` } }),
    publisher: {
      async publish(envelope) {
        if (failure) throw failure;
        published.push(envelope);
      },
    },
    letters: {
      async recordDeadLetters(kept) {
        letters.push(...kept);
        return new Set(kept.map(({ event_id }) => event_id));
      },
    },
    metrics,
    log: createLog("silent"),
    now: () => NOW,
  });
}

const hmac = (text: string | Uint8Array, secret = SECRET) => createHmac("sha256", secret).update(text).digest("hex");

/** A request that GitHub would sign. */
const fromGithub = (body: string | Uint8Array, headers: Record<string, string> = {}): HookRequest =>
  request(body, { "x-hub-signature-256": `sha256=${hmac(body)}`, "x-github-event": "push", ...JSON_TYPE, ...headers });

const fromSlack = (body: string): HookRequest =>
  request(body, {
    "x-slack-signature": `v0=${hmac(`v0:${SECONDS}:${body}`)}`,
    "x-slack-request-timestamp": String(SECONDS),
    ...JSON_TYPE,
  });

function request(body: string | Uint8Array, headers: Record<string, string>): HookRequest {
  return { name: "h", headers: new Headers(headers), body: Buffer.from(body), address: "192.0.2.1" };
}

function put(input: Partial<HookInput>): void {
  hooks.set("h", { name: "h", verify: "github", secrets: ["ONE"], ...input });
}

/** The code of a refusal. */
async function refusalOf(sent: HookRequest): Promise<{ code: string; message: string }> {
  const error = await receiver.receive(sent).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ActcoreError)) throw error ?? new Error("it was accepted");
  return error;
}

describe("the event of a delivery", () => {
  test.each([
    ["svix", "webhook"],
    ["webhook", "svix"],
  ])("of Standard Webhooks has the id that was signed, %s-id, whatever stands in %s-id", async (signed, other) => {
    put({ verify: "standard-webhooks", secrets: ["WHSEC"] });
    const body = '{"type": "paid"}';
    const mac = createHmac("sha256", Buffer.from(WHSEC, "base64")).update(`msg_1.${SECONDS}.${body}`).digest("base64");
    const headers = {
      ...{ [`${signed}-id`]: "msg_1", [`${signed}-timestamp`]: String(SECONDS), [`${signed}-signature`]: `v1,${mac}` },
      [`${other}-id`]: "msg_2",
      ...JSON_TYPE,
    };
    expect(await receiver.receive(request(body, headers))).toEqual({ event_id: "h:msg_1" });
  });

  test("of GitHub is named by its headers", async () => {
    put({});
    const sent = fromGithub('{"ref": "refs/heads/main"}', { "x-github-delivery": "72d3162e" });
    expect(await receiver.receive(sent)).toEqual({ event_id: "h:72d3162e" });
    expect(published).toEqual([
      {
        event_id: "h:72d3162e",
        type: "github.push",
        source: "hook:h",
        occurred_at: NOW.toISOString(),
        payload: { ref: "refs/heads/main" },
      },
    ]);
  });

  test("of GitHub may come in the field of a form", async () => {
    put({});
    const body = new URLSearchParams({ payload: '{"ref": "a"}' }).toString();
    await receiver.receive(
      fromGithub(body, { "x-github-delivery": "1", "content-type": "application/x-www-form-urlencoded" }),
    );
    expect(published[0]?.payload).toEqual({ ref: "a" });
  });

  test("of Stripe is named by its body", async () => {
    put({ verify: "stripe" });
    const body = '{"id": "evt_1", "type": "invoice.paid"}';
    await receiver.receive(request(body, { "stripe-signature": `t=${SECONDS},v1=${hmac(`${SECONDS}.${body}`)}` }));
    expect(published[0]).toMatchObject({ event_id: "h:evt_1", type: "stripe.invoice.paid" });
  });

  test("of Slack is named by the event within", async () => {
    put({ verify: "slack" });
    await receiver.receive(
      fromSlack('{"type": "event_callback", "event_id": "Ev1", "event": {"type": "reaction_added"}}'),
    );
    await receiver.receive(fromSlack('{"type": "app_rate_limited", "event_id": "Ev2"}'));
    expect(published.map(({ event_id, type }) => [event_id, type])).toEqual([
      ["h:Ev1", "slack.reaction_added"],
      ["h:Ev2", "slack.app_rate_limited"],
    ]);
  });

  test("of Standard Webhooks has its id and the type that its body says", async () => {
    put({ verify: "standard-webhooks", secrets: ["WHSEC"] });
    const body = '{"type": "user.created"}';
    const signature = createHmac("sha256", Buffer.from(WHSEC, "base64")).update(`msg_1.${SECONDS}.${body}`);
    const headers = { "webhook-id": "msg_1", "webhook-timestamp": String(SECONDS) };
    await receiver.receive(request(body, { ...headers, "webhook-signature": `v1,${signature.digest("base64")}` }));
    expect(published[0]).toMatchObject({
      event_id: "h:msg_1",
      type: "h.user.created",
      payload: { type: "user.created" },
    });
  });

  test("of a token is new each time, unless the hook says what tells deliveries apart", async () => {
    put({ verify: "token" });
    const sent = request('{"id": 9007199254740993}', { authorization: `Bearer ${SECRET}`, ...JSON_TYPE });
    await receiver.receive(sent);
    await receiver.receive(sent);
    expect(new Set(published.map(({ event_id }) => event_id)).size).toBe(2);
    expect(published[0]?.type).toBe("hook.h");
    put({ verify: "token", map: { event_id: "body.id" } });
    expect(await receiver.receive(sent)).toEqual({ event_id: "h:9007199254740993" });
  });

  test("is what `map` makes of headers and body", async () => {
    put({
      map: {
        type: "'repo.' + headers['x-github-event'] + '.' + hook.name",
        subject: "body.repository.name",
        event_id: "body.after",
        payload: "{'branch': body.ref}",
      },
    });
    await receiver.receive(fromGithub('{"ref": "main", "after": "c0ffee", "repository": {"name": "site"}}'));
    expect(published[0]).toMatchObject({
      event_id: "h:c0ffee",
      type: "repo.push.h",
      subject: "site",
      payload: { branch: "main" },
    });
  });

  test("has the bytes of a body that is neither JSON nor a form, and the fields of a form", async () => {
    put({ map: { event_id: "'1'" } });
    await receiver.receive(fromGithub(Buffer.from([0, 255, 1]), { "content-type": "image/png" }));
    await receiver.receive(fromGithub("a=1&b=x+y&b=z", { "content-type": "application/x-www-form-urlencoded" }));
    await receiver.receive(fromGithub("", {}));
    expect(published.map(({ payload }) => payload)).toEqual([
      { content_type: "image/png", base64: "AP8B" },
      { a: "1", b: ["x y", "z"] },
      null,
    ]);
  });

  test("has an id of a length that an event's may have, and none of actcore's own", async () => {
    put({});
    for (const id of ["x".repeat(250), "a:rerun-1"])
      await receiver.receive(fromGithub("{}", { "x-github-delivery": id }));
    const ids = published.map(({ event_id }) => event_id);
    expect(ids).toEqual([expect.stringMatching(/^h:[0-9a-f]{64}$/), expect.stringMatching(/^h:[0-9a-f]{64}$/)]);
    expect(new Set(ids).size).toBe(2);
  });
});

test("Slack is told its challenge, once the request is verified, and no event is made", async () => {
  put({ verify: "slack" });
  const body = '{"type": "url_verification", "challenge": "3eZbrw"}';
  expect(await receiver.receive(fromSlack(body))).toEqual({ challenge: "3eZbrw" });
  const sent = fromSlack(body);
  sent.headers.set("x-slack-signature", `v0=${"0".repeat(64)}`);
  expect((await refusalOf(sent)).code).toBe("signature_invalid");
  expect(published).toEqual([]);
});

describe("a mapping that fails", () => {
  const GITHUB = { "x-github-delivery": "1" };
  test.each<[string, Partial<HookInput>, string | Uint8Array, Record<string, string>, string]>([
    ["without the delivery's id", {}, "{}", {}, "/headers/x-github-delivery is required"],
    ["with a body that is no JSON", {}, "{", GITHUB, "/body is no JSON"],
    ["with a body that is no text", {}, Buffer.from([0xff]), GITHUB, "/body is no text in UTF-8"],
    ["with a body of 10,000 levels", {}, "[".repeat(1e4) + "]".repeat(1e4), GITHUB, "/body is nested deeper than 100"],
    ["with a number that cannot be kept", {}, '{"n": 1e9999999999999999}', GITHUB, "/body/n 1e9999999999999999 is"],
    ["with an expression that fails", { map: { type: "body.kind" } }, "{}", GITHUB, "/map/type "],
    ["with a type that is no text", { map: { type: "body.n" } }, '{"n": 3}', GITHUB, "/map/type expected a text, and"],
    ["with an id that is none", { map: { event_id: "body.n" } }, '{"n": [5]}', GITHUB, "/map/event_id expected a text"],
    ["with a type of actcore's own", { map: { type: "'actcore.run.failed'" } }, "{}", GITHUB, "/type the beginning"],
  ])("%s is refused, and the delivery is a dead letter", async (_, hook, body, headers, start) => {
    put(hook);
    const { code, message } = await refusalOf(fromGithub(body, headers));
    expect({ code, message }).toEqual({
      code: "mapping_failed",
      message: expect.stringContaining(`makes no event of this request: ${start}`),
    });
    expect(published).toEqual([]);
    expect(letters).toEqual([
      expect.objectContaining({ reason: "mapping_failed", detail: message, subject: "hook:h" }),
    ]);
  });

  test("says every fault at once", async () => {
    put({ map: { type: "body.a", payload: "body.b" } });
    expect(await refusalOf(fromGithub("{}", GITHUB))).toMatchObject({
      faults: [{ path: "/map/type" }, { path: "/map/payload" }],
    });
  });

  test("is the same dead letter when it is sent again, and of another delivery another one", async () => {
    put({ map: { type: "body.kind" } });
    for (const id of ["1", "1", "2"]) await refusalOf(fromGithub("{}", { "x-github-delivery": id }));
    const [first, again, other] = letters.map(({ event_id }) => event_id);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(letters.map(({ carried_id }) => carried_id)).toEqual(["h:1", "h:1", "h:2"]);
  });

  test("without an id is the same dead letter only where its headers and body are the same", async () => {
    put({ verify: "token", token: { header: "X-Key" }, map: { type: "headers['x-topic'] + body.kind" } });
    const send = (topic: string, body: string) =>
      refusalOf(request(body, { "x-key": SECRET, "x-topic": topic, ...JSON_TYPE }));
    for (const [topic, body] of [
      ["paid", "{}"],
      ["paid", "{}"],
      ["refunded", "{}"],
      ["paid", "[]"],
    ] as const)
      await send(topic, body);
    const ids = letters.map(({ event_id }) => event_id);
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(3);
  });

  test("keeps what the mended hook makes an event of, and no credentials", async () => {
    put({ verify: "token", token: { header: "X-Key" }, map: { type: "body.kind" } });
    const body = '{"a": "é\\r\\n\\r\\n"}';
    const headers = { "x-key": SECRET, authorization: "Basic dXNlcg==", "x-kind": "ünder", ...JSON_TYPE };
    await refusalOf(request(body, headers));
    const raw = letters[0]?.raw as Uint8Array;
    expect(Buffer.from(raw).toString()).not.toMatch(/one-of-the-test|dXNlcg/);
    const kept = readDelivery(raw);
    if (kept === undefined) throw new Error("the delivery cannot be read again");
    expect({ ...kept, headers: Object.fromEntries(kept.headers), body: kept.body.toString() }).toEqual({
      hook: "h",
      receivedAt: NOW,
      headers: { "content-type": "application/json", "x-kind": "ünder" },
      body,
    });
    const mended = compileHook(
      parseHook({ name: "h", verify: "token", secrets: ["ONE"], map: { type: "headers['x-kind']", event_id: "'1'" } }),
    );
    expect(toEnvelope(mended, readValues(mended, kept), kept.receivedAt)).toMatchObject({
      event_id: "h:1",
      type: "ünder",
    });
  });
});

test("no expression reads a credential", async () => {
  put({ verify: "token", token: { header: "X-Key" }, map: { payload: "headers" } });
  const headers = { "x-key": SECRET, authorization: "Basic dXNlcg==", cookie: "a=b", "x-other": "1" };
  await receiver.receive(request("{}", headers));
  expect(published[0]?.payload).toEqual({ "x-other": "1" });
});

test("an event that the stream finds too large is a dead letter", async () => {
  put({});
  failure = new TerminalError("event_too_large", "the event is too large");
  expect((await refusalOf(fromGithub("{}", { "x-github-delivery": "1" }))).code).toBe("event_too_large");
  expect(letters).toEqual([expect.objectContaining({ reason: "mapping_failed", carried_id: "h:1" })]);
});

test("while the stream is away the request is to be sent again, and nothing is kept", async () => {
  put({});
  failure = new RetryableError("nats_unavailable", "NATS: away");
  expect(await refusalOf(fromGithub("{}", { "x-github-delivery": "1" }))).toBe(failure as never);
  expect(letters).toEqual([]);
});

describe("a request is refused", () => {
  test("where there is no hook, or it is not enabled, in one way", async () => {
    const unknown = await refusalOf(fromGithub("{}"));
    put({ enabled: false });
    expect(await refusalOf(fromGithub("{}"))).toEqual(unknown as never);
    expect(unknown.code).toBe("hook_not_found");
    expect((await refusalOf({ ...fromGithub("{}"), name: "\0" })).code).toBe("hook_not_found");
  });

  test("where its secret is not there, and says nothing of the secret", async () => {
    put({ secrets: ["ABSENT"] });
    const { code, message, ...rest } = await refusalOf(fromGithub("{}"));
    expect(code).toBe("hook_not_ready");
    expect(JSON.stringify([message, rest])).not.toContain("ABSENT");
    put({ secrets: ["ABSENT", "ONE"] });
    expect(await receiver.receive(fromGithub("{}", { "x-github-delivery": "1" }))).toEqual({ event_id: "h:1" });
  });

  test("from an address that proved nothing ten times with a time to wait, and right ones are taken all the same", async () => {
    put({});
    const wrong = () => request("{}", { "x-hub-signature-256": "sha256=00" });
    for (let count = 0; count < 10; count++) expect((await refusalOf(wrong())).code).toBe("signature_invalid");
    const limited = await refusalOf(wrong());
    expect(limited).toBeInstanceOf(RetryableError);
    expect(limited.code).toBe("too_many_failures");
    expect(await receiver.receive(fromGithub("{}", { "x-github-delivery": "1" }))).toEqual({ event_id: "h:1" });
  });
});

test("requests are counted by hook and outcome, without labels that anybody could make up", async () => {
  put({});
  await receiver.receive(fromGithub("{}", { "x-github-delivery": "1" }));
  await refusalOf(request("{}", {}));
  await refusalOf({ ...fromGithub("{}"), name: "made-up" });
  const { values } = await metrics.hookRequests.get();
  expect(values.map(({ labels, value }) => ({ ...labels, value }))).toEqual([
    { hook: "h", outcome: "accepted", value: 1 },
    { hook: "h", outcome: "signature_missing", value: 1 },
    { hook: "", outcome: "hook_not_found", value: 1 },
  ]);
});
