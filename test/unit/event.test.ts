import { describe, expect, test } from "bun:test";
import { decodeEvent as decodeMessage } from "../../src/event/decode-event.ts";
import { deadLetterId, MAX_EVENT_BYTES } from "../../src/event/envelope.ts";

const envelope = { event_id: "e1", type: "user.created", source: "crm", occurred_at: "2026-01-31T09:30:00Z" };
const encode = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const decodeEvent = (bytes: Uint8Array) => decodeMessage(bytes, { receivedAt: new Date() });
const decode = (value: unknown) => decodeEvent(encode(value));
const nest = (depth: number): unknown => (depth === 0 ? 1 : [nest(depth - 1)]);

const LONGEST = {
  ...{ type: "x".repeat(200), source: "x".repeat(500), subject: "x".repeat(500), trace_id: "x".repeat(128) },
};

test.each<[what: string, rest: object]>([
  ["only what is required", {}],
  ["every field", { subject: "users/1", trace_id: "abc-1", payload: { a: [1, null] } }],
  ["U+0000 in its payload", { payload: { text: "a\u0000b" } }],
  ["half of a surrogate pair in its payload", { payload: "\ud800" }],
  ["a payload that is null", { payload: null }],
  ["an id of exactly 200 bytes", { event_id: "é".repeat(100) }],
  ["an id that is like ours, and is none", { event_id: "manual/foreign:rerun-" }],
  ["dots in its id", { event_id: "..." }],
  ["fields of one character", { event_id: "e", type: "t", source: "s", subject: "", trace_id: "-" }],
  ["fields of the most characters", { ...LONGEST, event_id: "e".repeat(200) }],
  ["a time with an offset", { occurred_at: "2026-01-31T09:30:00.123+02:00" }],
])("an envelope may have %s", (_, rest) => {
  expect(decode({ ...envelope, ...rest })).toEqual({ ok: true, envelope: { ...envelope, ...rest } });
});

test("an envelope has every number as it was sent", () => {
  const payload = '{"id":9007199254740993,"ids":[-175928847299117063,1e+400],"price":0.12345678901234567}';
  const text = `${JSON.stringify(envelope).slice(0, -1)},"payload":${payload}}`;
  const decoded = decode(text);
  expect(decoded.ok && JSON.stringify(decoded.envelope)).toBe(text);
});

test.each(["1234567890123456789", "5"])("an id that is the number %s is refused with what to write instead", (id) => {
  const decoded = decode(JSON.stringify(envelope).replace('"e1"', id));
  expect(decoded).toMatchObject({
    reason: "not_an_envelope",
    detail: `/event_id expected 1 to 200 bytes without control characters, received ${id}, a number: write it as a text, in quotes: "${id}"`,
  });
});

test("a number in place of a time is not said to want quotes", () => {
  expect(decode({ ...envelope, occurred_at: 5 })).toMatchObject({ detail: expect.stringMatching(/received 5$/) });
});

describe("a message is kept as a dead letter when it", () => {
  test.each<[what: string, bytes: Uint8Array, reason: string]>([
    ["is empty", encode(""), "not_json"],
    ["is no JSON", encode("{oops"), "not_json"],
    ["is no UTF-8", new Uint8Array([0x22, 0xff, 0x22]), "not_json"],
    ["is JSON of another kind", encode("[1]"), "not_an_envelope"],
    ["has a number that cannot be kept", encode('{"payload": {"id": 1e9999999999999999}}'), "not_storable"],
    ["is too large", new Uint8Array(MAX_EVENT_BYTES + 1), "too_large"],
    ["is nested too deep", encode({ ...envelope, payload: nest(200) }), "not_an_envelope"],
    ["is nested deeper than a parser's stack", encode("[".repeat(500_000) + "]".repeat(500_000)), "any"],
  ])("%s", (_, bytes, reason) => {
    const decoded = decodeEvent(bytes);
    expect(decoded).toMatchObject({
      ok: false,
      reason: reason === "any" ? expect.stringMatching(/^not_(json|an_envelope)$/) : reason,
      detail: expect.stringMatching(/./),
    } as never);
  });

  test.each<[field: string, value: unknown]>([
    ["event_id", ""],
    ["event_id", "x".repeat(201)],
    ["event_id", "é".repeat(101)],
    ["event_id", "a\u0000"],
    ["event_id", "\udc00"],
    ["event_id", 5],
    ["event_id", "."],
    ["event_id", ".."],
    ["event_id", "X:rerun-1"],
    ["event_id", "X:retry-1"],
    ["event_id", "X:replay-12"],
    ["event_id", "foreign:0123456789abcdef0123456789abcdef"],
    ["event_id", "manual:01980000-0000-7000-8000-000000000000"],
    ["event_id", "dead-letter:0123456789abcdef0123456789abcdef"],
    ["type", ""],
    ["type", "x".repeat(201)],
    ["source", ""],
    ["source", "x".repeat(501)],
    ["subject", "x".repeat(501)],
    ["trace_id", ""],
    ["trace_id", "x".repeat(129)],
    ["type", "a\u0000b"],
    ["type", "\ud800"],
    ["source", "\ud800x"],
    ["subject", "\u0000"],
    ["subject", "\ud800"],
    ["trace_id", "a b"],
    ["occurred_at", "yesterday"],
    ["occurred_at", "2026-13-01T00:00:00Z"],
    ["occurred_at", "2026-01-31"],
    ["occurred_at", "2026-02-31T00:00:00Z"],
    ["colour", "red"],
  ])("has %s %j", (field, value) => {
    expect(decode({ ...envelope, [field]: value })).toMatchObject({
      ok: false,
      reason: "not_an_envelope",
      detail: expect.stringContaining(`/${field} `),
    });
  });

  test("lacks fields, and all of them are named", () => {
    const decoded = decode({ event_id: "e1", colour: 1 });
    for (const path of ["/type", "/source", "/occurred_at", "/colour"])
      expect((decoded as { detail: string }).detail).toContain(path);
  });
});

test("a message may have exactly 1 MiB", () => {
  const padded = (size: number) => encode(JSON.stringify(envelope).padEnd(size));
  expect(decodeEvent(padded(1_048_576))).toMatchObject({ ok: true });
  expect(decodeEvent(padded(1_048_577))).toMatchObject({ ok: false, reason: "too_large", carried_id: "e1" });
});

test("of a key that stands twice the last one counts", () => {
  const twice = `{"type": "first", ${JSON.stringify({ ...envelope, type: "last" }).slice(1)}`;
  expect(decodeEvent(new TextEncoder().encode(twice))).toMatchObject({ ok: true, envelope: { type: "last" } });
});

describe("the event id that a message carries is known", () => {
  const timeless = { ...envelope, occurred_at: "2026-01-31T09:30:00" };
  test.each<[what: string, value: unknown, carried_id: string | undefined]>([
    ["where its time has no zone", timeless, "e1"],
    ["where it has nothing else", { event_id: "e1" }, "e1"],
    ["where it is nested too deep", { ...envelope, payload: nest(200) }, "e1"],
    ["where it is too large", { ...envelope, payload: "x".repeat(MAX_EVENT_BYTES) }, "e1"],
    ["where a number is beyond what can be kept", `{"event_id": "e1", "payload": 1e${"9".repeat(30)}}`, "e1"],
    [
      "and not where it is so large that it is not read",
      { ...envelope, payload: "x".repeat(8 * MAX_EVENT_BYTES) },
      undefined,
    ],
    ["and not where it is cut off", '{"event_id": "e1", ', undefined],
    [
      "and not where it is cut off and too large",
      `{"event_id": "e1", "payload": "${"x".repeat(MAX_EVENT_BYTES)}`,
      undefined,
    ],
    ["and not where it is no object", ["e1"], undefined],
    ["and not where it is null", null, undefined],
    ["and not where it has none", { type: "x" }, undefined],
    ["and not where it is no text", { ...timeless, event_id: 5 }, undefined],
    ["and not where it is longer than 200 bytes", { ...timeless, event_id: "é".repeat(101) }, undefined],
    ["and not where it has half of a surrogate pair", { ...timeless, event_id: "\ud800" }, undefined],
    ["and not where it has U+0000", { ...timeless, event_id: "a\u0000" }, undefined],
    ["and not where it is one of actcore's own", { ...timeless, event_id: "manual:1" }, undefined],
  ])("%s", (_, value, carried_id) => {
    const { ok, carried_id: found } = decode(value) as { ok: boolean; carried_id?: string };
    expect([ok, found]).toEqual([false, carried_id]);
  });
});

test("a dead letter's id is the same at each delivery, and another for another message", () => {
  const id = deadLetterId("activity.x", 5n, encode("oops"));
  expect(deadLetterId("activity.x", 5n, encode("oops"))).toBe(id);
  const others = [
    deadLetterId("activity.y", 5n, encode("oops")),
    deadLetterId("activity.x", 6n, encode("oops")),
    deadLetterId("activity.x", 5n, encode("oops!")),
  ];
  expect(new Set([id, ...others]).size).toBe(4);
});

describe("headers that cannot be read", () => {
  const arrival = { receivedAt: new Date(), headersFault: "a header's name has a space" };

  test("do no harm to an envelope", () => {
    expect(decodeMessage(encode(envelope), arrival)).toMatchObject({ ok: true });
  });

  test("are named beside the fault of a message that is no event without them", () => {
    expect(decodeMessage(encode({ a: 1 }), arrival)).toMatchObject({
      ...{ ok: false, reason: "not_an_envelope" },
      detail: expect.stringMatching(
        /^\/event_id is required; .*; its headers cannot be read: a header's name has a space$/,
      ),
    });
  });
});
