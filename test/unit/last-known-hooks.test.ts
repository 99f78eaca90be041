/** Which hook a request meets while the database is away. */
import { expect, test } from "bun:test";
import type { StoredHook } from "../../src/hook/hook-reader.ts";
import { createLastKnownHooks } from "../../src/hook/last-known-hooks.ts";
import { RetryableError } from "../../src/kernel/errors.ts";

const MINUTE_MS = 60_000;

function createKnown() {
  const hooks = new Map<string, StoredHook>();
  const state = { error: undefined as Error | undefined, nowMs: 0 };
  const reader = {
    async find(name: string) {
      if (state.error) throw state.error;
      return hooks.get(name);
    },
  };
  const put = (name: string, version: number) =>
    hooks.set(name, { id: "1", version, name, enabled: true, verify: "github", secrets: ["S"] });
  return { hooks, state, put, ...createLastKnownHooks(reader, () => state.nowMs) };
}

const away = new RetryableError("postgres_unavailable", "Postgres: away");

test("while the database answers, a hook is as it is there", async () => {
  const { put, hooks, find } = createKnown();
  put("a", 1);
  expect(await find("a")).toMatchObject({ version: 1 });
  put("a", 2);
  expect(await find("a")).toMatchObject({ version: 2 });
  hooks.delete("a");
  expect(await find("a")).toBeUndefined();
});

test("while it is away, a hook is as it was read last, for ten minutes; one that was not read is not known", async () => {
  const { put, hooks, state, find } = createKnown();
  put("kept", 1);
  put("deleted", 1);
  for (const name of ["kept", "deleted"]) await find(name);
  hooks.delete("deleted");
  await find("deleted");
  state.error = away;
  state.nowMs = 10 * MINUTE_MS;
  expect(await find("kept")).toMatchObject({ version: 1 });
  expect(await find("deleted")).toBeUndefined();
  await expect(find("other")).rejects.toBe(away);
  state.nowMs++;
  await expect(find("kept")).rejects.toBe(away);
});

test("an error of another kind is nobody's absence", async () => {
  const { put, state, find } = createKnown();
  put("a", 1);
  await find("a");
  state.error = new Error("a mistake");
  await expect(find("a")).rejects.toThrow("a mistake");
});
