/**
 * From a request that is verified to the event that it is: what `map` of the hook says, and for the rest what its sender is
 * known to mean. The delivery's id makes the event's, so that a sender that tries again makes no second event. Pure.
 */
import { type EventEnvelope, findEnvelopeFaults, isEventId } from "../event/envelope.ts";
import { findOwnEventFaults } from "../event/own-event.ts";
import type { Expression } from "../expression/expression.ts";
import { ExpressionError } from "../expression/expression-error.ts";
import { isExactNumber } from "../json/exact-number.ts";
import { preview } from "../json/faults.ts";
import { valueAt } from "../json/pointer.ts";
import { type Fault, InvalidInputError } from "../kernel/errors.ts";
import { stableHex } from "../kernel/stable-id.ts";
import { RequestFault, readBody } from "./body.ts";
import type { Hook } from "./hook.ts";
import { type Sent, standardPrefix } from "./proof.ts";

/** What the expressions of a hook read. */
export interface HookValues {
  /** By name in lower case. */
  headers: Readonly<Record<string, string>>;
  body: unknown;
  hook: { name: string };
}

/** @throws InvalidInputError `mapping_failed` where the body is not what it says */
export function readValues(hook: Hook, sent: Sent): HookValues {
  try {
    return valuesOf(hook, sent, readBody(sent, hook.verify));
  } catch (error) {
    if (error instanceof RequestFault) throw mappingFailed(hook.name, [error.fault]);
    throw error;
  }
}

function valuesOf({ name }: Hook, { headers }: Sent, body: unknown): HookValues {
  return { headers: Object.fromEntries(headers), body, hook: { name } };
}

/**
 * @param receivedAt becomes the event's `occurred_at`: two deliveries of one event may differ in it
 * @throws InvalidInputError `mapping_failed` with every fault: where a value is not there, an expression fails, or the event
 *   would be none that may come from outside
 */
export function toEnvelope(hook: Hook, values: HookValues, receivedAt: Date): EventEnvelope {
  const { name, map } = hook;
  const faults: Fault[] = [];
  const attempt = <T>(make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof RequestFault)) throw error;
      faults.push(error.fault);
      return undefined;
    }
  };
  const type = attempt(() => (map.type === undefined ? knownType(hook, values) : textOf("type", map.type, values)));
  const deliveryId = attempt(() => (hasDeliveryId(hook) ? deliveryIdOf(hook, values) : Bun.randomUUIDv7()));
  const subject = attempt(() => (map.subject === undefined ? null : subjectOf(map.subject, values)));
  const payload = attempt(() => (map.payload === undefined ? values.body : evaluate("payload", map.payload, values)));
  if (faults.length > 0 || type === undefined || deliveryId === undefined) throw mappingFailed(name, faults);
  const envelope: EventEnvelope = {
    event_id: eventIdOf(name, deliveryId),
    type,
    source: `hook:${name}`,
    occurred_at: receivedAt.toISOString(),
    ...(typeof subject === "string" && { subject }),
    payload,
  };
  const refused = findEnvelopeFaults(envelope);
  faults.push(...(refused.length > 0 ? refused : findOwnEventFaults(envelope)));
  if (faults.length > 0) throw mappingFailed(name, faults);
  return envelope;
}

/** The id of the event that a request would be, where that can be told though its mapping fails. */
export function findEventId(hook: Hook, sent: Sent): string | undefined {
  if (!hasDeliveryId(hook)) return undefined;
  const idIn = (body: () => unknown) => {
    try {
      return eventIdOf(hook.name, deliveryIdOf(hook, valuesOf(hook, sent, body())));
    } catch (error) {
      if (error instanceof RequestFault) return undefined;
      throw error;
    }
  };
  // A body that cannot be read leaves the headers, which may have the id.
  return idIn(() => readBody(sent, hook.verify)) ?? idIn(() => null);
}

/** What an event may not have as its id is replaced by a hash of it. */
function eventIdOf(name: string, deliveryId: string): string {
  const id = `${name}:${deliveryId}`;
  return isEventId(id) ? id : `${name}:${stableHex(deliveryId, 64)}`;
}

function knownType({ name, verify }: Hook, values: HookValues): string {
  switch (verify) {
    case "github":
      return `github.${headerOf(values, "x-github-event")}`;
    case "stripe":
      return `stripe.${bodyText(values, "/type")}`;
    case "slack": {
      const inner = valueAt(values.body, "/event/type");
      return `slack.${typeof inner === "string" ? inner : bodyText(values, "/type")}`;
    }
    case "standard-webhooks":
      return `${name}.${bodyText(values, "/type")}`;
    default:
      return `hook.${name}`;
  }
}

/** Whether the deliveries of a hook can be told apart: those of a scheme of one's own only where the hook says by what. */
function hasDeliveryId({ verify, map }: Hook): boolean {
  return map.event_id !== undefined || (verify !== "hmac" && verify !== "token");
}

function deliveryIdOf({ verify, map }: Hook, values: HookValues): string {
  if (map.event_id !== undefined) return idOf(map.event_id, values);
  switch (verify) {
    case "github":
      return headerOf(values, "x-github-delivery");
    case "stripe":
      return bodyText(values, "/id");
    case "slack":
      return bodyText(values, "/event_id");
    default:
      return headerOf(values, `${standardPrefix((name) => values.headers[name] !== undefined)}-id`);
  }
}

function headerOf({ headers }: HookValues, name: string): string {
  const value = headers[name];
  if (value) return value;
  throw new RequestFault({ path: `/headers/${name}`, message: "is required" });
}

function bodyText({ body }: HookValues, pointer: string): string {
  const value = valueAt(body, pointer);
  if (typeof value === "string" && value !== "") return value;
  const message = value === undefined ? "is required" : `expected a text, received ${preview(value)}`;
  throw new RequestFault({ path: `/body${pointer}`, message });
}

function textOf(field: string, expression: Expression, values: HookValues): string {
  const value = evaluate(field, expression, values);
  if (typeof value === "string" && value !== "") return value;
  throw wrongResult(field, expression, "a text", value);
}

/** Ids are often numbers where they come from. */
function idOf(expression: Expression, values: HookValues): string {
  const value = evaluate("event_id", expression, values);
  if (typeof value === "string" && value !== "") return value;
  const text = typeof value === "number" || isExactNumber(value) ? String(value) : "";
  if (/^-?\d+$/.test(text)) return text;
  throw wrongResult("event_id", expression, "a text or a whole number", value);
}

function subjectOf(expression: Expression, values: HookValues): string | null {
  const value = evaluate("subject", expression, values);
  if (typeof value === "string" || value === null) return value;
  throw wrongResult("subject", expression, "a text or null", value);
}

function evaluate(field: string, expression: Expression, values: HookValues): unknown {
  try {
    return expression.evaluate({ ...values });
  } catch (error) {
    if (error instanceof ExpressionError) throw new RequestFault({ path: `/map/${field}`, message: error.message });
    throw error;
  }
}

function wrongResult(field: string, { text }: Expression, expected: string, value: unknown): RequestFault {
  return new RequestFault({
    path: `/map/${field}`,
    message: `expected ${expected}, and ${preview(text)} is ${preview(value)}`,
  });
}

function mappingFailed(name: string, faults: readonly Fault[]): InvalidInputError {
  const [first] = faults;
  const message = `the hook ${name} makes no event of this request: ${first?.path} ${first?.message}`;
  return new InvalidInputError(message, faults, "mapping_failed");
}
