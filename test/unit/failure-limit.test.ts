import { describe, expect, test } from "bun:test";
import { createFailureLimit, MAX_FAILURES, WINDOW_MS } from "../../src/access/failure-limit.ts";

/** A limit whose clock the test moves. */
function limitAt(clock: { now: number }) {
  const limit = createFailureLimit(() => clock.now);
  const exhaust = (address: string) => {
    for (let i = 0; i < MAX_FAILURES; i++) expect(limit.count(address)).toBe(0);
  };
  return { ...limit, exhaust };
}

test("of an address ten failures within a minute are answered", () => {
  expect([MAX_FAILURES, WINDOW_MS]).toEqual([10, 60_000]);
});

describe("failures of an address", () => {
  test("are answered up to the limit, and then only when the window has passed", () => {
    const clock = { now: 1_000 };
    const { count, exhaust } = limitAt(clock);
    exhaust("10.0.0.1");
    clock.now += 20_000;
    expect(count("10.0.0.1")).toBe(WINDOW_MS - 20_000);
    clock.now += WINDOW_MS - 20_000;
    exhaust("10.0.0.1");
    expect(count("10.0.0.1")).toBe(WINDOW_MS);
  });

  test("do not count for another address", () => {
    const { count, exhaust } = limitAt({ now: 0 });
    exhaust("10.0.0.1");
    expect(count("10.0.0.1")).toBeGreaterThan(0);
    expect(count("10.0.0.2")).toBe(0);
  });

  test.each([
    ["2001:db8::1", "2001:0DB8:0:0:ffff::2"],
    ["2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6"],
    ["fe80::1%eth0", "fe80::2"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::1:2:3:4:5:6", "0:0:1:2:ffff::"],
    ["1:2::5:6:7", "1:2:0:0::"],
  ])("count together for %s and %s", (one, other) => {
    const { count, exhaust } = limitAt({ now: 0 });
    exhaust(one);
    expect(count(other)).toBeGreaterThan(0);
  });

  test.each([
    ["2001:db8::1", "2001:db8:0:1::1"],
    ["::1", "1::"],
    ["::1:2:3:4:5:6", "::1:9:3:4:5:6"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.2"],
  ])("count apart for %s and %s", (one, other) => {
    const { count, exhaust } = limitAt({ now: 0 });
    exhaust(one);
    expect(count(other)).toBe(0);
  });

  test("are forgotten for those of more than 10,000 newer addresses", () => {
    const { count, exhaust } = limitAt({ now: 0 });
    exhaust("old");
    for (let i = 0; i < 10_000; i++) count(`address ${i}`);
    expect(count("old")).toBe(0);
  });

  test("are remembered for 10,000 addresses, in the order of their windows", () => {
    const clock = { now: 0 };
    const { count, exhaust } = limitAt(clock);
    exhaust("early");
    clock.now += WINDOW_MS;
    exhaust("old");
    count("early"); // a new window: "old" is now the oldest
    for (let i = 0; i < 9_998; i++) count(`address ${i}`);
    expect(count("old")).toBeGreaterThan(0);
    count("one more");
    expect([count("old"), count("early")]).toEqual([0, 0]);
  });
});
