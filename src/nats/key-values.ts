/** Reads NATS' key-value store, for `nats_kv` sources. A bucket is a stream, and the value of a key the last message of its subject. */
import { NatsError, type StoredMsg } from "nats";
import type { KeyValueReader } from "../context/ports.ts";
import { MAX_ANSWER_BYTES } from "../context/source.ts";
import { TerminalError } from "../kernel/errors.ts";
import { type Nats, unavailable } from "./connection.ts";
import { readHeaders } from "./headers.ts";

const NO_MESSAGE = 10037;
const NO_STREAM = 10059;

/** `connect` is called when a key is first read: a worker needs no NATS for anything else. */
export function createKeyValueReader(connect: () => Promise<Nats>): KeyValueReader {
  return {
    async get(bucket, key, signal) {
      signal.throwIfAborted();
      const { connection } = await connect();
      let message: StoredMsg;
      try {
        const manager = await connection.jetstreamManager({ checkAPI: false });
        message = await manager.streams.getMessage(`KV_${bucket}`, { last_by_subj: `$KV.${bucket}.${key}` });
      } catch (error) {
        const code = error instanceof NatsError ? error.api_error?.err_code : undefined;
        if (code === NO_MESSAGE) return undefined;
        if (code === NO_STREAM)
          throw new TerminalError("kv_bucket_unknown", `NATS has no key-value bucket ${JSON.stringify(bucket)}`);
        throw unavailable(error);
      }
      const { headers } = readHeaders(() => message.header);
      if (["DEL", "PURGE"].includes(headers?.get("KV-Operation") ?? "")) return undefined;
      if (message.data.byteLength > MAX_ANSWER_BYTES)
        throw new TerminalError(
          "source_too_large",
          `the value of ${key} has ${message.data.byteLength} bytes: at most ${MAX_ANSWER_BYTES} are read`,
        );
      return { bytes: message.data, revision: message.seq };
    },
  };
}
