/** Bodies that came packed: unpacked as far as they are kept, and no further. */
import { describe, expect, test } from "bun:test";
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { unpack } from "../../src/outbound/content-encoding.ts";

const MAX = 16_384;
const text = "a text that is worth packing ".repeat(20);
const unpackText = async (bytes: Uint8Array, coding: string | null) => {
  const { bytes: kept, truncated } = await unpack(bytes, coding, MAX);
  return [Buffer.from(kept).toString(), truncated] as const;
};
const quick = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

describe("a body is unpacked by its coding:", () => {
  test.each<[coding: string | null, bytes: Buffer]>([
    [null, Buffer.from(text)],
    ["identity", Buffer.from(text)],
    ["gzip", gzipSync(text)],
    ["X-GZIP", gzipSync(text)],
    ["deflate", deflateSync(text)],
    ["br", brotliCompressSync(text)],
    ["zstd", zstdCompressSync(text)],
    ["gzip, br", brotliCompressSync(gzipSync(text))],
  ])("%s", async (coding, bytes) => {
    expect(await unpackText(bytes, coding)).toEqual([text, false]);
  });
});

describe("megabytes that are packed small are unpacked up to the bound:", () => {
  const much = Buffer.alloc(8 * 1024 ** 2);
  test.each<[coding: string, bytes: Buffer]>([
    ["gzip", gzipSync(much)],
    ["deflate", deflateSync(much)],
    ["br", brotliCompressSync(much, quick)],
    ["zstd", zstdCompressSync(much)],
    ["gzip, br", brotliCompressSync(gzipSync(much), quick)],
  ])("%s", async (coding, bytes) => {
    const { bytes: kept, truncated } = await unpack(bytes, coding, MAX);
    expect([kept.byteLength, truncated]).toEqual([MAX, true]);
  });
});

test("a body that is cut is unpacked up to the cut", async () => {
  const packed = gzipSync(text, { level: 0 });
  const [kept] = await unpackText(packed.subarray(0, 200), "gzip");
  expect(kept.length).toBeGreaterThan(100);
  expect(text).toStartWith(kept);
});

describe("what cannot be unpacked is kept as nothing, and said to be incomplete:", () => {
  test.each<[what: string, coding: string]>([
    ["not what it says it is", "gzip"],
    ["not what it says it is", "br"],
    ["not what it says it is", "zstd"],
    ["a coding that is not known", "pack200"],
    ["more codings than anybody uses", "gzip, gzip, gzip, gzip"],
    ["a coding with the name of a method", "constructor"],
  ])("%s (%s)", async (_, coding) => {
    expect(await unpackText(Buffer.from(text), coding)).toEqual(["", true]);
  });
});

test("a zstd frame that asks for more memory than HTTP allows is refused", async () => {
  const wide = { params: { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 } };
  const bytes = zstdCompressSync(Buffer.alloc(200 * 1024 ** 2), wide);
  expect(await unpackText(bytes, "zstd")).toEqual(["", true]);
});
