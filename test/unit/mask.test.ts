import { describe, expect, test } from "bun:test";
import { readNumber } from "../../src/json/exact-number.ts";
import { createMasker } from "../../src/secret/masker.ts";
import { startProcessorTime } from "../support/processor-time.ts";

function maskerOf(...values: string[]) {
  const masker = createMasker();
  for (const value of values) masker.add(value);
  return masker;
}

/** By name: how texts of others have a value in them. */
const FORMS: Readonly<Record<string, (value: string) => string>> = {
  "as it is": (value) => value,
  "in JSON": (value) => JSON.stringify(value),
  "in JSON in JSON": (value) => JSON.stringify(JSON.stringify({ value })),
  "in JSON of ASCII": (value) =>
    JSON.stringify(value).replaceAll(
      /[^\x20-\x7e]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  "in JSON with / and HTML escaped": (value) =>
    JSON.stringify(value)
      .replaceAll("/", "\\/")
      .replaceAll(/[<>&']/g, (unit) => `\\u00${unit.charCodeAt(0).toString(16).toUpperCase()}`),
  "as part of a URL": encodeURIComponent,
  "as part of a URL, in lower case": (value) =>
    encodeURIComponent(value).replaceAll(/%../g, (hex) => hex.toLowerCase()),
  "as part of a URL, twice": (value) => encodeURIComponent(encodeURIComponent(value)),
  "as a URL": encodeURI,
  "as a field of a form": (value) => new URLSearchParams({ value }).toString(),
  "in HTML": (value) => Bun.escapeHTML(value),
  "in HTML, by numbers": (value) =>
    value.replaceAll(/[^\w]/gu, (character) => `&#x${character.codePointAt(0)?.toString(16)};`),
  "in base64": (value) => Buffer.from(value).toString("base64"),
  "in base64, one byte later": (value) => Buffer.from(`:${value}`).toString("base64"),
  "in base64, two bytes later": (value) => Buffer.from(`u:${value}!`).toString("base64"),
  "in base64 for URLs": (value) => Buffer.from(`user:${value}`).toString("base64url"),
  "in base64, as part of a URL": (value) => encodeURIComponent(Buffer.from(`..${value}`).toString("base64")),
};

/** What a text says when it is read as each of the forms, as far as it is one. */
function readings(text: string): string[] {
  const decoded = new Set([text]);
  const decoders: ((text: string) => string)[] = [
    (each) => decodeURIComponent(each),
    (each) => decodeURIComponent(each.replaceAll("+", " ")),
    (each) => each.replaceAll(/\\u([0-9a-fA-F]{4})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    (each) => each.replaceAll(/\\(["\\/])/g, "$1").replaceAll("\\n", "\n"),
    (each) => each.replaceAll(/&#x([0-9a-f]+);/g, (_, hex) => String.fromCodePoint(Number.parseInt(hex, 16))),
    ...[0, 1, 2].map((skip) => (each: string) => Buffer.from(each.slice(skip), "base64").toString()),
  ];
  for (let round = 0; round < 2; round++)
    for (const each of [...decoded])
      for (const decode of decoders) {
        try {
          decoded.add(decode(each));
        } catch {
          // It is not of this form.
        }
      }
  return [...decoded];
}

/** The same values at each run of the tests. */
function createRandom(seed: number) {
  let state = seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <T>(items: readonly T[]): T => items[next(items.length)] as T;
  return { next, pick };
}

const ALPHABETS = [
  [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"],
  [..."abcXYZ019-._~!'()*"],
  [..."aB3+/= &%\"\\<>'#?;:@,[]{}|^`$"],
  [..."aé中😀/+ñ0"],
  [...'\\"/\n'],
];

describe("a value that was read does not stand in what is masked", () => {
  test.each(Object.entries(FORMS))("%s", (_, write) => {
    const { next, pick } = createRandom(7);
    for (let round = 0; round < 100; round++) {
      const alphabet = pick(ALPHABETS);
      const value = Array.from({ length: 6 + next(40) }, () => pick(alphabet))
        .join("")
        .trim();
      if (value.length < 6) continue;
      const { mask } = maskerOf(value);
      const text = `before ${write(value)} after`;
      const masked = mask(text);
      expect({ value, text, masked: masked.includes("***") }).toEqual({ value, text, masked: true });
      for (const piece of masked.split(/[ =":]|\*\*\*/).filter((each) => each.length >= 4))
        expect(readings(piece).filter((reading) => reading.includes(value))).toEqual([]);
      expect(masked).toStartWith("before ");
      expect(masked).toEndWith(" after");
    }
  });

  test("in base64, whatever stands before and behind it", () => {
    const { next, pick } = createRandom(11);
    for (let round = 0; round < 300; round++) {
      const value = Array.from({ length: 8 + next(30) }, () => pick(ALPHABETS[0] ?? [])).join("");
      const around = [next(50), next(50)].map((length) => Buffer.alloc(length, round % 251));
      const base64 = Buffer.concat([around[0] as Buffer, Buffer.from(value), around[1] as Buffer]).toString("base64");
      const masked = maskerOf(value).mask(base64);
      expect(masked).toContain("***");
      // What is left of each end stands for less than a byte of the value.
      const [left = "", right = ""] = masked.split("***");
      expect(Buffer.from(left, "base64").length).toBeLessThanOrEqual(around[0]?.length ?? 0);
      expect((right.replaceAll("=", "").length * 6) / 8).toBeLessThan((around[1]?.length ?? 0) + 1.5);
    }
  });

  test("nor do its lines, when it has several", () => {
    const key = [
      "-----BEGIN PRIVATE KEY-----",
      "MIIEvQIBADANBgkqhkiG",
      "9w0BAQEFAASCBKcwggSj",
      "-----END PRIVATE KEY-----",
    ];
    const { mask } = maskerOf(key.join("\n"));
    expect(mask(`it said ${key.join("\\n")}!`)).toBe("it said ***!");
    expect(mask(`its last line is ${key[2]}`)).toBe("its last line is ***");
    expect(mask(`another ${key[0]}`)).toBe(`another ${key[0]}`);
    expect(mask(Buffer.from(`{"key": ${JSON.stringify(key.join("\n"))}}`).toString("base64"))).not.toContain(
      Buffer.from(`x${key[1]}`).toString("base64").slice(4, 20),
    );
  });

  test("nor does the part that was left where a text was cut", () => {
    const { mask } = maskerOf("sk-0123456789abcdefghij");
    expect(mask('received "sk-0123456789abc..., a string')).toBe('received "***..., a string');
    expect(mask(`${"x".repeat(2000)}sk-0123456`)).toBe(`${"x".repeat(2000)}***`);
    expect(mask(`${"x".repeat(2000)} ${btoa("sk-012345678")}`)).toBe(`${"x".repeat(2000)} ***`);
    expect(mask("sk-0123456 is no beginning that was cut")).toBe("sk-0123456 is no beginning that was cut");
  });

  test("nor does a long run of its letters and digits, whatever became of the rest", () => {
    const { mask } = maskerOf('key="0123456789abcdef01"');
    expect(mask("KEY='0123456789abcdef01'")).toBe("KEY='***'");
    expect(mask(btoa('{"key":"KEY=0123456789abcdef01"}'))).not.toContain(btoa("0123456789ab"));
  });

  test("and a longer value is masked before one that it contains", () => {
    expect(maskerOf("alpha", "alphabet").mask("alphabet, alpha")).toBe("***, ***");
  });
});

describe("what is no secret stays", () => {
  test("a text with parts of a value, and values shorter than four characters", () => {
    const { mask } = maskerOf("correct-horse", "abc");
    expect(mask("correct horses and abc, corr, rect-hor")).toBe("correct horses and abc, corr, rect-hor");
  });

  test("JSON without one is the same value; with one, texts and keys are masked and numbers are not", () => {
    const { maskJson } = maskerOf("12345678901234567890", "hunter2");
    const plain = { a: [1, "b", { c: null }], d: readNumber("12345678901234567890") };
    expect(maskJson(plain)).toBe(plain);
    expect(
      maskJson({ hunter2: ["x", { __proto__: 1, y: "hunter2!" }], n: readNumber("12345678901234567890") }),
    ).toEqual({
      "***": ["x", { y: "***!" }],
      n: readNumber("12345678901234567890"),
    });
  });

  test("a value that was not used for a day is no longer looked for, and a registered one always is", () => {
    let now = 0;
    const { add, mask } = createMasker(() => now);
    add("registered", true);
    add("used-again");
    add("forgotten");
    now = 20 * 3_600_000;
    add("used-again");
    now = 30 * 3_600_000;
    add("another");
    expect(mask("registered used-again forgotten another")).toBe("*** *** forgotten ***");
  });

  test("of very many values the last used are kept", () => {
    const { add, mask } = createMasker();
    for (let index = 0; index < 1005; index++) add(`value-${index}-end`);
    expect(mask("value-3-end value-4-end value-5-end value-1004-end")).toBe("value-3-end value-4-end *** ***");
  });
});

test("a value is masked as the host of a URL, which is in lower case", () => {
  const host = new URL("https://Crm-7F3a.Internal:8443/accounts").href;
  expect(maskerOf("Crm-7F3a.Internal:8443").mask(`GET ${host}: ENOTFOUND`)).toBe("GET https://***/accounts: ENOTFOUND");
});

test("no text makes it slow", () => {
  const { mask } = maskerOf('\\\\\\\\\\\\\\"\\"abcd', "&&&&&&&&&&&&", "%%%%%%%%%%%%", "aaaaaaaaaaaaaaaaaaaaaaaab");
  const worked = startProcessorTime();
  for (const text of ["\\", "&amp;", "%25", "a", '\\"', "&"]) mask(`${text.repeat(64_000)} abcd`);
  expect(worked()).toBeLessThan(2000);
});
