/** `nats_kv` sources against a real NATS. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { KV } from "nats";
import { RetryableError, type TerminalError } from "../../src/kernel/errors.ts";
import { type Nats, openNats } from "../../src/nats/connection.ts";
import { createKeyValueReader } from "../../src/nats/key-values.ts";
import { resolveContext } from "../support/context.ts";
import { ENGINES_TIMEOUT_MS, useEngines } from "../support/engines.ts";
import { publishRawHeaders } from "../support/nats-client.ts";

const BUCKET = `test-${crypto.randomUUID()}`;
let nats: Nats;
let bucket: KV;
beforeAll(async () => {
  nats = await openNats((await useEngines()).natsUrl, "test");
  bucket = await nats.connection.jetstream().views.kv(BUCKET, { history: 3 });
}, ENGINES_TIMEOUT_MS);
afterAll(async () => {
  await bucket?.destroy();
  await nats?.close();
});

const resolve = (source: object, values: Record<string, unknown> = {}) =>
  resolveContext(
    [{ name: "a", type: "nats_kv", bucket: BUCKET, ...source }],
    { keyValues: createKeyValueReader(async () => nats) },
    { values },
  );
const answerOf = async (source: object, values?: Record<string, unknown>) => (await resolve(source, values)).values.a;
async function failureOf(source: object, values?: Record<string, unknown>) {
  const error: TerminalError = await resolve(source, values).then(
    () => Promise.reject(new Error("it did not fail")),
    (error) => error,
  );
  const [{ code, attempts }] = error.details.sources as [{ code: string; attempts: number }];
  return { code, attempts, message: error.message };
}

const WHOLE = "{'value': value, 'revision': revision, 'found': found}";

test("the value of a key is its newest JSON, or text where the source says so", async () => {
  await bucket.put("tiers.pro", '{"seats": 1}');
  const revision = await bucket.put("tiers.pro", '{"seats": 9007199254740993}');
  const source = { key: "tiers.{{ event.payload.tier }}" };
  const values = { event: { payload: { tier: "pro" } } };
  expect(JSON.stringify(await answerOf(source, values))).toBe('{"seats":9007199254740993}');
  expect(await answerOf({ ...source, format: "text" }, values)).toBe('{"seats": 9007199254740993}');
  expect(await answerOf({ ...source, select: "[revision, found]" }, values)).toEqual([revision, true]);
});

test("a value whose message has headers that the client cannot read", async () => {
  await publishRawHeaders((await useEngines()).natsUrl, `$KV.${BUCKET}.odd`, ["My Header: a"], "7");
  expect(await answerOf({ key: "odd" })).toBe(7);
});

test("a key without a value, or with one that was deleted or purged, is null and not found", async () => {
  for (const [key, end] of [
    ["deleted", "delete"],
    ["purged", "purge"],
  ] as const) {
    await bucket.put(key, "1");
    await bucket[end](key);
  }
  for (const key of ["never", "deleted", "purged"]) {
    expect(await answerOf({ key })).toBeNull();
    expect(await answerOf({ key, select: WHOLE })).toEqual({ value: null, revision: null, found: false });
  }
});

describe("it is named, and not asked for again,", () => {
  test("that there is no such bucket", async () => {
    const failure = await failureOf({ bucket: "nobody", key: "a" });
    expect(failure).toMatchObject({ code: "kv_bucket_unknown", attempts: 1 });
    expect(failure.message).toContain('NATS has no key-value bucket "nobody"');
  });

  test("that a value is no JSON", async () => {
    await bucket.put("word", "on");
    const failure = await failureOf({ key: "word" });
    expect(failure).toMatchObject({ code: "source_not_json", attempts: 1 });
    expect(failure.message).toContain("Where it is meant to be text, say `format: text`");
    expect(await answerOf({ key: "word", select: "found" })).toBe(true);
  });

  test.each(["a.*", ">", "", ".a", "a b", "$KV", "a\n"])(
    "that %j, which an expression made, is no key",
    async (key) => {
      expect(await failureOf({ key: "{{ event.payload.key }}" }, { event: { payload: { key } } })).toMatchObject({
        code: "kv_key_invalid",
        attempts: 1,
      });
    },
  );
});

test("a NATS that is away is asked again, and waited for no longer than the timeout", async () => {
  let asked = 0;
  const away = createKeyValueReader(async () => {
    asked++;
    throw new RetryableError("nats_unavailable", "away");
  });
  const never = createKeyValueReader(() => new Promise(() => {}));
  const source = { name: "a", type: "nats_kv", bucket: BUCKET, key: "a", optional: true };
  expect((await resolveContext([source], { keyValues: away })).sources).toMatchObject([{ code: "nats_unavailable" }]);
  expect(asked).toBe(3);
  const { sources } = await resolveContext([{ ...source, timeout: "100ms" }], { keyValues: never });
  expect(sources).toMatchObject([{ code: "source_timeout", attempts: 1 }]);
});
