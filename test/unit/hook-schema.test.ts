import { describe, expect, test } from "bun:test";
import { compileHook } from "../../src/hook/hook.ts";
import { parseHook } from "../../src/hook/schema.ts";
import { InvalidInputError } from "../../src/kernel/errors.ts";

const HMAC = { header: "X-Signature", algorithm: "sha256", encoding: "hex" };

/** The faults of a hook, as `path message`. */
function faultsOf(input: unknown): string[] {
  try {
    parseHook(input);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return error.faults.map(({ path, message }) => `${path} ${message}`);
  }
}

describe("a hook", () => {
  test("is enabled unless it says otherwise", () => {
    const hook = { name: "shop", verify: "stripe" as const, secrets: ["STRIPE_HOOK"] };
    expect(parseHook(hook)).toEqual({ ...hook, enabled: true });
    expect(parseHook({ ...hook, enabled: false }).enabled).toBe(false);
  });

  test.each([
    ["a name with a slash", { name: "a/b" }, "/name expected 1 to 100 letters"],
    ["a name that clients take for a step of a path", { name: ".." }, '/name ".." is a step of a path'],
    ["a name that ids of actcore's own begin with", { name: "manual" }, '/name "manual" is kept'],
    ["a name that own events' ids begin with", { name: "actcore.x" }, '/name "actcore.x" is kept'],
    ["a way of verifying that there is none of", { verify: "none" }, "/verify expected one of github, stripe"],
    ["no secret", { secrets: [] }, "/secrets expected a list of one or two"],
    ["three secrets", { secrets: ["A", "B", "C"] }, "/secrets expected a list of one or two"],
    ["the same secret twice", { secrets: ["A", "A"] }, "/secrets expected a list of one or two different"],
    ["a secret's name that no file has", { secrets: ["../x"] }, "/secrets/0 expected the name of a secret"],
    ["what cannot be stored", { description: "a\u0000" }, "/description has a NUL"],
    ["an unknown field", { colour: 1 }, "/colour unknown field"],
    ["a tolerance where nothing says when it was sent", { tolerance: "5m" }, "/tolerance github says nothing of when"],
    ["no tolerance to speak of", { verify: "slack", tolerance: 0 }, "/tolerance expected a duration from 1s to 1d"],
    ["hmac beside a preset", { hmac: HMAC }, "/hmac is only for verify: hmac, and verify is github"],
    ["token beside a preset", { token: {} }, "/token is only for verify: token, and verify is github"],
    ["verify: hmac alone", { verify: "hmac" }, "/hmac is required with verify: hmac"],
    ["a tolerance of an hmac without a time", { verify: "hmac", hmac: HMAC, tolerance: 1 }, "/tolerance is only for"],
    ["a signature without the body", { verify: "hmac", hmac: { ...HMAC, signed: "x" } }, "/hmac/signed must have {bo"],
    [
      "a signature of what is not known",
      { verify: "hmac", hmac: { ...HMAC, signed: "{id}{body}" } },
      "/hmac/signed has {id}",
    ],
    [
      "a timestamp that is not signed",
      { verify: "hmac", hmac: { ...HMAC, timestamp_header: "x-time", signed: "{body}" } },
      "/hmac/signed must have {timestamp}",
    ],
    [
      "a signed timestamp that stands nowhere",
      { verify: "hmac", hmac: { ...HMAC, signed: "{timestamp}{body}" } },
      "/hmac/signed has {timestamp}, and no",
    ],
    ["a mapping of a root that is not there", { map: { type: "event.type" } }, "/map/type at 1:1: event is not known"],
    ["a mapping that reads a secret", { map: { payload: "secret.A" } }, "/map/payload at 1:1: secret cannot be read"],
    ["a mapping of more than the hook has", { map: { subject: "hook.secret" } }, "/map/subject at 1:1: hook has no"],
  ])("with %s is refused", (_, change, start) => {
    const faults = faultsOf({ name: "a", verify: "github", secrets: ["S"], ...change });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toStartWith(start);
  });

  test("with several faults is told all of them", () => {
    const input = { name: "manual", verify: "hmac", secrets: ["S"], token: {}, map: { type: "x", payload: "y" } };
    expect(faultsOf(input).map((fault) => fault.split(" ")[0])).toEqual([
      "/name",
      "/hmac",
      "/token",
      "/map/type",
      "/map/payload",
    ]);
  });
});

describe("a compiled hook", () => {
  const compile = (rest: object) => compileHook(parseHook({ name: "a", secrets: ["S"], ...rest }));

  test("knows its tolerance only where requests say when they were sent", () => {
    expect(compile({ verify: "github" }).toleranceMs).toBeUndefined();
    expect(compile({ verify: "stripe" }).toleranceMs).toBe(300_000);
    expect(compile({ verify: "slack", tolerance: "1m" }).toleranceMs).toBe(60_000);
  });

  test("signs the timestamp before the body, unless it says otherwise", () => {
    const hmac = { ...HMAC, timestamp_header: "X-Time" };
    expect(compile({ verify: "hmac", hmac: HMAC }).hmac).toEqual({
      header: "x-signature",
      algorithm: "sha256",
      encoding: "hex",
      prefix: "",
      timestampHeader: undefined,
      signed: ["body"],
    });
    expect(compile({ verify: "hmac", hmac }).hmac?.signed).toEqual(["timestamp", { text: "." }, "body"]);
    const signed = "v0:{timestamp}:{body}";
    expect(compile({ verify: "hmac", hmac: { ...hmac, signed } }).hmac?.signed).toEqual([
      { text: "v0:" },
      "timestamp",
      { text: ":" },
      "body",
    ]);
  });

  test("looks for Bearer in `authorization`, and for the bare token in another header", () => {
    expect(compile({ verify: "token" }).token).toEqual({ header: "authorization", scheme: "bearer" });
    const gitlab = { header: "X-Gitlab-Token" };
    expect(compile({ verify: "token", token: gitlab }).token).toEqual({ header: "x-gitlab-token", scheme: undefined });
  });
});
