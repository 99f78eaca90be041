/**
 * Whether an engine answers: one cheap question for each, over its own protocol, without a password.
 * Each resolves on a good answer and rejects otherwise, at the latest when `signal` aborts. None goes through a proxy: the
 * engines are on this host.
 */
import { connect, type Socket } from "node:net";
import { Connection } from "@temporalio/client";
import { type Address, formatAddress } from "../kernel/address.ts";
import { RetryableError } from "../kernel/errors.ts";

/** Asks once, until one of `ends` aborts or `withinMs` pass: why there was no answer; undefined when there was one. */
export async function findSilence(
  ask: (signal: AbortSignal) => Promise<void>,
  withinMs: number,
  late: string,
  ...ends: AbortSignal[]
): Promise<Error | undefined> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(new Error(late)), withinMs);
  try {
    await ask(AbortSignal.any([...ends, timeout.signal]));
    return undefined;
  } catch (error) {
    return asError(error);
  } finally {
    clearTimeout(timer);
  }
}

/** A start-up packet for a role that need not exist: Postgres asks for a password as soon as it accepts sessions. */
export async function probePostgres(target: Address, signal: AbortSignal): Promise<void> {
  const answer = await firstBytes(target, postgresStartup({ user: "actcore", database: "postgres" }), signal);
  if (answer[0] === 0x52 /* R, a request to authenticate */) return;
  // An error packet: fields of a type byte and a text, of which M is the message.
  const message = /\0M([^\0]+)\0/.exec(answer.toString("latin1"))?.[1];
  throw new Error(message ?? "it does not speak Postgres' protocol");
}

/** NATS greets with `INFO {…}`. */
export async function probeNats(target: Address, signal: AbortSignal): Promise<void> {
  const answer = await firstBytes(target, undefined, signal);
  if (!answer.toString("latin1").startsWith("INFO ")) throw new Error("it does not speak NATS' protocol");
}

/** What JetStream's health check says once it has given up writing: it stays so until nats-server is restarted. */
const GAVE_UP_WRITING = /write error:|JetStream not enabled/;

/**
 * Asks the embedded NATS for its own health, JetStream included.
 * @throws RetryableError `nats_store_failed` for what only a restart of nats-server cures; Error for anything else
 */
export async function probeNatsHealth(monitorUrl: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(`${monitorUrl}/healthz`, { signal, proxy: false });
  const text = await response.text();
  if (response.ok) return;
  if (!GAVE_UP_WRITING.test(text)) throw new Error(`health check answered ${response.status} ${text.slice(0, 200)}`);
  throw new RetryableError("nats_store_failed", `NATS stores nothing any more: ${reasonOf(text)}`, {
    hint: "Make room on the disk of the data directory: actcore restarts NATS as soon as there is some",
  });
}

/** The `error` of a health check's JSON; the text itself where it is none. */
function reasonOf(text: string): string {
  try {
    return String(JSON.parse(text).error ?? text);
  } catch {
    return text.slice(0, 200);
  }
}

export async function probeHttp(url: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal, proxy: false });
  await response.body?.cancel();
  if (response.status >= 500) throw new Error(`${url} answered ${response.status}`);
}

/** Temporal's gRPC health check, over a connection that is kept while it works. */
export function createTemporalProbe(target: Address) {
  let connection: Connection | undefined;

  async function drop(): Promise<void> {
    const closing = connection;
    connection = undefined;
    await closing?.close();
  }
  return {
    async probe(signal: AbortSignal): Promise<void> {
      try {
        // First a plain connect: a failed gRPC connect would back off for a second and more.
        if (connection === undefined) (await openSocket(target, signal)).destroy();
        signal.throwIfAborted();
        connection ??= Connection.lazy({
          address: formatAddress(target),
          // Channels of one address otherwise share their backoff.
          channelArgs: { "grpc.use_local_subchannel_pool": 1, "grpc.enable_http_proxy": 0 },
        });
        const current = connection;
        const health = await current.withAbortSignal(signal, () =>
          current.withDeadline(Date.now() + 10_000, () =>
            current.healthService.check({ service: "temporal.api.workflowservice.v1.WorkflowService" }),
          ),
        );
        if (health.status !== 1) throw new Error(`health check answered status ${health.status}`);
      } catch (error) {
        await drop();
        throw signal.aborted ? signal.reason : error;
      }
    },
    close: drop,
  };
}

/** Resolves with an open socket; destroy it. */
function openSocket({ host, port }: Address, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({ host, port });
    const onAbort = () => socket.destroy(asError(signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", onAbort));
    socket.once("error", reject);
    socket.once("connect", () => resolve(socket));
  });
}

async function firstBytes(target: Address, send: Buffer | undefined, signal: AbortSignal): Promise<Buffer> {
  const socket = await openSocket(target, signal);
  try {
    if (send !== undefined) socket.write(send);
    for await (const data of socket) return data;
    throw new Error("it closed the connection");
  } finally {
    socket.destroy();
  }
}

function postgresStartup(parameters: Record<string, string>): Buffer {
  const body = Buffer.from(`${Object.entries(parameters).flat().join("\0")}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + body.length, 0);
  head.writeInt32BE(196_608, 4); // protocol 3.0
  return Buffer.concat([head, body]);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
