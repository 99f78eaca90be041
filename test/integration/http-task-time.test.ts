/** How long an http task may take: as long as its own timeout says. */
import { expect, test } from "bun:test";

test("a receiver may be silent for longer than fetch's own limit", async () => {
  // fetch's limit is five minutes; here it is one second, which its timer rounds up to eight.
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/../support/slow-answer.ts`, "12000"], {
    env: { ...process.env, BUN_CONFIG_HTTP_IDLE_TIMEOUT: "1" },
    stderr: "inherit",
  });
  expect(JSON.parse(await new Response(child.stdout).text())).toMatchObject({
    result: { status: 200, body: "done", truncated: false },
    requests: 1,
  });
}, 60_000);
