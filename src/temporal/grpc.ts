/** The codes with which Temporal refuses a request. */
import { isGrpcServiceError, ScheduleNotFoundError, WorkflowNotFoundError } from "@temporalio/client";
import { RetryableError } from "../kernel/errors.ts";

/** gRPC status codes, as in grpc's specification. */
export const GRPC = {
  invalidArgument: 3,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  failedPrecondition: 9,
  outOfRange: 11,
  unauthenticated: 16,
};

/** Whether it is an error that a gRPC server answered with one of these codes, or what the client or this room made of it. */
export function hasCode(error: unknown, ...codes: readonly number[]): boolean {
  const answered = error instanceof RetryableError ? error.cause : error;
  if (answered instanceof ScheduleNotFoundError || answered instanceof WorkflowNotFoundError)
    return codes.includes(GRPC.notFound);
  return isGrpcServiceError(answered) && codes.includes(answered.code);
}

/** To be given to `catch`: an error with this code becomes the answer undefined, and any other one is thrown again. */
export function ignoring(code: number): (error: unknown) => undefined {
  return (error) => {
    if (!hasCode(error, code)) throw error;
  };
}
