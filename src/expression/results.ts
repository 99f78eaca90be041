/** The values of CEL → JSON, of which a bounded amount is made. */
import { type CelMap, isCelList, isCelMap, isCelUint } from "@bufbuild/cel";
import { toJson } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { isExactNumber, readNumber } from "../json/exact-number.ts";
import { ExpressionError } from "./expression-error.ts";
import { exactNumberOf, originOf } from "./values.ts";

/** Characters of JSON, about. */
export const MAX_RESULT = 1_000_000;

/** How much may still be made. */
export interface Room {
  left: number;
}

export function createRoom(): Room {
  return { left: MAX_RESULT };
}

/** @throws ExpressionError where JSON has no such value, or it is larger than `MAX_RESULT` */
export function toJsonValue(value: unknown): unknown {
  return convert(value, createRoom());
}

function convert(value: unknown, room: Room): unknown {
  if (typeof value === "bigint") return readNumber(String(value));
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new ExpressionError(`the result is ${value}, which is no number of JSON`);
    take(room, 8);
    return value + 0; // minus zero becomes zero
  }
  if (typeof value !== "object" || value === null) {
    measure(value, room);
    return value ?? null;
  }
  const origin = originOf(value);
  if (origin !== undefined) {
    measure(origin, room);
    return origin;
  }
  if (isCelList(value)) return Array.from(value, (item) => convert(item, room));
  if (isCelMap(value))
    return Object.fromEntries(
      Array.from(value, ([key, inner]) => {
        const name = keyOf(key);
        take(room, name.length + 4);
        return [name, convert(inner, room)];
      }),
    );
  return convertOther(value, room);
}

function convertOther(value: object, room: Room): unknown {
  take(room, 8);
  const exact = exactNumberOf(value);
  if (exact !== undefined) return exact;
  if (value instanceof Uint8Array) {
    take(room, (value.length * 4) / 3);
    return Buffer.from(value).toString("base64");
  }
  if (isCelUint(value)) return readNumber(String(value.value));
  if (isReflectMessage(value, TimestampSchema)) return toJson(TimestampSchema, value.message as Timestamp);
  if (isReflectMessage(value, DurationSchema)) return toJson(DurationSchema, value.message as Duration);
  throw new ExpressionError(`the result is the type ${String(value)}, which is no value of JSON`);
}

/** Takes the room that `value`, which is JSON, needs as text. @throws ExpressionError where there is less */
export function measure(value: unknown, room: Room): void {
  if (typeof value === "string") take(room, value.length + 2);
  else if (typeof value !== "object" || value === null || isExactNumber(value)) take(room, 8);
  else if (Array.isArray(value)) {
    take(room, 2);
    for (const item of value) measure(item, room);
  } else {
    take(room, 2);
    for (const key of Object.keys(value)) {
      take(room, key.length + 4);
      measure((value as Record<string, unknown>)[key], room);
    }
  }
}

function take(room: Room, size: number): void {
  room.left -= size;
  if (room.left < 0) throw new ExpressionError(`the result has more than ${MAX_RESULT} characters of JSON`);
}

function keyOf(key: Parameters<CelMap["get"]>[0]): string {
  return isCelUint(key) ? String(key.value) : String(key);
}
