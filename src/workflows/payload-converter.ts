/**
 * How workflow code reads what it is started with: as Temporal's own converter, but of JSON no number is changed. Bundled
 * with the workflows (deploy/build/workflow-bundle.ts); the other side of a worker keeps Temporal's own.
 */
import {
  BinaryPayloadConverter,
  CompositePayloadConverter,
  JsonPayloadConverter,
  type Payload,
  UndefinedPayloadConverter,
} from "@temporalio/common";
import { NumberFaultError, parseJson } from "../json/parse.ts";

class ExactJsonPayloadConverter extends JsonPayloadConverter {
  override fromPayload<T>(payload: Payload): T {
    if (payload.data === undefined || payload.data === null) return super.fromPayload(payload);
    const text = new TextDecoder().decode(payload.data);
    try {
      return parseJson(text) as T;
    } catch (error) {
      // Thrown here it would fail the workflow's task again and again. No step takes a text for what it asks for.
      if (error instanceof NumberFaultError) return error.message as T;
      throw error;
    }
  }
}

export const payloadConverter = new CompositePayloadConverter(
  new UndefinedPayloadConverter(),
  new BinaryPayloadConverter(),
  new ExactJsonPayloadConverter(),
);
