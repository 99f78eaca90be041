/**
 * Bodies that came packed, although requests ask for plain ones. They are unpacked here and not by fetch, which would
 * unpack all of a body on the one thread that serves every request: some hundred bytes can stand for gigabytes.
 */
import type { Transform } from "node:stream";
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from "node:zlib";

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_d_windowLogMax } = constants;
/** RFC 9659: a frame that needs a larger window than 8 MB is no valid content. */
const ZSTD_WINDOW_LOG = 23;

/** By content coding (RFC 9110 §8.4.1). The flush lets what was cut off be unpacked as far as it goes. */
const UNPACKERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip({ finishFlush: Z_SYNC_FLUSH }),
  "x-gzip": () => createGunzip({ finishFlush: Z_SYNC_FLUSH }),
  deflate: () => createInflate({ finishFlush: Z_SYNC_FLUSH }),
  br: () => createBrotliDecompress({ finishFlush: BROTLI_OPERATION_FLUSH }),
  zstd: () => createZstdDecompress({ params: { [ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } }),
};
const MOST_CODINGS = 3;

export interface Unpacked {
  readonly bytes: Uint8Array;
  /** Whether `bytes` are not all that was packed: there was more than the bound, or it could not be unpacked. */
  readonly truncated: boolean;
}

/** At most `maxBytes` of the body when it is unpacked; no bytes where its coding is not known. Never rejects. */
export async function unpack(packed: Uint8Array, contentEncoding: string | null, maxBytes: number): Promise<Unpacked> {
  const codings = (contentEncoding ?? "")
    .toLowerCase()
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity");
  let unpacked: Unpacked = bounded([packed], maxBytes);
  if (codings.length > MOST_CODINGS) return { bytes: new Uint8Array(), truncated: true };
  for (const coding of codings.toReversed()) {
    const create = Object.hasOwn(UNPACKERS, coding) ? UNPACKERS[coding] : undefined;
    if (create === undefined) return { bytes: new Uint8Array(), truncated: true };
    const { bytes, truncated } = await unpackOne(unpacked.bytes, create(), maxBytes);
    unpacked = { bytes, truncated: truncated || unpacked.truncated };
  }
  return unpacked;
}

async function unpackOne(packed: Uint8Array, stream: Transform, maxBytes: number): Promise<Unpacked> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let failed = false;
  stream.end(packed);
  try {
    // Leaving the loop ends the stream.
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size > maxBytes) break;
    }
  } catch {
    failed = true;
  }
  const { bytes, truncated } = bounded(chunks, maxBytes);
  return { bytes, truncated: truncated || failed };
}

function bounded(chunks: readonly Uint8Array[], maxBytes: number): Unpacked {
  const all = Buffer.concat(chunks);
  return { bytes: all.subarray(0, maxBytes), truncated: all.byteLength > maxBytes };
}
