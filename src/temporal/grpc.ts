/** How Temporal says no. */
import { isGrpcServiceError } from "@temporalio/client";

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

/** Whether it is an error that a gRPC server answered, with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly number[]): boolean {
  return isGrpcServiceError(error) && codes.includes(error.code);
}
