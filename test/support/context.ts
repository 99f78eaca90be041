/** Context sources in tests: compiled as of a stored definition, and resolved with the adapters that a test gives. */
import { createContextResolver } from "../../src/context/resolver.ts";
import type { ReaderDeps, RunFacts } from "../../src/context/source-type.ts";
import { compileSources, findSourceFaults } from "../../src/context/sources.ts";
import { createSecrets } from "../../src/secret/secrets.ts";

export const SOURCE_RULES = { engines: { ports: new Map<number, string>() } };

export const RUN: RunFacts = {
  activity_id: "01900000-0000-7000-8000-000000000001",
  run_id: "01900000-0000-7000-8000-000000000002",
  fired_at: new Date("2026-01-31T09:30:00Z"),
};

/** No adapter answers but those of `given`. */
export function readerDeps(given: Partial<ReaderDeps> = {}): ReaderDeps {
  const absent = async () => {
    throw new Error("this test gives no such adapter");
  };
  return {
    secrets: createSecrets({ values: { TOKEN: "s3cret-of-the-test" } }),
    dial: absent,
    sql: { query: absent },
    keyValues: { get: absent },
    previousRuns: { read: absent },
    recordedEvents: { read: absent },
    ...given,
  };
}

/** Resolves the sources of a definition. @throws Error where they have a fault */
export async function resolveContext(
  sources: readonly unknown[],
  given: Partial<ReaderDeps> = {},
  {
    values = {},
    run = RUN,
    signal = new AbortController().signal,
  }: { values?: Record<string, unknown>; run?: RunFacts; signal?: AbortSignal } = {},
) {
  const faults = findSourceFaults(sources, "/context_sources", SOURCE_RULES);
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
  return createContextResolver(readerDeps(given)).resolve(compileSources(sources), values, run, signal);
}
