/** Which definitions an event reaches, and why not the others: published to NATS, and read back over REST. */
import { expect, test } from "bun:test";
import { eventually } from "../support/engines.ts";
import { connectNats } from "../support/nats-client.ts";
import { SERVER_TIMEOUT_MS } from "../support/server.ts";
import { define, envelope, finishedRuns, useServer } from "../support/shared-server.ts";

test(
  "an event starts the activities whose pattern, filters and condition it meets, and says of the others which did not hold",
  async () => {
    const server = await useServer();
    const nats = await connectNats(server);
    const shop = `shop-${crypto.randomUUID()}`;
    const triggers = {
      one: { event_type: `${shop}.*.paid`, filters: { tier: ["pro", "team"], "customer.country": "DE" } },
      rest: { event_type: `${shop}.**`, when: "event.payload.seats > 3 && event.subject == null" },
      exact: { event_type: `${shop}.order.paid`, when: "event.payload.customer.vip" },
      shorter: { event_type: `${shop}.*` },
    };
    const ids = new Map<string, string>();
    for (const [name, trigger] of Object.entries(triggers)) {
      const trigger_config = { trigger_type: "event", ...trigger };
      ids.set((await define(server, { name: `${shop} ${name}`, trigger_config })).id, name);
    }

    /** Answers what came of it, by the name of the activity. */
    async function publish(payload: object): Promise<Record<string, object>> {
      const event = envelope(`${shop}.order.paid`, { payload });
      await nats.jetstream().publish(`activity.${shop}.order.paid`, JSON.stringify(event));
      const { body } = await eventually("the event is settled", async () => {
        const answer = await server.api(`/events/${event.event_id}`);
        return answer.status === 200 && answer.body.outcome === "dispatched" && answer;
      });
      const activities = body.activities as { activity_id: string; outcome: string; reason: string | null }[];
      return Object.fromEntries(
        activities.map(({ activity_id, outcome, reason }) => [ids.get(activity_id), { outcome, reason }]),
      );
    }

    expect(await publish({ tier: "team", seats: 4, customer: { country: "DE", vip: true } })).toEqual({
      one: { outcome: "run", reason: null },
      rest: { outcome: "run", reason: null },
      exact: { outcome: "run", reason: null },
    });
    expect(await publish({ tier: "team", seats: 2, customer: { country: "FR" } })).toEqual({
      one: { outcome: "filtered", reason: 'payload.customer.country is "FR", the filter wants "DE"' },
      rest: {
        outcome: "filtered",
        reason: "payload.seats is 2, event.subject is null: event.payload.seats > 3 && event.subject == null is false",
      },
      exact: {
        outcome: "failed_expression",
        reason: expect.stringMatching(/^event\.payload\.customer\.vip: .*\bvip/),
      },
    });
    for (const [id, name] of ids) if (name !== "shorter") await finishedRuns(server, id, 1);
    await nats.close();

    const refused = await server.api("/activity-definitions", {
      json: {
        name: `${shop} refused`,
        trigger_config: { trigger_type: "event", event_type: `${shop}.ord*`, when: "event.payload.seats >" },
      },
    });
    expect([refused.status, refused.body.errors.map(({ path }: { path: string }) => path)]).toEqual([
      ...[400, ["/trigger_config/event_type", "/trigger_config/when"]],
    ]);
  },
  SERVER_TIMEOUT_MS,
);
