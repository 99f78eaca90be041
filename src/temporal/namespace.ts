/**
 * What actcore needs in Temporal before its first workflow: the namespace, and search attributes that are accepted.
 *
 * Temporal lists a new namespace or attribute at once, and accepts it only when the frontends' caches have caught up,
 * seconds later. So this asks for acceptance, with a query that uses the attributes.
 */
import { type Connection, isGrpcServiceError } from "@temporalio/client";
import { msToTs } from "@temporalio/common/lib/time";
import { temporal } from "@temporalio/proto";
import { describeError, RetryableError, TerminalError } from "../kernel/errors.ts";
import { createBackoff, retryUntilDone } from "../kernel/wait.ts";
import { SEARCH_ATTRIBUTES } from "../run/run.ts";
import { GRPC, hasCode, ignoring } from "./grpc.ts";

const { IndexedValueType } = temporal.api.enums.v1;

const RETENTION_MS = 7 * 24 * 3_600_000;
const POLL_EVERY_MS = 100;
const CALL_DEADLINE_MS = 10_000;
const DEFAULT_DEADLINE_MS = 60_000;

/**
 * Resolves when the namespace exists and accepts both search attributes; what is missing is created. Idempotent, and
 * safe concurrently. With several frontends, another one than the one asked may still refuse for a moment: retry the
 * first use.
 * @throws TerminalError `search_attribute_type`, `temporal_refused`; RetryableError `temporal_unavailable` after
 *   `withinMs` (milliseconds); the reason of `signal`
 */
export async function ensureNamespace(
  connection: Connection,
  namespace: string,
  { signal, withinMs = DEFAULT_DEADLINE_MS }: { signal: AbortSignal; withinMs?: number },
): Promise<void> {
  const deadline = Date.now() + withinMs;
  const attempt = () =>
    connection.withAbortSignal(signal, () =>
      connection.withDeadline(Math.min(Date.now() + CALL_DEADLINE_MS, deadline), async () => {
        await createNamespace(connection, namespace);
        await addAttributes(connection, namespace);
        await useAttributes(connection, namespace);
      }),
    );
  function judge(error: unknown): void {
    signal.throwIfAborted();
    if (error instanceof TerminalError) throw error;
    if (hasCode(error, GRPC.permissionDenied, GRPC.unauthenticated)) {
      const message = `Temporal refuses access to namespace ${namespace}: ${textOf(error)}`;
      const hint = `Permit it, or let an administrator run: ${commandsFor(namespace)}`;
      throw new TerminalError("temporal_refused", message, { hint, cause: error });
    }
    if (Date.now() > deadline) {
      const message = `namespace ${namespace} was not usable within ${withinMs} ms: ${textOf(error)}`;
      throw new RetryableError("temporal_unavailable", message, { cause: error });
    }
  }
  await retryUntilDone(attempt, signal, judge, createBackoff(POLL_EVERY_MS, POLL_EVERY_MS));
  signal.throwIfAborted();
}

async function createNamespace({ workflowService }: Connection, namespace: string): Promise<void> {
  const standing = await workflowService.describeNamespace({ namespace }).catch(ignoring(GRPC.notFound));
  if (standing !== undefined) return;
  const workflowExecutionRetentionPeriod = msToTs(RETENTION_MS);
  const request = { namespace, description: "actcore", workflowExecutionRetentionPeriod };
  // Another process may be faster.
  await workflowService.registerNamespace(request).catch(ignoring(GRPC.alreadyExists));
}

async function missingAttributes(connection: Connection, namespace: string): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return SEARCH_ATTRIBUTES.filter((name) => {
    const type = customAttributes?.[name];
    if (type === undefined || type === null) return true;
    if (type !== IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD) {
      throw new TerminalError(
        "search_attribute_type",
        `namespace ${namespace} has a search attribute ${name} that is not of type Keyword`,
        { hint: "Use another namespace (TEMPORAL_NAMESPACE), or remove that attribute" },
      );
    }
    return false;
  });
}

async function addAttributes(connection: Connection, namespace: string): Promise<void> {
  const missing = await missingAttributes(connection, namespace);
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(
    missing.map((name) => [name, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD]),
  );
  const request = { namespace, searchAttributes };
  await connection.operatorService.addSearchAttributes(request).catch(ignoring(GRPC.alreadyExists));
}

/** Rejects while the frontend does not know the attributes yet: InvalidArgument, naming them. */
async function useAttributes(connection: Connection, namespace: string): Promise<void> {
  const query = SEARCH_ATTRIBUTES.map((name) => `${name} = 'actcore'`).join(" AND ");
  await connection.workflowService.countWorkflowExecutions({ namespace, query });
}

function commandsFor(namespace: string): string {
  const attributes = SEARCH_ATTRIBUTES.map((name) => `--name ${name} --type Keyword`).join(" ");
  return (
    `temporal operator namespace create --namespace ${namespace}; ` +
    `temporal operator search-attribute create --namespace ${namespace} ${attributes}`
  );
}

function textOf(error: unknown): string {
  return isGrpcServiceError(error) ? error.details || error.message : describeError(error);
}
