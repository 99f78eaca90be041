/** Signatures of http tasks, verified as their receivers do, and by the examples of those who define them. */
import { expect, test } from "bun:test";
import { isWebhookSecret, signatureHeaderNames, signatureHeaders } from "../../src/task/http/signature.ts";

const signed = { body: "Hello, World!", id: "msg_p5jXN8AQM9LWM0D4loKWxJek", seconds: 1614265330 };

test("github signs the body as GitHub's own documentation does", () => {
  expect(signatureHeaders({ type: "github", secret: "It's a Secret to Everybody" }, signed)).toEqual({
    "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
  });
});

test("standard-webhooks signs id, time and body as the specification's example does", () => {
  const body = '{"test": 2432232314}';
  for (const secret of ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    expect(signatureHeaders({ type: "standard-webhooks", secret }, { ...signed, body })).toEqual({
      "webhook-id": signed.id,
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    });
});

test("stripe signs the time and the body, in one header with the time", () => {
  const expected = new Bun.CryptoHasher("sha256", "whsec_x").update("1614265330.Hello, World!").digest("hex");
  expect(signatureHeaders({ type: "stripe", secret: "whsec_x" }, signed)).toEqual({
    "Stripe-Signature": `t=1614265330,v1=${expected}`,
  });
});

test("hmac signs the body alone, or with the time where that has a header", () => {
  const digest = (algorithm: "sha256" | "sha512", text: string, encoding: "hex" | "base64") =>
    new Bun.CryptoHasher(algorithm, "s").update(text).digest(encoding);
  expect(signatureHeaders({ type: "hmac", secret: "s" }, signed)).toEqual({
    "X-Signature": digest("sha256", signed.body, "hex"),
  });
  const chosen = { algorithm: "sha512", encoding: "base64", header: "X-Sig", prefix: "v0=" } as const;
  expect(signatureHeaders({ type: "hmac", secret: "s", ...chosen, timestamp_header: "X-Time" }, signed)).toEqual({
    "X-Sig": `v0=${digest("sha512", `1614265330.${signed.body}`, "base64")}`,
    "X-Time": "1614265330",
  });
  expect(signatureHeaderNames({ type: "hmac", timestamp_header: "X-Time" })).toEqual(["x-signature", "x-time"]);
});

test("a secret of standard-webhooks is base64", () => {
  const secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "AAEC", "AA==", "whsec_", "", "no base64!", "AAAAA"];
  expect(secrets.map(isWebhookSecret)).toEqual([true, true, true, false, false, false, false]);
});
