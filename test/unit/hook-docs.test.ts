/** The page of webhooks: its examples are hooks without a fault, and it has every way of verifying and every refusal. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { REPOSITORY } from "../../deploy/build/repository.ts";
import { parseHook, VERIFY } from "../../src/hook/schema.ts";

const page = await Bun.file(join(REPOSITORY, "docs/hooks.md")).text();
const examples = [...page.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].flatMap(([, text = ""]) =>
  parseAllDocuments(text).map((document) => document.toJS()),
);

test("its examples are hooks, of every way of verifying", () => {
  const hooks = examples.map(({ kind, ...input }) => {
    expect(kind).toBe("hook");
    return parseHook(input);
  });
  expect([...new Set(hooks.map(({ verify }) => verify))].sort()).toEqual([...VERIFY].sort());
});

test("it says every code by which hooks themselves refuse", async () => {
  const sources = await Promise.all(
    ["receiver", "proof", "mapping"].map((file) => Bun.file(join(REPOSITORY, `src/hook/${file}.ts`)).text()),
  );
  const codes = sources.flatMap((text) =>
    [...text.matchAll(/Error\(\s*"([a-z_]+)"/g)].map(([, code]) => code as string),
  );
  // It is a fault of the secret, and answered as `hook_not_ready`.
  const answered = new Set(codes.filter((code) => code !== "secret_unusable"));
  expect(answered.size).toBeGreaterThan(6);
  for (const code of answered) expect(page).toContain(`\`${code}\``);
});
