/** A message of the stream, and the ways to settle it. */
export interface StreamMessage {
  bytes: Uint8Array;
  subject: string;
  streamedAtNs: number;
  /** 1 for the first. */
  deliveries: number;
  ack(): void;
  /** Never delivered again. */
  terminate(reason: string): void;
  retryAfter(delayMs: number): void;
}
