/**
 * Where webhooks come in. A request proves itself by its signature, so it needs no key, and comes under whatever host name and
 * from whatever origin there is: a browser has nothing that it could add on behalf of another site.
 */
import { Type } from "@sinclair/typebox";
import { route } from "../route.ts";

/** Whether a request is one for `DELIVERY_ROUTE`. */
export function isDelivery(method: string, path: string): boolean {
  return method === "POST" && /^\/hooks\/[^/]+\/?$/.test(path);
}

export const DELIVERY_ROUTE = route({
  method: "POST",
  path: "/hooks/:name",
  scope: null,
  summary:
    "Send what a hook becomes an event of, of any content type; 401 where it is not signed as the hook wants it, 422 where the " +
    "hook makes no event of it",
  params: Type.Object({ name: Type.String() }),
  body: {
    schema: Type.Unknown({ description: "What the hook's sender sends. It is verified as it came, byte by byte." }),
    example: { action: "opened", number: 1 },
    raw: true,
    read: (bytes) => bytes as Uint8Array,
  },
  answers: {
    200: Type.Object({ challenge: Type.String() }, { description: "Slack asks for it when it is given an address." }),
    202: Type.Object({ event_id: Type.String() }, { description: "The stream has the event.", title: "Delivered" }),
  },
  async handle({ params: { name }, body, headers, address, services }) {
    const answer = await services.hookReceiver.receive({ name, headers, body, address });
    return "challenge" in answer ? { body: answer } : { status: 202, body: answer };
  },
});
