import { describe, expect, test } from "bun:test";
import { createKey, hashKey, isKeyShaped } from "../../src/access/key.ts";
import { readKeyRequest } from "../../src/access/key-request.ts";
import { allows, SCOPES } from "../../src/access/scope.ts";
import type { InvalidInputError } from "../../src/kernel/errors.ts";

const NOW = new Date("2026-01-31T09:30:00Z");
const request = (rest: object = {}) => ({ name: "ci", scopes: ["trigger"], ...rest });

/** The faults with which a request for a key is refused. */
function faultsOf(input: unknown) {
  try {
    readKeyRequest(input, NOW);
  } catch (error) {
    return (error as InvalidInputError).faults;
  }
  throw new Error("the request was accepted");
}

describe("a key", () => {
  test("is actk_ and 43 letters and digits, another one each time", () => {
    const keys = Array.from({ length: 1000 }, createKey);
    expect(new Set(keys).size).toBe(1000);
    expect(keys.every(isKeyShaped)).toBe(true);
    expect(keys.every((key) => /^actk_[0-9A-Za-z]{43}$/.test(key))).toBe(true);
  });

  test("is stored as its SHA-256", () => {
    expect(hashKey("actk_x")).toBe(new Bun.CryptoHasher("sha256").update("actk_x").digest("hex"));
  });

  test.each(["", "actk_", "nope", createKey().slice(0, -1), `${createKey()}x`, createKey().replace("actk", "ghp")])(
    "cannot be %j",
    (text) => {
      expect(isKeyShaped(text)).toBe(false);
    },
  );
});

describe("a request for a key", () => {
  test("lives for ever, for a while or until a time", () => {
    expect(readKeyRequest(request(), NOW).expires_at).toBeNull();
    expect(readKeyRequest(request({ expires_at: null }), NOW).expires_at).toBeNull();
    expect(readKeyRequest(request({ expires_in: "90d" }), NOW).expires_at).toEqual(new Date("2026-05-01T09:30:00Z"));
    expect(readKeyRequest(request({ expires_in: 60 }), NOW).expires_at).toEqual(new Date("2026-01-31T09:31:00Z"));
    const until = readKeyRequest(request({ expires_at: "2026-02-01T00:00:00+01:00" }), NOW);
    expect(until.expires_at).toEqual(new Date("2026-01-31T23:00:00Z"));
  });

  test("is refused with every fault at once", () => {
    const faults = faultsOf({ name: " x", scopes: ["trigger", "root"], expires_in: "soon", owner: "me" });
    expect(faults.map(({ path }) => path).sort()).toEqual(["/expires_in", "/name", "/owner", "/scopes/1"]);
  });

  test.each([
    ["no scopes", { scopes: [] }, "/scopes"],
    ["a scope twice", { scopes: ["trigger", "trigger"] }, "/scopes"],
    ["a time that is past", { expires_at: "2026-01-31T09:29:59Z" }, "/expires_at"],
    ["a time that is none", { expires_at: "2026-13-45T00:00:00Z" }, "/expires_at"],
    ["no time to live", { expires_in: 0 }, "/expires_in"],
    ["both ways to expire", { expires_in: "1h", expires_at: "2027-01-01T00:00:00Z" }, "/expires_in"],
    ["a line break in its name", { name: "a\nb" }, "/name"],
  ])("is refused with %s", (_, rest, path) => {
    expect(faultsOf(request(rest)).map((fault) => fault.path)).toEqual([path]);
  });
});

describe("a scope", () => {
  test("allows itself and nothing else, but admin allows all", () => {
    for (const needed of SCOPES) {
      expect(SCOPES.filter((granted) => allows([granted], needed)).sort()).toEqual(
        [...new Set([needed, "admin" as const])].sort(),
      );
      expect(allows([], needed)).toBe(false);
    }
  });
});
