/** What context sources are resolved by in this process, from its configuration and its connections. */
import { type ContextResolver, createContextResolver } from "../context/resolver.ts";
import { createKeyValueReader } from "../nats/key-values.ts";
import type { Dial } from "../outbound/dial.ts";
import type { Postgres } from "../postgres/client.ts";
import { createPreviousRunReader } from "../postgres/context/previous-run-reader.ts";
import { createRecordedEventReader } from "../postgres/context/recorded-event-reader.ts";
import { createSqlReader } from "../postgres/context/sql-reader.ts";
import type { RoleDeps } from "./role.ts";

export interface OpenContextResolver extends ContextResolver {
  /** Closes the connections to the databases of `sql` sources. */
  close(): Promise<void>;
}

export function createConfiguredResolver(
  { config, secrets, connections }: Pick<RoleDeps, "config" | "secrets" | "connections">,
  { db }: Pick<Postgres, "db">,
  dial: Dial,
): OpenContextResolver {
  const sql = createSqlReader(config.sqlUrls(), secrets);
  const resolver = createContextResolver({
    secrets,
    dial,
    sql,
    keyValues: createKeyValueReader(connections.nats),
    previousRuns: createPreviousRunReader(db),
    recordedEvents: createRecordedEventReader(db),
  });
  return { ...resolver, close: sql.close };
}
