/** The sources of docs/context.md, read from a real database, a real NATS, the ledger and a receiver. */
import { expect, test } from "bun:test";
import { createContextResolver } from "../../src/context/resolver.ts";
import { compileSources } from "../../src/context/sources.ts";
import { openNats } from "../../src/nats/connection.ts";
import { createKeyValueReader } from "../../src/nats/key-values.ts";
import { createDial } from "../../src/outbound/dial.ts";
import { createPreviousRunReader } from "../../src/postgres/context/previous-run-reader.ts";
import { createRecordedEventReader } from "../../src/postgres/context/recorded-event-reader.ts";
import { createSqlReader } from "../../src/postgres/context/sql-reader.ts";
import { createSecrets } from "../../src/secret/secrets.ts";
import { readExamples } from "../support/context-examples.ts";
import { createTestDatabase } from "../support/database.ts";
import { ENGINES_TIMEOUT_MS, useEngines } from "../support/engines.ts";
import { claim, claimedRun, recordEvent } from "../support/ledger.ts";
import { NO_ENGINES } from "../support/own-engines.ts";

test(
  "each example answers what the page says",
  async () => {
    const database = await createTestDatabase();
    const nats = await openNats((await useEngines()).natsUrl, "test");
    const bucket = await nats.connection.jetstream().views.kv("settings");
    const crm = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ url, headers }) => {
        const { pathname } = new URL(url);
        return Response.json({ account: { pathname, authorization: headers.get("authorization"), active: true } });
      },
    });
    const secrets = createSecrets({ values: { CRM_TOKEN: "t0ken-of-the-crm" } });
    const sql = createSqlReader({ shop: database.url }, secrets);
    try {
      await database.sql`create table orders (id bigint, total numeric, customer text, paid_at timestamptz)`;
      await database.sql`insert into orders values (1, 9.90, 'u/1', now()), (2, 20, 'u/1', null), (3, 7, 'u/2', null)`;
      await bucket.put("flags.pro", '{"beta": true}');

      // A run that succeeded, an order after it, and the run whose context this is.
      const { definition, run_id } = await claimedRun(database);
      await database.sql`update actcore.runs set status = 'succeeded', finished_at = now() where run_id = ${run_id}`;
      await recordEvent(database, definition, "order-1");
      await database.sql`update actcore.events set type = 'order.paid', payload = '{"country": "AT"}' where event_id = 'order-1'`;
      const next = await claim(database, definition.id);
      const run = { activity_id: definition.id, run_id: next.run_id, fired_at: new Date(Date.now() + 1_000) };

      const { examples } = await readExamples();
      const written = JSON.stringify(examples.flatMap(({ context_sources }) => context_sources));
      const sources = JSON.parse(written.replaceAll("https://crm.local/", crm.url.href));
      const resolver = createContextResolver({
        secrets,
        dial: createDial({ engines: NO_ENGINES, allowed: [], proxies: { exempt: [] } }),
        sql,
        keyValues: createKeyValueReader(async () => nats),
        previousRuns: createPreviousRunReader(database.db),
        recordedEvents: createRecordedEventReader(database.db),
      });
      const values = { event: { payload: { id: "u/1", tier: "pro" } } };
      const { signal } = new AbortController();
      const answers: unknown[] = [];
      // One by one, because examples share names.
      for (const source of compileSources(sources)) {
        const { values: answered } = await resolver.resolve([source], values, run, signal);
        answers.push(answered);
      }
      const event = { event_id: "order-1", type: "order.paid", payload: { country: "AT" } };
      expect(answers).toMatchObject([
        { account: { pathname: "/accounts/u/1", authorization: null, active: true } },
        {
          orders: [
            { id: 1, total: 9.9 },
            { id: 2, total: 20 },
          ],
        },
        { limits: { most: 3, tier: "pro" } },
        { account: { pathname: "/accounts/u%2F1", authorization: "Bearer ***", active: true } },
        {
          orders: [
            { id: 2, total: 20 },
            { id: 1, total: 9.9 },
          ],
        },
        { open: 2 },
        { flags: { beta: true } },
        { paused: false },
        { last: expect.stringMatching(/Z$/) },
        { failures: 0 },
        { orders: { count: 1, capped: false, since: expect.stringMatching(/Z$/), events: [event] } },
      ]);
    } finally {
      await crm.stop(true);
      await sql.close();
      await bucket.destroy();
      await nats.close();
      await database.close();
    }
  },
  ENGINES_TIMEOUT_MS,
);
