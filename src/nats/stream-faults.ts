/**
 * Finds what somebody has changed on the stream or its consumer so that events do not come in, or do not reach a router. Pure.
 * What is changed back, or made anew, works without a restart; actcore itself changes neither (I6).
 */
import { AckPolicy, type ConsumerInfo, type StreamConfig } from "nats";
import { CONSUMER, STREAM, SUBJECTS } from "./names.ts";

/** Bytes; a stream that takes less refuses everyday events. */
const MIN_MESSAGE_BYTES = 65_536;
const REMAKE = "Remove the consumer, and actcore makes its own";

export interface StreamFault {
  message: string;
  /** What to do about it, as an imperative sentence. */
  hint: string;
}

export function findStreamFault({ subjects, sealed, no_ack, max_msg_size }: StreamConfig): StreamFault | undefined {
  if (sealed)
    return {
      message: `stream ${STREAM} is sealed: it takes nothing in, for ever`,
      hint: "Remove the stream, and actcore makes it anew",
    };
  const subjectFault = findSubjectFault({ subjects });
  if (subjectFault !== undefined) return subjectFault;
  if (no_ack)
    return {
      message: `stream ${STREAM} does not confirm what it takes in (no_ack)`,
      hint: "Take no_ack off the stream",
    };
  if (max_msg_size > 0 && max_msg_size < MIN_MESSAGE_BYTES)
    return {
      message: `stream ${STREAM} takes messages of at most ${max_msg_size} bytes (max_msg_size)`,
      hint: "Raise max_msg_size to 1 MiB, or take the bound off",
    };
  return undefined;
}

export function findSubjectFault({ subjects }: Pick<StreamConfig, "subjects">): StreamFault | undefined {
  if (subjects?.includes(SUBJECTS)) return undefined;
  return {
    message: `stream ${STREAM} takes in ${subjects?.join(", ") || "nothing"}, not ${SUBJECTS}`,
    hint: "Add the subject, or remove the stream and let actcore make it",
  };
}

export function findAckFault({ ack_policy }: Pick<ConsumerInfo["config"], "ack_policy">): StreamFault | undefined {
  if (ack_policy === AckPolicy.Explicit) return undefined;
  return { message: `consumer ${CONSUMER} acknowledges ${ack_policy}, not explicitly`, hint: REMAKE };
}

export function findConsumerFault({
  config,
  paused,
}: Pick<ConsumerInfo, "config" | "paused">): StreamFault | undefined {
  const { deliver_subject, filter_subject, filter_subjects, headers_only, pause_until } = config;
  if (paused)
    return {
      message: `consumer ${CONSUMER} is paused until ${pause_until}`,
      hint: `Resume it: nats consumer resume ${STREAM} ${CONSUMER}`,
    };
  const ackFault = findAckFault(config);
  if (ackFault !== undefined) return ackFault;
  if (deliver_subject)
    return { message: `consumer ${CONSUMER} sends to ${deliver_subject}: no router can ask it`, hint: REMAKE };
  const filters = [...(filter_subjects ?? []), ...(filter_subject ? [filter_subject] : [])];
  if (filters.length > 0 && !filters.some((filter) => filter === SUBJECTS || filter === ">"))
    return { message: `consumer ${CONSUMER} gives out only ${filters.join(", ")}`, hint: REMAKE };
  if (headers_only)
    return { message: `consumer ${CONSUMER} gives out messages without their content (headers_only)`, hint: REMAKE };
  return undefined;
}
