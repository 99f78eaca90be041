/** CloudEvents as the specification's own pages write them, and what is refused of what they forbid. */
import { describe, expect, test } from "bun:test";
import { fromStructured, modeOf, toStructured } from "../../src/event/cloud-event.ts";
import { decodeEvent } from "../../src/event/decode-event.ts";
import { toEventValue } from "../../src/event/envelope.ts";
import type { Fields } from "../../src/json/fields.ts";

const RECEIVED_AT = new Date("2026-01-31T09:30:00Z");
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  decodeEvent(typeof body === "string" ? encode(body) : body, {
    headers: new Map(Object.entries(headers)),
    receivedAt: RECEIVED_AT,
  });
const structured = (event: object) => decode(JSON.stringify(event));
const envelopeOf = (decoded: ReturnType<typeof decode>) => (decoded.ok ? decoded.envelope : decoded);

const REQUIRED = { specversion: "1.0", type: "com.example.someevent", source: "/mycontext" };
const SPEC = {
  ...REQUIRED,
  id: "A234-1234-1234",
  time: "2018-04-05T17:31:00Z",
  comexampleextension1: "value",
  comexampleothervalue: 5,
};
const MAPPED = {
  event_id: "A234-1234-1234",
  type: "com.example.someevent",
  source: "/mycontext",
  occurred_at: "2018-04-05T17:31:00Z",
};
const EXTENSIONS = { comexampleextension1: "value", comexampleothervalue: 5 };

describe("the specification's example in structured mode with", () => {
  test.each<[what: string, rest: object, expected: object]>([
    [
      "binary data",
      { datacontenttype: "application/vnd.apache.thrift.binary", data_base64: "AAEC/w==" },
      {
        attributes: { ...EXTENSIONS, datacontenttype: "application/vnd.apache.thrift.binary" },
        payload: { content_type: "application/vnd.apache.thrift.binary", base64: "AAEC/w==" },
      },
    ],
    [
      "XML in a text, and an extension that is not set",
      { unsetextension: null, datacontenttype: "application/xml", data: '<much wow="xml"/>' },
      {
        attributes: { ...EXTENSIONS, datacontenttype: "application/xml" },
        payload: { content_type: "application/xml", text: '<much wow="xml"/>' },
      },
    ],
    [
      "a JSON object",
      { subject: null, datacontenttype: "application/json", data: { appinfoA: "abc", appinfoB: 123, appinfoC: true } },
      {
        attributes: { ...EXTENSIONS, datacontenttype: "application/json" },
        payload: { appinfoA: "abc", appinfoB: 123, appinfoC: true },
      },
    ],
    [
      "a JSON number",
      { datacontenttype: "application/json", data: 1.5 },
      { attributes: { ...EXTENSIONS, datacontenttype: "application/json" }, payload: 1.5 },
    ],
    [
      "a text of JSON without a type, which is not parsed again",
      { data: '{"a":1}' },
      { attributes: EXTENSIONS, payload: '{"a":1}' },
    ],
    [
      "bytes without a type, of which nothing is guessed",
      { data_base64: "eyAieHl6IjogMTIzIH0=" },
      { attributes: EXTENSIONS, payload: { content_type: null, base64: "eyAieHl6IjogMTIzIH0=" } },
    ],
    ["no data", {}, { attributes: EXTENSIONS }],
    ["data that is null", { data: null }, { attributes: EXTENSIONS, payload: null }],
    [
      "JSON in base64",
      { datacontenttype: "application/cloud+json; charset=utf-8", data_base64: btoa('{"n":1}') },
      { attributes: { ...EXTENSIONS, datacontenttype: "application/cloud+json; charset=utf-8" }, payload: { n: 1 } },
    ],
  ])("%s", (_, rest, expected) => {
    const envelope = envelopeOf(structured({ ...SPEC, ...rest }));
    expect(envelope).toMatchObject({ ...MAPPED, ...expected });
    expect("payload" in envelope).toBe("payload" in expected);
  });
});

describe("the specification's example in binary mode with", () => {
  const headers = {
    ...{ "ce-specversion": "1.0", "ce-type": "com.example.someevent", "ce-source": "/mycontext" },
    ...{ "ce-id": "A234-1234-1234", "ce-time": "2018-04-05T17:31:00Z" },
    ...{ "ce-comexampleextension1": "value", "ce-comexampleothervalue": "5", "nats-msg-id": "x" },
  };
  const attributes = { comexampleextension1: "value", comexampleothervalue: "5" };
  test.each<[type: string | undefined, body: string | Uint8Array, payload: unknown]>([
    ["application/json", '{"appinfoA":"abc"}', { appinfoA: "abc" }],
    ["application/json", '"I\'m just a string"', "I'm just a string"],
    ["text/json;charset=utf-8", "1.5", 1.5],
    ["application/xml", '<much wow="xml"/>', { content_type: "application/xml", text: '<much wow="xml"/>' }],
    ["text/plain", "grüß", { content_type: "text/plain", text: "grüß" }],
    [
      "text/plain; charset=iso-8859-1",
      new Uint8Array([0xe9]),
      { content_type: "text/plain; charset=iso-8859-1", base64: "6Q==" },
    ],
    ["text/plain", new Uint8Array([0xe9]), { content_type: "text/plain", base64: "6Q==" }],
    ["image/png", "abc", { content_type: "image/png", base64: "YWJj" }],
    [undefined, '{ "xyz": 123 }', { content_type: null, base64: "eyAieHl6IjogMTIzIH0=" }],
  ])("data of %s: %s", (type, body, payload) => {
    const typed = type === undefined ? headers : { ...headers, "content-type": type };
    const expected = {
      ...MAPPED,
      attributes: { ...attributes, ...(type !== undefined && { datacontenttype: type }) },
      payload,
    };
    expect(envelopeOf(decode(body, typed))).toEqual(expected);
    // A dead letter keeps the event in structured mode, of which the same is read.
    const kept = toStructured(new Map(Object.entries(typed)), typeof body === "string" ? encode(body) : body);
    expect(envelopeOf(decode(kept))).toEqual(expected);
  });

  test("no data", () => {
    const envelope = envelopeOf(decode("", { ...headers, "content-type": "application/json" }));
    expect(envelope).toMatchObject(MAPPED);
    expect(envelope).not.toHaveProperty("payload");
  });

  test("the content type of NATS, in a header like the others", () => {
    expect(envelopeOf(decode('{"a":1}', { ...headers, "ce-datacontenttype": "application/json" }))).toMatchObject({
      attributes: { datacontenttype: "application/json" },
      payload: { a: 1 },
    });
  });

  test.each([
    ["Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"],
    ["100%", "100%"],
    ["%e2%82%ac", "€"],
    ['"in \\"quotes\\" %2B"', 'in "quotes" +'],
  ])("the header %s, which is %s", (encoded, subject) => {
    expect(envelopeOf(decode("", { ...headers, "ce-subject": encoded }))).toMatchObject({ subject });
  });

  test.each(["%C0%A0", "é", "%ED%A0%80"])("the header %s, which is not encoded as it must be", (encoded) => {
    expect(decode("", { ...headers, "ce-subject": encoded })).toMatchObject({
      ...{ ok: false, reason: "not_an_envelope", carried_id: "A234-1234-1234" },
      detail: "/subject expected printable ASCII, and anything else percent-encoded as UTF-8",
    });
  });
});

test("an event without a time happened when it was received", () => {
  expect(envelopeOf(structured({ ...REQUIRED, id: "1" }))).toEqual({
    event_id: "1",
    type: "com.example.someevent",
    source: "/mycontext",
    occurred_at: "2026-01-31T09:30:00.000Z",
  });
});

test.each<[traceparent: unknown, trace_id: string | undefined]>([
  ["00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01", "0af7651916cd43dd8448eb211c80319c"],
  ["00-00000000000000000000000000000000-b9c7c989f97918e1-01", undefined],
  ["0af7651916cd43dd8448eb211c80319c", undefined],
  [5, undefined],
])("of the traceparent %j the trace is %s, and it stays an attribute", (traceparent, trace_id) => {
  const envelope = envelopeOf(structured({ ...SPEC, traceparent }));
  expect(envelope).toMatchObject({ attributes: { ...EXTENSIONS, traceparent } });
  expect("trace_id" in envelope ? envelope.trace_id : undefined).toBe(trace_id as string);
});

test("expressions read the attributes of an event, of which an envelope has none", () => {
  const reading = fromStructured({ ...SPEC, tenant: "blue" }, RECEIVED_AT);
  if (!("envelope" in reading)) throw new Error("it was refused");
  expect(toEventValue(reading.envelope).attributes).toEqual({ ...EXTENSIONS, tenant: "blue" });
  expect(toEventValue({ event_id: "1", type: "x", source: "y", occurred_at: "z" }).attributes).toEqual({});
});

test.each<[headers: Record<string, string>, mode: string | undefined]>([
  [{}, undefined],
  [{ "content-type": "application/json", "ce-custom": "x" }, undefined],
  [{ "content-type": "Application/CloudEvents+JSON; charset=UTF-8", "ce-id": "x" }, "structured"],
  [{ "content-type": "application/cloudevents" }, "structured"],
  [{ "content-type": "application/cloudevents-batch+json" }, "batch"],
  [{ "content-type": "application/cloudevents+avro" }, "unreadable"],
  [{ "content-type": "application/json", "ce-type": "x" }, "binary"],
])("by the headers %j the mode is %s", (headers, mode) => {
  expect(modeOf(new Map(Object.entries(headers)))).toBe(mode as "binary");
});

describe("every fault is named by its path:", () => {
  test.each<[event: Fields, faults: string[]]>([
    [{ specversion: "1.0" }, ["/id is required", "/source is required", "/type is required"]],
    [{ ...SPEC, specversion: "0.3" }, ['/specversion expected "1.0", received "0.3"']],
    [{ ...SPEC, id: "a:rerun-1" }, ['/id the end ":rerun-1" is reserved']],
    [
      { ...SPEC, id: 5 },
      [
        '/id expected 1 to 200 bytes without control characters, received 5, a number: write it as a text, in quotes: "5"',
      ],
    ],
    [
      { ...SPEC, time: "yesterday" },
      ['/time expected a time with its offset, such as 2026-12-24T18:00:00Z, received "yesterday"'],
    ],
    [
      { ...SPEC, my_extension: "x", event_id: "1" },
      [
        "/event_id is no attribute: their names have lower-case letters and digits only",
        "/my_extension is no attribute: their names have lower-case letters and digits only",
      ],
    ],
    [
      JSON.parse(`{"__proto__": "x", ${JSON.stringify(SPEC).slice(1)}`),
      ["/__proto__ is no attribute: their names have lower-case letters and digits only"],
    ],
    [
      { ...SPEC, tenant: { id: 1 } },
      [
        '/tenant expected a text without control characters, a whole number of 32 bits, or true or false, received {"id":1}',
      ],
    ],
    [
      { ...SPEC, n: 1.5 },
      ["/n expected a text without control characters, a whole number of 32 bits, or true or false, received 1.5"],
    ],
    [
      { ...SPEC, n: 2 ** 31 },
      [
        "/n expected a text without control characters, a whole number of 32 bits, or true or false, received 2147483648",
      ],
    ],
    [
      { ...SPEC, tenant: "a\u0000" },
      [
        '/tenant expected a text without control characters, a whole number of 32 bits, or true or false, received "a\\u0000"',
      ],
    ],
    [{ ...SPEC, tenant: "\ud800" }, ["/tenant has half of a surrogate pair"]],
    [
      { ...SPEC, datacontenttype: "json", data: {} },
      ['/datacontenttype expected a media type, such as application/json, received "json"'],
    ],
    [{ ...SPEC, datacontenttype: "text/xml", data: {} }, ["/data expected a text, as it is text/xml: received {}"]],
    [{ ...SPEC, data: 1, data_base64: "AA==" }, ["/data_base64 stands beside data: an event has one of them"]],
    [{ ...SPEC, data_base64: "AA=" }, ['/data_base64 expected base64, received "AA="']],
    [{ ...SPEC, data_base64: "a-b_" }, ['/data_base64 expected base64, received "a-b_"']],
    [
      { ...SPEC, datacontenttype: "application/json", data_base64: btoa("{") },
      ["/data_base64 is no JSON, though it is said to be application/json: JSON Parse error: Expected '}'"],
    ],
    [{ ...SPEC, data: JSON.parse("[".repeat(10_000) + "]".repeat(10_000)) }, ["/ is nested deeper than 100 levels"]],
  ])("%#", (event, expected) => {
    const decoded = structured(event);
    expect(decoded).toMatchObject({ ok: false, reason: "not_an_envelope" });
    expect((decoded as { detail: string }).detail.split("; ").sort()).toEqual(expected);
  });
});

describe("a message of NATS is a dead letter when", () => {
  test.each<[what: string, headers: Record<string, string>, body: string | Uint8Array, reason: string, detail: string]>(
    [
      [
        "it is a batch",
        { "content-type": "application/cloudevents-batch+json" },
        "[]",
        "not_an_envelope",
        "one event in each message",
      ],
      [
        "it is in another format",
        { "content-type": "application/cloudevents+avro" },
        "x",
        "not_an_envelope",
        "expected application/cloudevents+json",
      ],
      [
        "it is said to be a CloudEvent and is a list",
        { "content-type": "application/cloudevents+json" },
        "[]",
        "not_an_envelope",
        "/ expected an object",
      ],
      [
        "it is said to be a CloudEvent and has no version",
        { "content-type": "application/cloudevents+json" },
        "{}",
        "not_an_envelope",
        '/specversion is required: "1.0"',
      ],
      ["its headers lack attributes", { "ce-id": "1" }, "", "not_an_envelope", "/source is required"],
      [
        "it is said to be a CloudEvent and is packed",
        { "content-type": "application/cloudevents+json" },
        Bun.gzipSync("{}"),
        "not_json",
        "",
      ],
      [
        "its data is packed JSON",
        { "ce-id": "1", "content-type": "application/json" },
        Bun.gzipSync("{}"),
        "not_an_envelope",
        "/data is no JSON",
      ],
      [
        "a number of its data cannot be kept",
        { "ce-id": "1", "content-type": "application/json" },
        '{"a":1e9999999999999999}',
        "not_storable",
        "/data/a",
      ],
    ],
  )("%s", (_, headers, body, reason, detail) => {
    expect(decode(body, headers)).toMatchObject({
      ok: false,
      reason: reason as never,
      detail: expect.stringContaining(detail),
    });
  });
});
