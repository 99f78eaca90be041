/**
 * How workflow code reads what it is started with, and what other workflows answer: as Temporal's own converter does, but no number
 * of JSON is changed, and in place of what cannot be read stands an UnreadableValue that says why. Bundled with the workflows (deploy/build/workflow-bundle.ts); the
 * other side of a worker keeps Temporal's own.
 */
import {
  BinaryPayloadConverter,
  CompositePayloadConverter,
  JsonPayloadConverter,
  type Payload,
  UndefinedPayloadConverter,
} from "@temporalio/common";
import { isWithinDepth } from "../json/depth.ts";
import { parseJson } from "../json/parse.ts";
import { UnreadableValue } from "./unreadable-value.ts";

/** To write what is nested so deep that the stack ends takes JSON.stringify seconds, in which no other workflow goes on. */
const MAX_LEVELS = 1000;

class ExactJsonPayloadConverter extends JsonPayloadConverter {
  override fromPayload<T>(payload: Payload): T {
    if (payload.data === undefined || payload.data === null) return super.fromPayload(payload);
    return parseJson(new TextDecoder().decode(payload.data)) as T;
  }
}

/** Messages of protobuf as JSON, which workers in Go, Java and Python answer. */
class ProtobufJsonPayloadConverter extends ExactJsonPayloadConverter {
  override encodingType = "json/protobuf" as never;
}

class ReadingPayloadConverter extends CompositePayloadConverter {
  override fromPayload<T>(payload: Payload): T {
    try {
      const value = super.fromPayload<T>(payload);
      return isWithinDepth(value, MAX_LEVELS)
        ? value
        : (new UnreadableValue(`nested deeper than ${MAX_LEVELS} levels`) as T);
    } catch (error) {
      // Thrown here, it would fail the workflow's task again and again. What stands in its place is a text to the first step, which fails
      // once: no step takes a text.
      return new UnreadableValue((error as Error).message) as T;
    }
  }
}

export const payloadConverter = new ReadingPayloadConverter(
  new UndefinedPayloadConverter(),
  new BinaryPayloadConverter(),
  new ExactJsonPayloadConverter(),
  new ProtobufJsonPayloadConverter(),
);
