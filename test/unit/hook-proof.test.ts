/**
 * Which requests prove that they come from a hook's sender: for each scheme one that its provider documents or its own library
 * made, and what is not it any more.
 */
import { describe, expect, test } from "bun:test";
import { compileHook } from "../../src/hook/hook.ts";
import { checkAge, readProof } from "../../src/hook/proof.ts";
import { type HookInput, parseHook } from "../../src/hook/schema.ts";
import { ActcoreError } from "../../src/kernel/errors.ts";
import { signatureHeaders } from "../../src/task/http/signature.ts";

interface Vector {
  /** Where it is from. */
  from: string;
  hook: Pick<HookInput, "verify"> & Partial<HookInput>;
  secret: string;
  body: string;
  headers: Record<string, string>;
  /** Of the headers, the one with the signature. */
  signature: string;
  /** Seconds since the epoch; undefined: the scheme has no time. */
  sentAt?: number;
}

const VECTORS: Vector[] = [
  {
    from: "GitHub: Validating webhook deliveries, Testing the webhook payload validation",
    hook: { verify: "github" },
    secret: "It's a Secret to Everybody",
    body: "Hello, World!",
    headers: { "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" },
    signature: "X-Hub-Signature-256",
  },
  {
    from: "stripe-node 18.5.0: webhooks.generateTestHeaderString, with the payload and secret of its own tests",
    hook: { verify: "stripe" },
    secret: "whsec_test_secret",
    body: '{\n  "id": "evt_test_webhook",\n  "object": "event"\n}',
    headers: {
      "Stripe-Signature": "t=1614265330,v1=af4ead0627a34a8cca29808e8de9ada8e41a92e6237c63cef6eacf51d36cca34",
    },
    signature: "Stripe-Signature",
    sentAt: 1614265330,
  },
  {
    from: "Slack: Verifying requests from Slack",
    hook: { verify: "slack" },
    secret: "8f742231b10e8888abcd99yyyzzz85a5",
    body:
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
      "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com" +
      "%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
      "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    headers: {
      "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
      "X-Slack-Request-Timestamp": "1531420618",
    },
    signature: "X-Slack-Signature",
    sentAt: 1531420618,
  },
  {
    from: "Standard Webhooks: the test of its libraries for Go, Java and C#",
    hook: { verify: "standard-webhooks" },
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    body: '{"test": 2432232314}',
    headers: {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    signature: "webhook-signature",
    sentAt: 1614265330,
  },
  {
    from: "RFC 4231, test case 2, as an HMAC in base64 with a prefix",
    hook: {
      verify: "hmac",
      hmac: { header: "X-Signature", algorithm: "sha512", encoding: "base64", prefix: "sha512=" },
    },
    secret: "Jefe",
    body: "what do ya want for nothing?",
    headers: {
      "X-Signature": `sha512=${Buffer.from(
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        "hex",
      ).toString("base64")}`,
    },
    signature: "X-Signature",
  },
  {
    from: "Slack's example, as an HMAC with a time",
    hook: {
      verify: "hmac",
      hmac: {
        header: "X-Slack-Signature",
        prefix: "v0=",
        timestamp_header: "X-Slack-Request-Timestamp",
        signed: "v0:{timestamp}:{body}",
      },
    },
    secret: "8f742231b10e8888abcd99yyyzzz85a5",
    body:
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
      "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com" +
      "%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
      "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    headers: {
      "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
      "X-Slack-Request-Timestamp": "1531420618",
    },
    signature: "X-Slack-Signature",
    sentAt: 1531420618,
  },
  {
    from: "GitLab's header, as a token",
    hook: { verify: "token", token: { header: "X-Gitlab-Token" } },
    secret: "glpat-secret",
    body: '{"object_kind": "push"}',
    headers: { "X-Gitlab-Token": "glpat-secret" },
    signature: "X-Gitlab-Token",
  },
  {
    from: "RFC 6750, as a token",
    hook: { verify: "token" },
    secret: "mF_9.B5f-4.1JqM",
    body: "{}",
    headers: { Authorization: "Bearer mF_9.B5f-4.1JqM" },
    signature: "Authorization",
  },
];

/** `proven`, or the code of the refusal. */
function verify(
  { hook, headers, body, secret, sentAt }: Vector,
  { secrets = [secret], laterSeconds = 0 }: { secrets?: string[]; laterSeconds?: number } = {},
): string {
  const compiled = compileHook(parseHook({ name: "h", secrets: ["S"], ...hook }));
  try {
    const proof = readProof(compiled, { headers: new Headers(headers), body: Buffer.from(body) });
    if (!secrets.some((each) => proof.isOf(each))) return "signature_invalid";
    checkAge(compiled, proof, ((sentAt ?? 0) + laterSeconds) * 1000);
    return "proven";
  } catch (error) {
    if (error instanceof ActcoreError) return error.code;
    throw error;
  }
}

const withHeader = (vector: Vector, name: string, value: string | undefined): Vector => {
  const { [name]: _, ...rest } = vector.headers;
  return { ...vector, headers: value === undefined ? rest : { ...rest, [name]: value } };
};
const signatureOf = ({ headers, signature }: Vector) => headers[signature] as string;

/** The same text but for one character, which stays one of the alphabet of hex and base64. */
function withAnother(text: string, at: number): string {
  return text.slice(0, at) + (text[at] === "a" ? "b" : "a") + text.slice(at + 1);
}

const named = VECTORS.map((vector): [string, Vector] => [`${vector.hook.verify} (${vector.from})`, vector]);
const timed = named.filter(([, { sentAt }]) => sentAt !== undefined);
const signed = named.filter(([, { hook }]) => hook.verify !== "token");

describe("what the provider signed is proven:", () => {
  test.each(named)("%s", (_, vector) => expect(verify(vector)).toBe("proven"));

  test.each(named)("by the second of two secrets: %s", (_, vector) =>
    expect(verify(vector, { secrets: [standardSecret(vector)("another"), vector.secret] })).toBe("proven"),
  );

  test.each(timed)("up to five minutes before and after: %s", (_, vector) => {
    expect(verify(vector, { laterSeconds: 300 })).toBe("proven");
    expect(verify(vector, { laterSeconds: -300 })).toBe("proven");
  });
});

describe("it is not proven", () => {
  test.each(signed)("with another body: %s", (_, vector) => {
    for (const body of [`${vector.body} `, withAnother(vector.body, 3), vector.body.slice(1), ""])
      expect(verify({ ...vector, body })).toBe("signature_invalid");
  });

  test.each(signed.filter(([, { body }]) => /^\{[^}]*[\n ]/.test(body)))(
    "with a body that was parsed and written anew: %s",
    (_, vector) => {
      const body = JSON.stringify(JSON.parse(vector.body));
      expect(body).not.toBe(vector.body);
      expect(verify({ ...vector, body })).toBe("signature_invalid");
    },
  );

  test.each(named)("with another signature: %s", (_, vector) => {
    const good = signatureOf(vector);
    for (let at = good.length - 12; at < good.length - 2; at++)
      expect(verify(withHeader(vector, vector.signature, withAnother(good, at)))).toBe("signature_invalid");
    for (const changed of [`${good}00`, good.slice(0, -3)])
      expect(verify(withHeader(vector, vector.signature, changed))).toBe("signature_invalid");
  });

  test.each(named)("by another secret: %s", (_, vector) => {
    for (const secret of ["another", `${vector.secret} `, vector.secret.toUpperCase(), vector.secret.slice(0, -4)])
      expect(verify(vector, { secrets: [standardSecret(vector)(secret)] })).toBe("signature_invalid");
  });

  test.each(named)("without one of its headers: %s", (_, vector) => {
    for (const name of Object.keys(vector.headers)) {
      expect(verify(withHeader(vector, name, undefined))).toBe("signature_missing");
      expect(verify(withHeader(vector, name, ""))).toBe("signature_missing");
    }
  });

  test.each(signed.filter(([, { hook }]) => hook.hmac?.prefix !== undefined || hook.hmac === undefined))(
    "with the signature of another scheme: %s",
    (_, vector) => {
      const other = signatureOf(vector).replace(/v1=|v1,|v0=|sha256=|sha512=/, "v9=");
      expect(verify(withHeader(vector, vector.signature, other))).toBe("signature_missing");
    },
  );

  test.each(timed)("when it is old, or from the future: %s", (_, vector) => {
    expect(verify(vector, { laterSeconds: 301 })).toBe("timestamp_too_old");
    expect(verify(vector, { laterSeconds: -301 })).toBe("timestamp_too_new");
  });

  test.each(timed)("with another time than the one that was signed: %s", (_, vector) => {
    const seconds = String(vector.sentAt);
    const name = Object.entries(vector.headers).find(([, value]) => value.includes(seconds))?.[0] as string;
    const before = vector.headers[name] as string;
    for (const other of ["1893456000", `${seconds}.0`, `0${seconds}`, "soon"])
      expect(verify(withHeader(vector, name, before.replace(seconds, other)))).toBe("signature_invalid");
  });
});

test("a request may have several signatures, of which one is right", () => {
  const [, stripe, , standard] = VECTORS as [Vector, Vector, Vector, Vector];
  const [time, v1] = signatureOf(stripe).split(",") as [string, string];
  const wrong = "0".repeat(64);
  const among = [time, `v1=${wrong}`, v1, `v0=${wrong}`].join(",");
  expect(verify(withHeader(stripe, "Stripe-Signature", among))).toBe("proven");
  const good = signatureOf(standard);
  const rotated = `v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1a,hnO3f9T8Ytu9HwrX ${good}`;
  expect(verify(withHeader(standard, "webhook-signature", rotated))).toBe("proven");
  expect(verify(withHeader(standard, "webhook-signature", rotated.replace(good, "")))).toBe("signature_invalid");
});

test("what was signed right is not taken as signed for the other scheme of the same secret", () => {
  const [github] = VECTORS as [Vector];
  const v0 = signatureOf(github).replace("sha256=", "v0=");
  const slack = { ...github, hook: { verify: "slack" as const } };
  const headers = { "x-slack-signature": v0, "x-slack-request-timestamp": "0" };
  expect(verify({ ...slack, headers })).toBe("signature_invalid");
});

test("Standard Webhooks under the names of Svix are proven as well", () => {
  const standard = VECTORS[3] as Vector;
  const headers = Object.entries(standard.headers).map(([name, value]) => [name.replace("webhook-", "svix-"), value]);
  expect(verify({ ...standard, headers: Object.fromEntries(headers) })).toBe("proven");
});

test("a secret that Standard Webhooks cannot use is said to be the fault", () => {
  expect(verify(VECTORS[3] as Vector, { secrets: ["no base64!"] })).toBe("secret_unusable");
});

test("a time in milliseconds or as RFC 3339 is understood where the hook has a scheme of its own", () => {
  const hmac = { header: "x-signature", timestamp_header: "x-time" };
  const compiled = compileHook(parseHook({ name: "h", verify: "hmac", secrets: ["S"], hmac }));
  const madeAt = (time: string) =>
    readProof(compiled, { headers: new Headers({ "x-signature": "00", "x-time": time }), body: Buffer.from("") })
      .madeAt;
  expect(madeAt("1531420618")).toBe(1531420618_000);
  expect(madeAt("1531420618123")).toBe(1531420618_123);
  expect(madeAt("2018-07-12T20:36:58+02:00")).toBe(Date.parse("2018-07-12T18:36:58Z"));
});

test("the scheme of a token is written in any case, and has to be there", () => {
  const bearer = VECTORS[7] as Vector;
  expect(verify(withHeader(bearer, "Authorization", "bearer  mF_9.B5f-4.1JqM"))).toBe("proven");
  expect(verify(withHeader(bearer, "Authorization", "mF_9.B5f-4.1JqM"))).toBe("signature_missing");
  expect(verify(withHeader(bearer, "Authorization", "Basic mF_9.B5f-4.1JqM"))).toBe("signature_missing");
});

test("what an http task signs, a hook of the same scheme takes as proven", () => {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const body = '{"n": 1}';
  for (const type of ["github", "stripe", "standard-webhooks", "hmac"] as const) {
    const headers = signatureHeaders(
      { type, secret, timestamp_header: "X-Time" },
      { body, id: "0190", seconds: 1531420618 },
    );
    const hmac = type === "hmac" ? { hmac: { header: "X-Signature", timestamp_header: "X-Time" } } : {};
    const vector = { from: "", hook: { verify: type, ...hmac }, secret, body, headers, signature: "" };
    expect(verify({ ...vector, sentAt: 1531420618 })).toBe("proven");
  }
});

/** A secret of Standard Webhooks is base64; of any other scheme it is any text. */
function standardSecret({ hook }: Vector): (secret: string) => string {
  return (secret) => (hook.verify === "standard-webhooks" ? `whsec_${Buffer.from(secret).toString("base64")}` : secret);
}
