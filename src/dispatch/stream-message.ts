/** A message of the stream, and the ways to settle it. */
import type { MessageHeaders } from "../event/cloud-event.ts";
import type { RetryableError } from "../kernel/errors.ts";

export interface StreamMessage {
  bytes: Uint8Array;
  /** Absent: it has none, or they cannot be read. */
  headers?: MessageHeaders;
  /** Why they cannot be read. */
  headersFault?: string;
  subject: string;
  streamedAtNs: number;
  /** 1 for the first. */
  deliveries: number;
  ack(): void;
  /** Never delivered again. */
  terminate(reason: string): void;
  /** Delivered again after so many milliseconds: something is wrong with this message. */
  retryAfter(delayMs: number): void;
  /** Delivered again when the engine answers that is away, by `reason`, and after `delayMs`. No others are taken before. */
  giveBack(reason: RetryableError, delayMs: number): void;
}
