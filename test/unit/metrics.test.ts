/** What `/metrics` says of the process itself. */
import { expect, test } from "bun:test";
import { createMetrics } from "../../src/kernel/metrics.ts";

test("a scrape has the process's memory and processor time, and asks for no heap spaces, for which Bun walks the whole heap", async () => {
  const names = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining([
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "nodejs_heap_size_used_bytes",
    ]),
  );
  expect(names.filter((name) => name.startsWith("nodejs_heap_space_"))).toEqual([]);
});
