import { expect, test } from "bun:test";
import { createReadiness } from "../../src/kernel/readiness.ts";
import { createLateParts } from "../../src/roles/late-parts.ts";

test("a part whose engine was never reached is refused with why; reached, it is there, and so is one that comes later", () => {
  const readiness = createReadiness({ api: ["postgres", "nats"] });
  const { parts, reach } = createLateParts<{ ledger: string; events: number }>(
    { ledger: "postgres", events: "nats" },
    readiness,
  );
  readiness.engineDown("nats", "connection refused");
  expect(() => parts.ledger).toThrow("postgres is not there: not reached yet");
  expect(() => parts.events).toThrow(
    expect.objectContaining({ code: "nats_unavailable", message: "nats is not there: connection refused" }),
  );
  reach({ ledger: "a" });
  expect(parts.ledger).toBe("a");
  expect(() => parts.events).toThrow();
  reach({ ledger: "b", events: 0 });
  expect([parts.ledger, parts.events]).toEqual(["b", 0]);
});
