/** What the executor of nats tasks uses of NATS; nats/message-publisher.ts is behind it. */

export interface Message {
  readonly subject: string;
  readonly data: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Within its duplicate window, a stream keeps one message of an id. */
  readonly messageId: string;
}

/** Where a stream has kept a message. */
export interface Kept {
  stream: string;
  sequence: number;
  /** Whether the stream had it already: an earlier try's answer was lost. */
  duplicate: boolean;
}

export interface MessagePublisher {
  /**
   * Resolves when a stream has kept the message.
   * @throws TerminalError `nats_message_too_large`, `nats_not_a_stream`, `nats_event_invalid`; RetryableError
   * `nats_unavailable`, `nats_no_stream`, `nats_stream_refused`; the reason of `signal`
   */
  keep(message: Message, signal: AbortSignal): Promise<Kept>;
  /**
   * Resolves when the server has the message: for whoever subscribes at the moment.
   * @throws as `keep`, without what is said of streams
   */
  send(message: Message, signal: AbortSignal): Promise<void>;
}
