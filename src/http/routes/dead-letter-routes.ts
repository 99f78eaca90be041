/** Dead letters over REST: listed, replayed as the events that they should have been, or discarded. */
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { EXPECTED_TIME, parseTime, TimeSchema } from "../../calendar/time.ts";
import { DEAD_LETTER_REASONS, EventEnvelopeSchema } from "../../event/envelope.ts";
import { EventOutcomeView, EventSummary } from "../../explain/event-view.ts";
import { findFaults } from "../../json/faults.ts";
import { Nullable, oneOf } from "../../json/schema-parts.ts";
import { InvalidInputError } from "../../kernel/errors.ts";
import type { Correction } from "../../replay/letter.ts";
import type { BulkRequest } from "../../replay/letter-desk.ts";
import { isStorable } from "../ids.ts";
import { byId, listRoute } from "../list-route.ts";
import { Since } from "../query.ts";
import { type Route, requireFound, route } from "../route.ts";

/** Milliseconds. */
const BULK_WITHIN_MS = 60_000;
const MAX_BULK = 500;

const LetterParams = Type.Object({ event_id: Type.String() });
const Reason = oneOf(DEAD_LETTER_REASONS, { expected: `one of ${DEAD_LETTER_REASONS.join(", ")}` });
const TypeName = Type.String({ maxLength: 200 });
const LetterReplayBody = Type.Object(
  {
    envelope: Type.Optional(
      Type.Composite([EventEnvelopeSchema], {
        additionalProperties: false,
        description: "The whole event, in place of what the bytes hold.",
      }),
    ),
    event_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: "Another id than the one that the bytes carry.",
        expected: "1 to 200 bytes",
      }),
    ),
    payload: Type.Optional(Type.Unknown({ description: "Another payload than the one that the bytes carry." })),
  },
  { additionalProperties: false, title: "DeadLetterReplay" },
);
const BulkBody = Type.Object(
  {
    reason: Type.Optional(Reason),
    type: Type.Optional(TypeName),
    since: Type.Optional(TimeSchema("dead letters recorded since then.")),
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_BULK,
        default: MAX_BULK,
        expected: `a whole number from 1 to ${MAX_BULK}`,
      }),
    ),
    after: Type.Optional(
      Type.String({ format: "uuid", description: "`next` of the call before.", expected: "the `next` of an answer" }),
    ),
  },
  { additionalProperties: false, title: "DeadLetterFilter" },
);
const Replayed = Type.Object(
  {
    event_id: Type.String({ description: "Of the event that it became." }),
    corrected: Type.Array(Type.String(), { description: "The fields in which the event differs from the bytes." }),
    outcome: EventSummary.properties.outcome,
    activities: Type.Array(EventOutcomeView),
  },
  { title: "ReplayedDeadLetter" },
);
const Settled = Type.Object(
  {
    settled: Type.Integer(),
    refused: Type.Array(Type.Object({ event_id: Type.String(), code: Type.String(), detail: Type.String() }), {
      description: "Those that stay as they are, and why.",
    }),
    left: Type.Integer({ description: "How many that the filter chooses nobody has seen to, refused ones included." }),
    next: Nullable(Type.String({ description: "`after` of a next call; null where all were looked at." })),
  },
  { title: "SettledDeadLetters" },
);

export const DEAD_LETTER_ROUTES: readonly Route[] = [
  listRoute({
    path: "/dead-letters",
    scope: "runs:read",
    summary: "List dead letters, newest first; GET /events/{event_id} has the bytes of one",
    filters: {
      reason: Type.Optional(Reason),
      type: Type.Optional(TypeName),
      settled: Type.Optional(
        Type.Boolean({
          expected: "true or false",
          description: "Whether somebody has replayed or discarded it; both when absent.",
        }),
      ),
      since: Type.Optional(Since),
    },
    row: EventSummary,
    cursor: byId("row_id"),
    read: ({ services }, filter, page) => services.ledger.listDeadLetters(filter, page),
  }),
  route({
    method: "POST",
    path: "/dead-letters/replay",
    scope: "trigger",
    summary: "Replay the dead letters that a filter chooses as they are, oldest first",
    answerWithinMs: BULK_WITHIN_MS,
    body: { schema: BulkBody, example: { reason: "schema_mismatch", type: "user.created" }, read: readBulk },
    answers: { 200: Settled },
    async handle({ body, services, actor }) {
      return { body: await services.letterDesk.replayAll({ ...body, actor }) };
    },
  }),
  route({
    method: "POST",
    path: "/dead-letters/discard",
    scope: "trigger",
    summary: "Discard the dead letters that a filter chooses: they stay readable until retention removes them",
    body: { schema: BulkBody, example: { reason: "not_json" }, read: readBulk },
    answers: { 200: Settled },
    async handle({ body, services, actor }) {
      return { body: await services.letterDesk.discardAll({ ...body, actor }) };
    },
  }),
  route({
    method: "POST",
    path: "/dead-letters/:event_id/replay",
    scope: "trigger",
    summary:
      "Record a dead letter as the event that it should have been, as it is or corrected, and start what follows",
    params: LetterParams,
    body: { schema: LetterReplayBody, example: { payload: { tier: "pro" } }, optional: true, read: readCorrection },
    answers: { 202: Replayed },
    async handle({ params, body, services, actor }) {
      const replayed = await services.letterDesk.replay({
        event_id: storable(params.event_id),
        correction: body,
        actor,
      });
      const location = `/events/${encodeURIComponent(replayed.event_id)}`;
      return { status: 202, body: replayed, headers: { location } };
    },
  }),
  route({
    method: "POST",
    path: "/dead-letters/:event_id/discard",
    scope: "trigger",
    summary: "Discard a dead letter: it stays readable until retention removes it",
    params: LetterParams,
    answers: { 200: Type.Object({ event_id: Type.String() }) },
    async handle({ params, services, actor }) {
      await services.letterDesk.discard({ event_id: storable(params.event_id), actor });
      return { body: params };
    },
  }),
];

/** @throws TerminalError `not_found` for an id that no dead letter can have */
function storable(id: string): string {
  return requireFound(isStorable(id) ? id : undefined, `dead letter ${JSON.stringify(id.slice(0, 200))}`);
}

function readCorrection(json: unknown = {}): Correction {
  const correction = read(LetterReplayBody, json);
  const beside = ["event_id", "payload"].filter((field) => field in correction);
  if (correction.envelope !== undefined && beside.length > 0)
    throw invalid(beside.map((field) => ({ path: `/${field}`, message: "stands in the envelope that is given" })));
  return correction;
}

function readBulk(json: unknown): Omit<BulkRequest, "actor"> {
  const { limit = MAX_BULK, after, since: text, ...filter } = read(BulkBody, json);
  const since = text === undefined ? undefined : parseTime(text);
  if (text !== undefined && since === undefined)
    throw invalid([{ path: "/since", message: `expected ${EXPECTED_TIME}` }]);
  if (since === undefined && Object.keys(filter).length === 0)
    throw invalid([{ path: "/", message: "expected at least one of reason, type and since" }]);
  return { filter: { ...filter, ...(since && { since }) }, limit, after };
}

function read<T extends TObject>(schema: T, json: unknown): Static<T> {
  const faults = findFaults(schema, json);
  if (faults.length > 0) throw invalid(faults);
  return json as Static<T>;
}

function invalid(faults: { path: string; message: string }[]): InvalidInputError {
  return new InvalidInputError("the request about dead letters is not valid", faults, "invalid_dead_letter_request");
}
