/** Why a message is kept as a dead letter, what became of it, and what to do about it, in words. Pure. */
import type { DeadLetterReason } from "../event/envelope.ts";
import type { EventRow } from "./event-explanation.ts";
import { shorten, type Told } from "./explained-run.ts";

/** `mend`: what a replay of it needs, as its body; "" for nothing. Absent where no replay makes an event of it. */
const WHY: Readonly<Record<DeadLetterReason, (letter: EventRow) => { said: string; mend?: string; sender?: string }>> =
  {
    not_json: () => ({ said: "it is no JSON", mend: '{"envelope": …}' }),
    not_an_envelope: () => ({ said: "it is JSON, and no event envelope", mend: '{"envelope": …}' }),
    too_large: () => ({
      said: "it is larger than an event may be",
      sender: "let its sender publish less, or a link to the rest",
    }),
    not_storable: () => ({ said: "it has what the database cannot keep", mend: '{"envelope": …}' }),
    schema_mismatch: ({ type }) => ({
      said: `its payload does not match the schema of its type ${shorten(type ?? "")}, which is enforced`,
      mend: '{"payload": …}',
    }),
    event_differs: ({ carried_id }) => ({
      said: `another event was recorded before under its id ${shorten(carried_id ?? "")}`,
      mend: '{"event_id": …}',
      sender: "its sender must give each event an id of its own",
    }),
    own_event: () => ({
      said: "it looks like an event of actcore's own, and actcore did not make it",
      sender: "let its sender publish it under an id, a type and a source of its own",
    }),
    mapping_failed: () => ({
      said: "a hook could make no event of the request",
      mend: "",
      sender: "mend the map of the hook",
    }),
  };

export function tellDeadLetter(letter: EventRow): Told {
  const { event_id, carried_id, received_at, reason, detail } = letter;
  const name = carried_id === null ? shorten(event_id) : `${shorten(carried_id)} (kept as ${event_id})`;
  const { said, mend, sender } = WHY[reason as DeadLetterReason]?.(letter) ?? { said: `its reason is ${reason}` };
  const why = detail === null ? "" : ` (${shorten(detail)})`;
  const head = `The message ${name} of ${received_at} is a dead letter and reached nothing, because ${said}${why}`;
  if (letter.settled_as !== null) return { said: `${head}; ${tellSettled(letter)}` };
  const body = mend ? ` with ${mend}` : "";
  const replay =
    mend === undefined
      ? undefined
      : `POST /dead-letters/${encodeURIComponent(event_id)}/replay${body} makes the mended event of it`;
  const todo = [sender, replay].filter((part) => part !== undefined).join(", and ");
  return { said: head, ...(todo !== "" && { todo }) };
}

function tellSettled({ settled_as, settled_at, settled_by, replayed_as }: EventRow): string {
  const by = `at ${settled_at} by ${settled_by}`;
  if (settled_as === "discarded") return `it was discarded ${by}`;
  return `it was replayed ${by} as the event ${shorten(replayed_as ?? "")}, which GET /explain tells of`;
}
