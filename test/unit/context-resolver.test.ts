/** The rules that hold for every context source, whatever its type. */
import { describe, expect, test } from "bun:test";
import type { KeyValueReader } from "../../src/context/ports.ts";
import { RetryableError, TerminalError } from "../../src/kernel/errors.ts";
import { resolveContext } from "../support/context.ts";

const keyed = (name: string, rest: object = {}) => ({ name, type: "nats_kv", bucket: "b", key: name, ...rest });
const bytesOf = (value: unknown) => ({ bytes: new TextEncoder().encode(JSON.stringify(value)), revision: 1 });
const answering = (get: (key: string, signal: AbortSignal) => Promise<unknown>): { keyValues: KeyValueReader } => ({
  keyValues: { get: async (_, key, signal) => bytesOf(await get(key, signal)) },
});
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error) => error as TerminalError & { details: { sources: object[] } },
  );

test("sources are read side by side, and each is a value under its name", async () => {
  let waiting = 0;
  const both = Promise.withResolvers<void>();
  const { values, sources } = await resolveContext(
    [
      keyed("a"),
      keyed("b", { select: "value.list[0]" }),
      { name: "c", type: "static", value: ["{{ event.payload.n + 1 }}"] },
    ],
    answering(async (key) => {
      if (++waiting === 2) both.resolve();
      await both.promise;
      return { key, list: [7] };
    }),
    { values: { event: { payload: { n: 1 } } } },
  );
  expect(values).toEqual({ a: { key: "a", list: [7] }, b: 7, c: [2] });
  expect(sources).toMatchObject([
    { name: "a", type: "nats_kv", status: "ok", attempts: 1, bytes: 22 },
    { name: "b", type: "nats_kv", status: "ok", attempts: 1, bytes: 1 },
    { name: "c", type: "static", status: "ok", attempts: 1, bytes: 3 },
  ]);
});

describe("a try that failed", () => {
  const failing = (failure: () => Error, times: number) => {
    let tries = 0;
    return answering(async () => {
      if (++tries <= times) throw failure();
      return tries;
    });
  };
  const away = () => new RetryableError("nats_unavailable", "away");

  test("is made again where it may succeed then, twice when the source says nothing", async () => {
    const { values, sources } = await resolveContext([keyed("a")], failing(away, 2));
    expect(values).toEqual({ a: 3 });
    expect(sources).toMatchObject([{ attempts: 3 }]);
    const error = await failureOf(resolveContext([keyed("a")], failing(away, 3)));
    expect(error.details.sources).toMatchObject([{ status: "failed", code: "nats_unavailable", attempts: 3 }]);
  });

  test("is not made again where that cannot help, or the source forbids it", async () => {
    const wrong = () => new TerminalError("kv_bucket_unknown", "no such bucket");
    const error = await failureOf(resolveContext([keyed("a")], failing(wrong, 1)));
    expect(error.details.sources).toMatchObject([{ code: "kv_bucket_unknown", attempts: 1 }]);
    const once = await failureOf(resolveContext([keyed("a", { retry: 0 })], failing(away, 1)));
    expect(once.details.sources).toMatchObject([{ code: "nats_unavailable", attempts: 1 }]);
  });

  test("is made again when the other side says so, and not at all where that is after the timeout", async () => {
    const later = (retryAfterMs: number) => () => new RetryableError("http_status", "later", { retryAfterMs });
    const { sources } = await resolveContext([keyed("a")], failing(later(600), 1));
    expect(sources[0]?.duration_ms).toBeGreaterThanOrEqual(600);
    const startedMs = performance.now();
    const error = await failureOf(resolveContext([keyed("a")], failing(later(60_000), 1)));
    expect(error.details.sources).toMatchObject([{ code: "http_status", attempts: 1 }]);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });
});

test("a source that hangs, deaf to its signal, ends at its timeout, all its tries together", async () => {
  const startedMs = performance.now();
  let tries = 0;
  const error = await failureOf(
    resolveContext(
      [keyed("a", { timeout: "400ms", retry: 10 })],
      answering(() => {
        if (++tries === 2) return new Promise(() => {});
        throw new RetryableError("nats_unavailable", "away");
      }),
    ),
  );
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expect(error.message).toBe("context source a: it did not answer within 0.4 s");
  expect(error.details.sources).toMatchObject([{ code: "source_timeout", attempts: 2 }]);
});

test("a failure fails the context with its name, and that of an optional source makes it null", async () => {
  const deps = answering(async (key) => {
    if (key !== "c") throw new TerminalError("kv_bucket_unknown", `${key} is gone`);
    return "there";
  });
  const error = await failureOf(resolveContext([keyed("a"), keyed("b", { optional: true }), keyed("c")], deps));
  expect(error).toMatchObject({
    name: "TerminalError",
    code: "context_failed",
    message: "context source a: a is gone",
  });
  expect(error.details.sources).toMatchObject([{ status: "failed" }, { status: "failed" }, { status: "ok" }]);

  const { values, sources } = await resolveContext([keyed("b", { optional: true }), keyed("c")], deps);
  expect(values).toEqual({ b: null, c: "there" });
  expect(sources).toMatchObject([{ status: "failed", bytes: 0, error: "b is gone", code: "kv_bucket_unknown" }, {}]);
});

test("an expression that fails names its source", async () => {
  const error = await failureOf(
    resolveContext(
      [keyed("a", { select: "value.missing.more" })],
      answering(async () => ({ there: 1 })),
    ),
  );
  expect(error.message).toStartWith("context source a: ");
  expect(error.message).toContain("missing");
  expect(error.details.sources).toMatchObject([{ code: "expression_failed", attempts: 1 }]);
});

test("the values have 256 KB of JSON together, and the one that has no room is named with its size", async () => {
  const sized = answering(async (key) => "x".repeat(Number(key.slice(1)) - 2));
  const { sources } = await resolveContext([keyed("n200000"), keyed("n62144")], sized);
  expect(sources.map(({ bytes }) => bytes)).toEqual([200_000, 62_144]);

  const alone = await failureOf(resolveContext([keyed("n262145")], sized));
  expect(alone.message).toBe(
    "context source n262145: its value has 262145 bytes as JSON: the context of a run has at most 262144. " +
      "Keep only what is needed, with select",
  );
  const second = await failureOf(resolveContext([keyed("n200000"), keyed("n62145")], sized));
  expect(second.message).toStartWith(
    "context source n62145: its value has 62145 bytes as JSON, and the values before it 200000: ",
  );
});

test("a value that is nested beyond what JSON may be here is refused, and not followed", async () => {
  const deep = { bytes: new TextEncoder().encode(`${"[".repeat(200_000)}${"]".repeat(200_000)}`), revision: 1 };
  const error = await failureOf(resolveContext([keyed("a")], { keyValues: { get: async () => deep } }));
  expect(error.message).toContain("is nested deeper than 100 levels");
});

test("keys that objects inherit are keys like others, and numbers keep their digits", async () => {
  const text = '{"__proto__": {"polluted": true}, "constructor": 9007199254740993}';
  const { values } = await resolveContext([keyed("a")], {
    keyValues: { get: async () => ({ bytes: new TextEncoder().encode(text), revision: 1 }) },
  });
  expect(JSON.stringify(values)).toBe('{"a":{"__proto__":{"polluted":true},"constructor":9007199254740993}}');
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test("a secret that a source was given is in no value and in no error", async () => {
  const given: unknown[] = [];
  const echo = answering(async (key) => {
    given.push(key);
    if (key.startsWith("fail")) throw new TerminalError("kv_bucket_unknown", `no ${key}`);
    return { said: key };
  });
  const { values } = await resolveContext([keyed("a", { key: "{{ secret.TOKEN }}" })], echo);
  expect(values).toEqual({ a: { said: "***" } });
  const error = await failureOf(resolveContext([keyed("a", { key: "fail-{{ secret.TOKEN }}" })], echo));
  expect(error.message).toBe("context source a: no fail-***");
  expect(JSON.stringify(error.details)).not.toContain("s3cret");
  expect(given).toEqual(["s3cret-of-the-test", "fail-s3cret-of-the-test"]);
});

test("a value that looks like a template of a secret stays what it is", async () => {
  const { values } = await resolveContext(
    [{ name: "a", type: "static", value: "{{ event.subject }}" }, keyed("b")],
    answering(async () => "{{ secret.TOKEN }}"),
    { values: { event: { subject: "{{ secret.TOKEN }}" } } },
  );
  expect(values).toEqual({ a: "{{ secret.TOKEN }}", b: "{{ secret.TOKEN }}" });
});

test("when nobody waits any more, the sources hear of it, and the reason is what is thrown", async () => {
  const stopping = new AbortController();
  const heard = Promise.withResolvers<void>();
  const resolving = failureOf(
    resolveContext(
      [keyed("a", { optional: true })],
      answering((_, signal) => {
        signal.addEventListener("abort", () => heard.resolve());
        setTimeout(() => stopping.abort(new Error("stopping")), 10);
        return new Promise(() => {});
      }),
      { signal: stopping.signal },
    ),
  );
  expect((await resolving).message).toBe("stopping");
  await heard.promise;
});
