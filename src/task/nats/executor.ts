/**
 * The `nats` executor: one message. Its id is the task's idempotency key, so that a stream drops the repetition that a crash
 * between its answer and our record causes (I8).
 */
import { TerminalError } from "../../kernel/errors.ts";
import type { Executor, TaskAttempt } from "../task.ts";
import type { ExecutorDeps } from "../task-type.ts";
import { traceparentOf } from "../traceparent.ts";
import { describeSubjectFault, findHeaderFaults } from "./faults.ts";
import type { NatsParams } from "./params.ts";
import type { Message } from "./ports.ts";

/** The result of a nats task; of a message that no stream keeps, the names stay and have no values. */
export interface NatsResult {
  subject: string;
  stream: string | null;
  sequence: number | null;
  duplicate: boolean;
}

export function createNatsExecutor({ messages }: Pick<ExecutorDeps, "messages">): Executor<NatsParams> {
  return async (attempt, { signal }): Promise<NatsResult> => {
    signal.throwIfAborted();
    const message = toMessage(attempt);
    const { subject } = message;
    if (attempt.params.jetstream ?? true) return { subject, ...(await messages.keep(message, signal)) };
    await messages.send(message, signal);
    return { subject, stream: null, sequence: null, duplicate: false };
  };
}

/** @throws TerminalError `nats_message_invalid`: what expressions and secrets made was not known before */
function toMessage(attempt: TaskAttempt<NatsParams>): Message {
  const { subject, data = attempt.input, headers = {} } = attempt.params;
  const fault = describeSubjectFault(String(subject));
  if (fault !== undefined) throw invalid(`params/subject ${fault}`);
  const [headerFault] = findHeaderFaults(headers, "params/headers");
  if (headerFault !== undefined) throw invalid(`${headerFault.path} ${headerFault.message}`);
  return {
    subject,
    data: typeof data === "string" ? data : JSON.stringify(data),
    headers: {
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      traceparent: traceparentOf(attempt),
    },
    messageId: attempt.idempotency_key,
  };
}

function invalid(message: string): TerminalError {
  return new TerminalError("nats_message_invalid", message);
}
